"""What one file may cost the process that prepares it: a decoder that hangs or eats memory is stopped."""

from __future__ import annotations

import contextlib
import faulthandler
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from voiceface.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemLimits:
    """Time for one item, and memory for the process that prepares it.

    Raises InputError when a value cannot be.
    """

    item_minutes: float = 60.0
    """Minutes of work on one item; a film of hours on a slow machine may need more."""
    item_gigabytes: float = 4.0
    """Memory (10^9 bytes) of a process that prepares items. Linux keeps to it, macOS and Windows do not."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 0 < self.item_minutes < 1e6:
            raise InputError("item_minutes", f"is {self.item_minutes:g}", "give more than 0")
        if not 1 <= self.item_gigabytes < 1e6:
            raise InputError("item_gigabytes", f"is {self.item_gigabytes:g}", "give 1 or more")

    def hold_memory(self) -> None:
        """Bound this process' memory from now on: beyond it, it gets a MemoryError."""
        try:
            import resource
        except ImportError:  # Windows
            return
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = round(self.item_gigabytes * 1e9)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(
                resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard)
            )

    @contextlib.contextmanager
    def clock(self, note: Path) -> Iterator[Callable[[], None]]:
        """A function to call as each item begins: one that takes too long ends this process.

        `was_stopped` then tells it by ``note``. The clock is a thread of C, which a decoder that never
        returns to Python cannot stop either.
        """
        seconds, set_at = 60 * self.item_minutes, float("-inf")
        note.parent.mkdir(exist_ok=True)
        with note.open("w") as file:

            def begin() -> None:
                nonlocal set_at
                # Setting it takes 2 ms: short items share a clock, and have nine tenths of the time at least.
                if time.monotonic() - set_at > seconds / 10:
                    faulthandler.dump_traceback_later(seconds, exit=True, file=file)
                    set_at = time.monotonic()

            try:
                yield begin
            finally:
                faulthandler.cancel_dump_traceback_later()


def was_stopped(note: Path) -> bool:
    """Whether the process that wrote ``note`` was ended because its time was over."""
    try:
        return note.stat().st_size > 0
    except OSError:
        return False
