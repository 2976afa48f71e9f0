"""Talking clips for many recordings, one after the other; one that cannot be used is put down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from voiceface.errors import InputError

if TYPE_CHECKING:
    from voiceface.pipelines.imagine_files import Job
    from voiceface.pipelines.talker import Talker, TalkingVideo

__all__ = ["AnimationResults", "AnimationOptions", "animate_files"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnimationOptions:
    """How clips are to be drawn."""

    face: Path | None = None
    seed: int = 0
    size: int | None = None
    force: bool = False


@dataclass(slots=True)
class AnimationResults:
    """What was written, and what could not be."""

    clips: list[tuple[Job, TalkingVideo]] = field(default_factory=list)
    failed: list[InputError] = field(default_factory=list)


def animate_files(
    talker: Talker, jobs: Sequence[Job], wanted: AnimationOptions, *, progress: Callable[[int, int], None]
) -> AnimationResults:
    """Draw and write; ``progress`` counts frames of a single recording, else recordings."""
    done = AnimationResults()
    for number, job in enumerate(jobs):
        path = job.pictures[0]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            clip = talker(
                job.voice,
                path,
                seed=wanted.seed,
                face=wanted.face,
                size=wanted.size,
                force=wanted.force,
                progress=progress if len(jobs) == 1 else None,
            )
        except InputError as error:
            done.failed.append(error)
        else:
            done.clips.append((job, clip))
        if len(jobs) > 1:
            progress(number + 1, len(jobs))
    return done
