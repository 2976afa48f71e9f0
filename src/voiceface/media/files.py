"""Files: checked before they are read, and written completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import platform
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from voiceface.errors import InputError
from voiceface.media.open_file import check_regular

_MARK = ".partial-"  # every temporary name holds it, so that what a killed process left can be found
# The machine (or container) and process that write it: whether they live is known on that machine only.
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_TEMPORARY = re.compile(rf"\..*{re.escape(_MARK)}{_HOST}-(\d+)-[0-9a-f]{{8}}(\..*)?")
_SWEPT: set[Path] = set()
"""Folders in which this process has removed what dead ones left."""
_FULL_BELOW = 64 * 1024  # bytes; a library that hides the errno has failed on a full disk if less is free

_ELSEWHERE = "write to another folder"
_FAULTS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", "free some space or write to another disk"),
    errno.EDQUOT: ("your quota on this disk is used up", "free some space or write to another disk"),
    errno.EFBIG: ("the file is larger than this disk or account allows", "write to another disk"),
    errno.EROFS: ("lies on a disk that can only be read", _ELSEWHERE),
    errno.EACCES: ("no permission to write here", f"change the folder's permissions or {_ELSEWHERE}"),
    errno.EPERM: ("writing here is not permitted", f"change the folder's permissions or {_ELSEWHERE}"),
    errno.ENAMETOOLONG: ("the name is too long for this disk", "choose a shorter name"),
    errno.EIO: ("the disk reports an error while writing", "check the disk or write to another one"),
}


def source_name(source: object) -> str:
    """What to call ``source`` in an error: its path, a file object's name, or its kind."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source) if isinstance(source, str) else str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else f"<{type(source).__name__}>"


def check_readable(source: str | Path | BinaryIO) -> None:
    """Refuse what no decoder needs to see: a missing path, a folder, an empty file, a text-mode file.

    Raises:
        InputError: naming which of these it is. A file object is wound back to its beginning.
    """
    if isinstance(source, str | os.PathLike):
        _readable_path(Path(source))
        return
    file: Any = source
    name = source_name(source)
    if not hasattr(file, "read"):
        raise InputError(name, "is no path and no file object", "give a path or an open file")
    if getattr(file, "closed", False):
        raise InputError(name, "is closed", "hand over an open file")
    if isinstance(file, io.TextIOBase):
        raise InputError(name, "is open as text", "open it with mode 'rb'")
    if getattr(file, "seekable", lambda: False)():
        if file.seek(0, os.SEEK_END) == 0:
            raise InputError(name, "is empty (0 bytes)", "record or download it again")
        file.seek(0)


def _readable_path(path: Path) -> None:
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        address = path.parts[:1] in (("http:",), ("https:",))
        remedy = "download it and name the file: addresses are not read" if address else "check the path"
        raise InputError(path, "does not exist", remedy) from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise InputError(path, f"cannot be opened ({error})", "check the path") from error
    if path.is_dir():
        raise InputError(path, "is a folder", "name a file in it")
    check_regular(path)
    if size == 0:
        raise InputError(path, "is empty (0 bytes)", "record or download it again")
    if not os.access(path, os.R_OK):
        raise InputError(path, "may not be read", "change its permissions")


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that becomes ``path`` only if the block ends without an error.

    The temporary file exists (empty) from the start, so that a place that cannot be written to is
    refused before any work is done; it keeps the suffix, for libraries that go by it. On success it
    is flushed to the disk and renamed over ``path``; on any exception, Ctrl-C included, it is
    removed and an older ``path`` stands as it was. A symbolic link is followed, not replaced. Temporary
    files that killed processes of this machine left in the folder are removed at the first write there.

    Raises:
        InputError: the folder is missing or read-only, the disk is full, or ``path`` is no regular file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_path(Path(folder) / "scores.txt") as temporary:
    ...         _ = temporary.write_text("0.8")
    ...     print((Path(folder) / "scores.txt").read_text())
    0.8
    """
    try:
        target = _target(path)
        sweep(target.parent)
        temporary = temporary_name(target)
        # Exclusive creation, in the umask's permissions, and at the same time the test of the place.
        with temporary.open("xb"):
            pass
    except OSError as error:
        unknown = (f"cannot be written ({error.strerror or error})", _ELSEWHERE)
        raise InputError(path, *_FAULTS.get(error.errno or 0, unknown)) from error
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)
    except BaseException as error:
        # Looked at before the removal, which would hide that the disk was full.
        explained = _explained(error, path, temporary)
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if explained is None:
            raise
        raise explained from error
    _flush_folder(target.parent)


def write_bytes(path: str | Path, data: bytes | bytearray | memoryview) -> None:
    """Write ``data`` to ``path``, whole or not at all (see `atomic_path`)."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    r"""Write ``text`` to ``path`` as UTF-8 with ``\n`` line ends on every system, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:  # noqa: ANN401 - whatever json can write
    """Write ``value`` to ``path`` as indented UTF-8 JSON, whole or not at all.

    Raises:
        ValueError: a number is NaN or infinite, which JSON has no word for.
        TypeError: something in ``value`` is not JSON.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def partial_files(folder: str | Path) -> list[Path]:
    """Temporary files under ``folder`` that killed writers left behind; nobody will ever rename them.

    A file that another process is writing at this moment is listed too: remove them only where
    nobody else writes.
    """
    return sorted(p for p in Path(folder).rglob(f".*{_MARK}*") if p.is_file())


def _target(path: str | Path) -> Path:
    """The file to be replaced, links followed; refuses folders, devices and pipes."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise InputError(path, "is a folder", "name a file")
    if target.exists() and not target.is_file():
        raise InputError(path, "is a device or a pipe, not a file", "name a file")
    if target.parent.exists() and not target.parent.is_dir():
        raise InputError(path, f"{target.parent} is a file, not a folder", "choose another place")
    if not target.parent.is_dir():
        raise InputError(path, f"its folder {target.parent} does not exist", "create the folder first")
    return target


def temporary_name(target: Path) -> Path:
    """A new hidden name beside ``target``, with its suffix, that tells which process writes there."""
    tail = f"{_MARK}{_HOST}-{os.getpid()}-{secrets.token_hex(4)}{target.suffix}"
    # Disks limit a name to 255 bytes; the temporary one must fit wherever the final one does.
    # A name may hold bytes that are no UTF-8, which the system's own codec carries.
    stem = os.fsencode(target.stem)[: max(0, 254 - len(os.fsencode(tail)))].decode(errors="ignore")
    return target.with_name(f".{stem}{tail}")


def sweep(folder: Path) -> None:
    """Remove what dead processes of this machine were writing in a folder, once a process."""
    if folder in _SWEPT:
        return
    _SWEPT.add(folder)
    with contextlib.suppress(OSError):
        found = [(entry, _TEMPORARY.fullmatch(entry.name)) for entry in os.scandir(folder)]
        for entry, match in found:
            if match is None or _alive(int(match[1])):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)


def _alive(process: int) -> bool:
    """Whether a process of this machine runs; where that cannot be asked (Windows), it counts as running."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _flush(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system lets a folder be opened (Windows does not)."""
    if os.name != "posix":
        return
    # The file is already in place: a network disk that cannot flush folders is no failure.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _explained(error: BaseException, path: str | Path, temporary: Path) -> InputError | None:
    """The user's error for a failed write of ``path``, or None where the fault is another's."""
    if not isinstance(error, Exception) or isinstance(error, InputError):
        return None
    code = getattr(error, "errno", None)
    # numpy, torch and safetensors report these without their errno.
    if code is None and _disk_is_full(temporary.parent):
        code = errno.ENOSPC
    if code is None and _is_as_large_as_allowed(temporary):
        code = errno.EFBIG
    named = getattr(error, "filename", None)
    if named is not None and Path(os.fsdecode(named)) != temporary:
        return None  # the block failed on some other file, an input perhaps: not ours to explain
    return InputError(path, *_FAULTS[code]) if code in _FAULTS else None


def _is_as_large_as_allowed(path: Path) -> bool:
    """Whether a file has reached the limit that the system sets this process (``ulimit -f``)."""
    try:
        import resource
    except ImportError:  # Windows sets none
        return False
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    try:
        return limit != resource.RLIM_INFINITY and path.stat().st_size >= limit
    except OSError:
        return False


def _disk_is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _FULL_BELOW
    except OSError:
        return False
