"""A worker process: it holds the models, decodes what was uploaded, and works on one task after the other."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Protocol

from voiceface.app.messages import Answer, Begun, Cancel, Fault, Message, Progress, Ready, Task, receive, send
from voiceface.corpus.item_limits import ItemLimits
from voiceface.errors import InputError, MissingPartError

OnProgress = Callable[[int, int], None]


class TaskRunner(Protocol):
    """What a worker process holds."""

    @property
    def about(self) -> dict[str, Any]:
        """What there is to know of it, as JSON can hold it."""

    def run(self, task: Task, progress: OnProgress) -> Answer:
        """The result of a task; ``progress(done, total)`` is called where there is some.

        Raises:
            InputError: the files or the arguments cannot be used.
        """


MakeWorker = Callable[[], TaskRunner]
"""Makes it in the new process: a function of a module, so that the process can find it."""


class _CancelledError(Exception):
    """Nobody waits for the result any more."""


def serve(connection: Connection[Any, Any], make: MakeWorker, gigabytes: float) -> None:
    """Work until the other end of the connection is closed.

    Args:
        connection: to the server.
        make: makes the runner of tasks.
        gigabytes: of memory (10^9 bytes) that this process may take.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's; it ends its workers
    ItemLimits(item_gigabytes=gigabytes).hold_memory()
    # Threads of torch that wait busily take the processor from those that work: where others use it too, a
    # face took 3 to 5 s instead of 0.5 s. It must be said before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with contextlib.suppress(EOFError, OSError):
        try:
            runner = make()
        except BaseException as error:
            send(connection, _fault("", error))
            return
        send(connection, Ready(runner.about))
        while True:
            task = receive(connection)
            if isinstance(task, Task):  # a cancellation may come too late
                send(connection, Begun(task.id))
                send(connection, _work(runner, task, connection))


def _work(runner: TaskRunner, task: Task, connection: Connection[Any, Any]) -> Message:
    def progress(done: int, total: int) -> None:
        while connection.poll():
            if receive(connection) == Cancel(task.id):
                raise _CancelledError
        send(connection, Progress(task.id, done, total))

    try:
        answer = runner.run(task, progress)
    except BaseException as error:  # a broken connection shows again when the fault is sent
        return _fault(task.id, error)
    return Answer(id=task.id, facts=answer.facts, files=answer.files)


def _fault(name: str, error: BaseException) -> Fault:
    match error:
        case _CancelledError():
            return Fault(id=name, kind="cancelled", what="the request", fault="was cancelled")
        case MissingPartError():
            return Fault(id=name, kind="missing", what=error.what, fault=error.fault, remedy=error.remedy)
        case InputError():
            return Fault(id=name, kind="input", what=error.what, fault=error.fault, remedy=error.remedy)
        case _ if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            fault = "needs more memory than a worker may take"
            return Fault(id=name, kind="input", what="the request", fault=fault, remedy="give smaller files")
    traceback.print_exception(error)
    kind = f"{type(error).__name__}: {error}"
    fault = f"met an unexpected fault ({' '.join(kind.split())[:200]})"
    remedy = "please report it; the server's log has more"
    return Fault(id=name, kind="unexpected", what="the request", fault=fault, remedy=remedy)
