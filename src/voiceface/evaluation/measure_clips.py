"""One clip measured from its files: the task that other processes and a cluster's workers do."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from voiceface.corpus.workers import Workers
from voiceface.errors import InputError
from voiceface.evaluation.clip_files import read_clip_pair, video_judges
from voiceface.evaluation.find_sync_expert import find_sync_expert
from voiceface.evaluation.picture_faces import check_is_there
from voiceface.metrics.sync_confidence import REACH
from voiceface.protocols.clip_measurement import Judges, Measured, VideoClip, measure

_STRANGERS = 20
"""Real clips of other people that are tried, the nearest before a clip first, until one can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeFiles:
    """By what weights clips are measured, as any process can load them."""

    sync: str = ""
    """Of a sync expert; empty: the shipped one, if there is one."""
    csim: Path | None = None
    """Of ArcFace, for CSIM."""
    lpips: Path | None = None
    """Of AlexNet, for LPIPS."""
    fvd: Path | None = None
    """Of I3D, for FVD: not a clip's figure but a set's, so no worker loads it."""

    def load(self) -> Judges:
        """The measures' functions.

        Raises:
            InputError: weights that cannot be found, or of another network.
            MissingPartError: the wheel ``lpips`` is not installed.
        """
        return video_judges(find_sync_expert(self.sync), csim=self.csim, lpips=self.lpips)

    def anywhere(self) -> JudgeFiles:
        """The same for a process in another folder."""
        sync = str(Path(self.sync).resolve()) if self.sync and Path(self.sync).exists() else self.sync
        csim, lpips = (None if one is None else one.resolve() for one in (self.csim, self.lpips))
        return JudgeFiles(sync=sync, csim=csim, lpips=lpips)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPair:
    """A generated clip and the real one of its name."""

    name: str
    person: str
    group: str
    generated: Path
    real: Path | None

    def read(self, *, points: bool) -> VideoClip:
        """The clip as `voiceface.protocols.video_quality` takes it, with or without landmarks.

        Raises:
            InputError: a file cannot be read.
        """
        return read_clip_pair(
            self.name,
            (self.generated, self.real),
            person=self.person,
            group=self.group,
            points=points,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipTask:
    """A clip to measure, and whose real clips are tried for its chance."""

    pair: ClipPair
    strangers: tuple[ClipPair, ...]
    judges: JudgeFiles
    threads: int
    """Of torch; 0: as they are."""

    def __str__(self) -> str:
        """As an error names it."""
        return f"clip {self.pair.name}"


def clip_tasks(
    generated: Mapping[str, Path],
    real: Mapping[str, Path],
    *,
    people: Mapping[str, str],
    groups: Mapping[str, str],
    judges: JudgeFiles,
    workers: Workers,
) -> Iterator[ClipTask]:
    """A task for every generated clip, by name; its strangers are real clips before it, the last first."""
    before: list[ClipPair] = []
    for name in sorted(generated):
        other = real[name].resolve() if name in real else None
        pair = ClipPair(
            name=name,
            person=people.get(name, name),
            group=groups.get(name, ""),
            generated=generated[name].resolve(),
            real=other,
        )
        strangers = [one for one in reversed(before) if one.person != pair.person][:_STRANGERS]
        yield ClipTask(
            pair=pair, strangers=tuple(strangers), judges=judges.anywhere(), threads=workers.threads
        )
        if other is not None:
            before.append(pair)


def measure_clip_files(task: ClipTask) -> Measured | str:
    """What was measured of a clip, or why its files cannot be read.

    Raises:
        InputError: a file or weights are not there for this machine, or the weights are of another network.
    """
    if task.threads:
        torch.set_num_threads(task.threads)
    judges = _loaded(task.judges)
    for path in (task.pair.generated, task.pair.real):
        if path is not None:
            check_is_there(path)
    try:
        clip = task.pair.read(points=True)
    except InputError as error:
        return str(error)
    stranger = None
    if clip.real is not None:  # without one nothing is compared with a stranger
        stranger = next(filter(None, map(_readable, task.strangers)), None)
    return measure(clip, judges, reach=REACH, stranger=stranger)


@functools.lru_cache(maxsize=1)
def _loaded(files: JudgeFiles) -> Judges:
    """Once a process: a worker measures many clips."""
    return files.load()


def _readable(pair: ClipPair) -> VideoClip | None:
    try:
        return pair.read(points=False)
    except InputError:
        return None
