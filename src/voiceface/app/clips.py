"""Talking clips in the making, and those that wait to be fetched."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voiceface.app.job import Job
from voiceface.app.messages import Task, Upload
from voiceface.app.place import Place
from voiceface.app.refusal import Refusal
from voiceface.app.workers import Workers
from voiceface.errors import InputError

_KEPT_SECONDS = 600.0
_MOST_KEPT = 32


@dataclass(slots=True, eq=False)
class Clip:
    """One clip: the job that makes it and the file that it becomes."""

    job: Job
    path: Path
    ended: float | None = field(default=None)
    """When the job ended, by the monotonic clock."""


class Clips:
    """The clips of one server, in a temporary folder; each is deleted ten minutes after it was made.

    Args:
        workers: make them.
    """

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self._folder = tempfile.TemporaryDirectory(prefix="voiceface-app-", ignore_cleanup_errors=True)
        self._clips: dict[str, Clip] = {}

    def begin(
        self, name: str, files: dict[str, list[Upload]], arguments: dict[str, Any], place: Place
    ) -> Clip:
        """Put the making of a clip into the queue, under a name that nobody can guess.

        Raises:
            Refusal: no worker can be loaded, or the server ends.
        """
        self.sweep()
        path = Path(self._folder.name) / name / "clip.mp4"
        task = Task(id=name, name="animate", arguments=arguments | {"out": str(path)}, files=files)
        clip = Clip(Job(task, place, seconds=self.workers.limits.clip_seconds), path)
        path.parent.mkdir()
        self.workers.submit(clip.job)
        self._clips[name] = clip
        return clip

    def find(self, name: str) -> Clip:
        """The clip of an id.

        Raises:
            Refusal: there is none (404).
        """
        self.sweep()
        if name not in self._clips:
            error = InputError("the clip", "does not exist, or is no longer kept", "make it again")
            raise Refusal(404, error)
        return self._clips[name]

    def facts(self, clip: Clip) -> dict[str, Any]:
        """What there is to know of a clip, as JSON can hold it."""
        job, name = clip.job, clip.job.task.id
        done, total = job.progress
        found: dict[str, Any] = {"id": name, "state": job.state, "progress": {"done": done, "total": total}}
        if job.state == "queued":
            found["waiting_before"] = self.workers.position(job)
        elif job.state == "done":
            found |= {"clip": f"/v1/animate/{name}/clip", **job.answer.result().facts}
        elif job.state == "failed":
            error = job.answer.exception()
            assert isinstance(error, Refusal)
            found |= {"status": error.status, **error.content}
        return found

    def forget(self, clip: Clip) -> None:
        """Stop making a clip, and delete what there is of it."""
        self.workers.cancel(clip.job)
        self._clips.pop(clip.job.task.id, None)
        shutil.rmtree(clip.path.parent, ignore_errors=True)

    def sweep(self) -> None:
        """Delete clips whose time is over, and the oldest where there are too many."""
        now = time.monotonic()
        for clip in self._clips.values():
            if clip.ended is None and clip.job.answer.done():
                clip.ended = now
        ended = sorted((clip for clip in self._clips.values() if clip.ended is not None), key=_when)
        for place, clip in enumerate(reversed(ended)):
            if place >= _MOST_KEPT or now - _when(clip) > _KEPT_SECONDS:
                self.forget(clip)

    def close(self) -> None:
        """Delete everything."""
        self._folder.cleanup()


def _when(clip: Clip) -> float:
    return clip.ended or 0.0
