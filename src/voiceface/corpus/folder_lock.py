"""One writer a corpus: a lock that the system releases when its holder ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from voiceface.errors import InputError

__all__ = ["NAME", "folder_lock"]

NAME = ".lock"
"""The file in the folder that is locked; it is removed afterwards."""


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock.

    Raises:
        InputError: another process holds it, or the folder cannot be written.
    """
    lock = FileLock(folder / NAME, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(folder, "is being prepared by another process", "wait for it or stop it") from None
    except OSError as error:
        # A network disk without locks: two writers would only do the same work twice.
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
            fault = f"cannot be written ({error.strerror or error})"
            raise InputError(folder, fault, "change its permissions or write elsewhere") from error
    try:
        yield
    finally:
        # While the lock is held, so that nobody else can have taken it; Windows keeps open files.
        with contextlib.suppress(OSError):
            (folder / NAME).unlink()
        lock.release()
