"""The worker processes and their queue: who waits, who works, who is replaced."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Any

from voiceface.app.job import Job
from voiceface.app.limits import Limits
from voiceface.app.place import Place
from voiceface.app.refusal import Refusal
from voiceface.app.worker import MakeWorker
from voiceface.app.worker_process import WorkerProcess
from voiceface.errors import InputError

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
"""Between looks at an idle worker: whether it still runs."""
_LONGEST_PAUSE = 30.0
"""Seconds before a worker that cannot be loaded is tried again."""


class Workers:
    """Worker processes, each with a thread that gives it jobs and replaces it when it ends.

    Args:
        make: makes what works in a process.
        count: of processes.
        limits: of the queue and of the processes' memory.
    """

    def __init__(self, make: MakeWorker, *, count: int, limits: Limits) -> None:
        if count < 1:
            raise InputError("--workers", f"is {count}", "give 1 or more")
        self.count, self.limits = count, limits
        self.about: dict[str, Any] = {}
        """What the workers say of themselves; empty until the first is ready."""
        self.fault: InputError | None = None
        """Why no worker can be loaded."""
        self.replaced = 0
        self._make = make
        self._changed = threading.Condition()
        self._queue: deque[Job] = deque()
        self._places = 0
        self._processes: dict[int, WorkerProcess] = {}
        self._working: dict[int, Job] = {}
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep, args=(number,), name=f"worker-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def ready(self) -> int:
        """Processes whose models are loaded."""
        return sum(process.ready and process.alive for process in list(self._processes.values()))

    @property
    def busy(self) -> int:
        """Processes that work."""
        return len(self._working)

    @property
    def waiting(self) -> int:
        """Jobs that wait for a process."""
        return len(self._queue)

    def wait_until_ready(self) -> None:
        """Wait until a process has loaded its models.

        Raises:
            InputError: they cannot be loaded.
        """
        with self._changed:
            while not self.ready and self.fault is None and not self._closed.is_set():
                self._changed.wait(_LOOK_SECONDS)
        if self.fault is not None:
            raise self.fault

    def take_place(self) -> Place:
        """A place for a request, before its upload is read.

        Raises:
            Refusal: all are taken (429), no worker can be loaded (503), or the server ends (503).
        """
        with self._changed:
            self._check()
            if self._places >= self.count + self.limits.queue:
                fault = f"is busy: {self._places} requests are being worked on or wait"
                busy = InputError("the server", fault, "try again in a few seconds")
                raise Refusal(429, busy, {"Retry-After": "5"})
            self._places += 1
        return Place(self._free_place)

    def submit(self, job: Job) -> None:
        """Put a job at the end of the queue; its place is freed when no worker is at it any more.

        Raises:
            Refusal: no worker can be loaded, or the server ends.
        """
        with self._changed:
            self._check()
            job.place.handed_over = True
            self._queue.append(job)
            self._changed.notify()

    def position(self, job: Job) -> int:
        """How many jobs wait before this one."""
        with self._changed:
            return self._queue.index(job) if job in self._queue else 0

    def cancel(self, job: Job) -> None:
        """Wait for a job no longer; a worker that has begun it is asked to stop."""
        job.cancel()
        with self._changed:
            if job in self._queue:
                self._queue.remove(job)
                job.place.free()
        for number, working in list(self._working.items()):
            if working is job:
                self._processes[number].cancel(job)

    def close(self) -> None:
        """End all processes; who still waits is answered 503."""
        with self._changed:
            self._closed.set()
            left = [*self._queue, *self._working.values()]
            self._queue.clear()
            self._changed.notify_all()
        for job in left:
            job.finish(Refusal(503, InputError("the server", "is ending")))
            job.place.free()
        for process in list(self._processes.values()):
            process.kill()  # its thread closes it
        for thread in self._threads:
            thread.join(10)

    def _check(self) -> None:
        if self._closed.is_set():
            raise Refusal(503, InputError("the server", "is ending"))
        if self.fault and not self.ready:
            raise Refusal(503, self.fault)

    def _free_place(self) -> None:
        with self._changed:
            self._places -= 1

    def _keep(self, number: int) -> None:
        """Keep one process running, and give it jobs."""
        pause = 1.0
        while not self._closed.is_set():
            process = WorkerProcess(self._make, self.limits)
            self._processes[number] = process
            try:
                self.about, self.fault, pause = process.wait_until_ready(), None, 1.0
                with self._changed:
                    self._changed.notify_all()
            except InputError as error:
                process.close()
                self._refuse_all(error)
                with self._changed:
                    self._changed.wait_for(self._closed.is_set, pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            while (job := self._next(process)) is not None:
                self._working[number] = job
                of_use = process.work(job)
                del self._working[number]
                self._leave(job)
                if not of_use:
                    break
            if not self._closed.is_set():
                self.replaced += 1
                log.warning("worker %d has ended and is replaced", process.pid)
            process.close()

    def _next(self, process: WorkerProcess) -> Job | None:
        """The next job; None when the process has ended or shall."""
        while True:
            with self._changed:
                if not self._queue and not self._closed.is_set():
                    self._changed.wait(_LOOK_SECONDS)
                if self._closed.is_set() or not process.alive:
                    return None
                job = self._queue.popleft() if self._queue else None
            if job is not None and job.begin():
                return job
            if job is not None:
                job.place.free()

    def _leave(self, job: Job) -> None:
        """Free the place of a job that has ended; one that had not begun waits again, before all others."""
        with self._changed:
            again = not (job.answer.done() or self._closed.is_set())
            if again:
                self._queue.appendleft(job)
                self._changed.notify()
        if not again:
            job.finish(Refusal(503, InputError("the server", "is ending")))
            job.place.free()

    def _refuse_all(self, error: InputError) -> None:
        """Tell all who wait that no worker can be loaded, unless there are others."""
        if self._closed.is_set() or self.ready:
            return
        if str(error) != str(self.fault):
            log.error("%s", error)
        self.fault = error
        with self._changed:
            left = list(self._queue)
            self._queue.clear()
        for job in left:
            job.finish(Refusal(503, error))
            job.place.free()
