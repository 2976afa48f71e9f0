"""Opening files by their names: regular ones only, so that nothing is waited for and nothing has no end."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from voiceface.errors import InputError

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_file(path: str | Path, *, buffering: int = -1) -> BinaryIO:
    """Open a file to read its bytes; everywhere that a name comes from outside.

    Args:
        path: the file; links are followed.
        buffering: as for ``open``.

    Raises:
        InputError: it is a pipe, a socket or a device.
        OSError: as for ``open``.
    """
    return open(path, "rb", buffering, opener=_open_regular)


def check_regular(path: str | Path) -> None:
    """Refuse what a library that opens files itself would wait for; what is not there passes.

    Raises:
        InputError: it is a pipe, a socket or a device.
    """
    if os.path.exists(path):
        _check(path, os.stat(path).st_mode)


def _open_regular(path: str, flags: int) -> int:
    _check(path, os.stat(path).st_mode)  # before it is opened: a tape would be wound back
    # A pipe that took the file's place meanwhile is not waited for, and refused.
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    try:
        _check(path, os.fstat(handle).st_mode)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _check(path: str | Path, mode: int) -> None:
    kind = _KINDS.get(stat.S_IFMT(mode))
    if kind is not None:
        raise InputError(path, f"is {kind}, not a file", "save what it gives in a file")
