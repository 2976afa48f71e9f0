"""Talking clips for many recordings, one after the other; unusable recordings are reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from voiceface.errors import InputError
from voiceface.pipelines.imagine_files import Job
from voiceface.pipelines.talker import Talker, TalkingVideo


@dataclass(frozen=True, slots=True, kw_only=True)
class AnimationOptions:
    """How clips are generated."""

    face: Path | None = None
    seed: int = 0
    size: int | None = None
    force: bool = False


@dataclass(slots=True)
class AnimationResults:
    """The clips written, and the errors of recordings that were not usable."""

    clips: list[tuple[Job, TalkingVideo]] = field(default_factory=list)
    failed: list[InputError] = field(default_factory=list)


def animate_files(
    talker: Talker, jobs: Sequence[Job], options: AnimationOptions, *, progress: Callable[[int, int], None]
) -> AnimationResults:
    """Generate and write clips; ``progress`` counts the frames of a single recording, else recordings."""
    results = AnimationResults()
    for number, job in enumerate(jobs):
        path = job.pictures[0]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            clip = talker(
                job.voice,
                path,
                seed=options.seed,
                face=options.face,
                size=options.size,
                force=options.force,
                progress=progress if len(jobs) == 1 else None,
            )
        except InputError as error:
            results.failed.append(error)
        else:
            results.clips.append((job, clip))
        if len(jobs) > 1:
            progress(number + 1, len(jobs))
    return results
