"""A worker process as the server sees it: started, given tasks, ended when it takes too long."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections.abc import Iterator
from typing import Any

import msgspec

from voiceface.app.job import Job
from voiceface.app.limits import Limits
from voiceface.app.messages import Answer, Begun, Cancel, Fault, Progress, Ready, receive, send
from voiceface.app.refusal import Refusal
from voiceface.app.worker import MakeWorker, serve
from voiceface.errors import InputError

_START_SECONDS = 300.0
_STATUS = {"input": 422, "missing": 501, "cancelled": 409, "unexpected": 500}
_BROKEN = (EOFError, OSError, msgspec.DecodeError, msgspec.ValidationError)


class WorkerProcess:
    """A spawned process; one thread gives it tasks, any other may cancel them or kill it.

    Args:
        make: makes what works in the new process.
        limits: of its memory.
    """

    def __init__(self, make: MakeWorker, limits: Limits) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, make, limits.worker_gigabytes), name="voiceface-worker", daemon=True
        )
        self._process.start()
        theirs.close()
        self._sending = threading.Lock()
        self._killed_for = ""
        self.ready = False

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.is_alive()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid or 0

    def wait_until_ready(self) -> dict[str, Any]:
        """Wait until its models are loaded; what there is to know of them.

        Raises:
            InputError: they cannot be.
        """
        with self._killed_after(_START_SECONDS, f"took more than {_START_SECONDS:g} s to load"):
            try:
                first = receive(self._connection)
            except _BROKEN as error:
                fault = self._killed_for or f"ended while it loaded ({self._exit()})"
                raise InputError("a worker", fault, "see the server's log") from error
        if isinstance(first, Fault):
            raise first.error
        if not isinstance(first, Ready):
            raise InputError("a worker", "does not begin by saying that it is ready", "see the server's log")
        self.ready = True
        return first.about

    def work(self, job: Job) -> bool:
        """Do a job and hand over its result; False when the process is no longer of use.

        A job that it ended without having begun has no result then.
        """
        remedy, begun = "give a shorter recording or fewer files", False
        try:
            with self._killed_after(job.seconds, f"took more than {job.seconds:g} s"):
                with self._sending:
                    send(self._connection, job.task)
                if job.cancelled.is_set():
                    self.cancel(job)
                while True:
                    message = receive(self._connection)
                    match message:
                        case Begun():
                            begun = True
                        case Progress():
                            job.progress = message.done, message.total
                        case Answer():
                            job.finish(message)
                            return True
                        case Fault():
                            job.finish(Refusal(_STATUS[message.kind], message.error))
                            return True
        except _BROKEN:
            self.kill()
            if not begun and not self._killed_for and job.may_be_tried_again():
                return False
            if self._killed_for:
                job.finish(Refusal(504, InputError(job.what, self._killed_for, remedy)))
            fault = f"ended the process that read it ({self._exit()}: a crash, or too little memory)"
            job.finish(Refusal(500, InputError(job.what, fault, "leave it out, or convert it first")))
            return False

    def cancel(self, job: Job) -> None:
        """Ask it to stop working on a job; it does at its next progress."""
        if not self._sending.acquire(blocking=False):
            return  # the job is still on its way, and looked at again behind it
        try:
            with contextlib.suppress(OSError):
                send(self._connection, Cancel(job.task.id))
        finally:
            self._sending.release()

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()

    def close(self) -> None:
        """End it, from the thread that gives it tasks."""
        self.kill()
        self._process.join(5)
        self._connection.close()

    def _exit(self) -> str:
        self._process.join(5)
        code = self._process.exitcode
        return "it runs on" if code is None else f"signal {-code}" if code < 0 else f"exit code {code}"

    @contextlib.contextmanager
    def _killed_after(self, seconds: float, why: str) -> Iterator[None]:
        def end() -> None:
            self._killed_for = why
            self._process.kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
