"""A task on its way through the queue and a worker."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Literal

from voiceface.app.messages import Answer, Task
from voiceface.app.place import Place
from voiceface.app.refusal import Refusal
from voiceface.errors import InputError

_NAMED = 3
"""Files that an error names."""
State = Literal["queued", "running", "done", "failed", "cancelled"]


class Job:
    """One task and what becomes of it; every method may be called from any thread.

    Attributes:
        task: what is to be done.
        place: among the server's requests.
        seconds: how long a worker may take.
        answer: the result, or a `Refusal` as its exception.
        progress: how much is done, and of how much; ``(0, 0)`` while nothing is known.
    """

    def __init__(self, task: Task, place: Place, *, seconds: float) -> None:
        self.task, self.place, self.seconds = task, place, seconds
        self.answer: Future[Answer] = Future()
        self.progress = (0, 0)
        self.cancelled = threading.Event()
        self._running = self._tried_again = False

    @property
    def what(self) -> str:
        """What an error calls it: its file, or one of several."""
        names = [file.name for files in self.task.files.values() for file in files]
        if len(names) < 2:
            return names[0] if names else "the request"
        more = ", ..." if len(names) > _NAMED else ""
        return f"one of {', '.join(names[:_NAMED])}{more}"

    @property
    def state(self) -> State:
        """Where it is."""
        if self.cancelled.is_set():
            return "cancelled"
        if self.answer.done():
            return "failed" if self.answer.exception() else "done"
        return "running" if self._running else "queued"

    def begin(self) -> bool:
        """Say that a worker takes it; False where nobody waits for it any more."""
        self._running = not self.answer.done()
        return self._running

    def may_be_tried_again(self) -> bool:
        """Whether it goes back into the queue after a process ended before it had begun; once."""
        first, self._tried_again = not self._tried_again, True
        return first

    def finish(self, result: Answer | Refusal) -> None:
        """Hand over the result, unless it is there already."""
        # Two threads may come together here, one that cancels and one that has the result.
        try:
            if isinstance(result, Refusal):
                self.answer.set_exception(result)
            else:
                self.answer.set_result(result)
        except Exception:
            return
        self.task = Task(id=self.task.id, name=self.task.name)  # its files are needed no longer

    def cancel(self) -> None:
        """Wait for it no longer."""
        if not self.answer.done():
            self.cancelled.set()
            self.finish(Refusal(409, InputError("the request", "was cancelled")))
