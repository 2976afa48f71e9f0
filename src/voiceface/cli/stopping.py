"""SIGTERM and SIGHUP as Ctrl-C: the command unwinds, and what it had half written is removed."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Stopped(KeyboardInterrupt):
    """The process was asked to end, by the signal of this number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.name = signal.Signals(number).name
        self.code = 128 + number
        """The exit code that a shell expects."""


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Within it, the first SIGTERM or SIGHUP raises `Stopped`, and further ones are ignored.

    A signal that is ignored already (SIGHUP under ``nohup``) stays so. Nothing is done in other threads than
    the main one, which alone may set signals.
    """
    before: dict[int, signal._HANDLER] = {}
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

    def stop(number: int, frame: FrameType | None) -> None:
        for one in before:
            signal.signal(one, signal.SIG_IGN)
        raise Stopped(number)

    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
