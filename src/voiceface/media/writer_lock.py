"""One writer at a time: a lock that the system releases when its holder ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from voiceface.errors import InputError

LOCK = ".lock"
"""The locked file in a folder; beside a file ``NAME`` it is ``.NAME.lock``. It is removed afterwards."""


@contextlib.contextmanager
def writer_lock(
    target: Path, *, busy: str = "is being written by another process", wait: float = 0.0
) -> Iterator[None]:
    """Hold the lock of a folder that exists, or of a file that is to be written.

    Args:
        target: The folder or the file.
        busy: What to say of it if another process holds the lock.
        wait: Seconds to wait for the other process; -1: until it has ended.

    Raises:
        InputError: another process holds it, or its place cannot be written.
    """
    path = target / LOCK if target.is_dir() else target.with_name(f".{target.name}{LOCK}")
    lock = FileLock(path, timeout=wait)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(target, busy, "wait for it or stop it") from None
    except OSError as error:
        # A network disk without locks: two writers are then the user's to avoid.
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
            fault = f"cannot be written ({error.strerror or error})"
            raise InputError(target, fault, "change its permissions or write elsewhere") from error
    try:
        yield
    finally:
        # While it is held: who waits for it finds it gone and makes a new one. Windows keeps open files.
        with contextlib.suppress(OSError):
            path.unlink()
        lock.release()
