"""One writer a corpus: a lock that the system releases when its holder ends, however it ends."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from voiceface.errors import InputError

__all__ = ["folder_lock"]

NAME = ".lock"


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock.

    Raises:
        InputError: another process holds it, or the folder cannot be written.
    """
    path = folder / NAME
    try:
        file = path.open("ab")
    except OSError as error:
        fault = f"cannot be written ({error.strerror or error})"
        raise InputError(folder, fault, "change its permissions or write elsewhere") from error
    with file:
        try:
            _take(file)
        except BlockingIOError:
            raise InputError(
                folder, "is being prepared by another process", "wait for it or stop it"
            ) from None
        except OSError:
            # A network disk without locks: two writers would only do the same work twice.
            pass
        yield
        # Inside the lock, so that nobody else can have taken it; Windows keeps open files.
        with contextlib.suppress(OSError):
            os.unlink(path)


if sys.platform == "win32":
    import msvcrt

    def _take(file: BinaryIO) -> None:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError from error
else:
    import fcntl

    def _take(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
