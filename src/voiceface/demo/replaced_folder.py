"""A folder that is replaced as a whole, and only if everything in it could be made."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voiceface.errors import InputError
from voiceface.media.make_folder import make_folder

# Also what earlier versions wrote, so that their folders are replaced without a question.
_WRITTEN = re.compile(
    r"index\.html|talking\.mp4|(imagined|sheet)\.png|(voice|face|again|imagined|picture)(-\d+)+\.(wav|png)"
)
_ONE_OF = {"index.html", "imagined.png", "sheet.png"}
_REMEDY = "name another folder with --out"


@contextmanager
def replaced_folder(out: Path) -> Iterator[Path]:
    """An empty folder beside ``out`` that takes its place if the block ends without an error.

    On any exception, Ctrl-C included, it is removed, and an earlier ``out`` stands as it was.

    Raises:
        InputError: ``out`` is a file, holds files that no demo wrote, or cannot be written.
    """
    target = Path(os.path.realpath(out))
    _check_replaceable(target, out)
    make_folder(target.parent)
    work = target.with_name(f".{target.name}.partial-{secrets.token_hex(4)}")
    try:
        work.mkdir()
    except OSError as error:
        raise InputError(out, f"cannot be created ({error.strerror or error})", _REMEDY) from error
    try:
        yield work
        _check_replaceable(target, out)  # somebody may have put a file there meanwhile
        _swap(work, target, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _check_replaceable(target: Path, out: Path) -> None:
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise InputError(out, "is a file, not a folder", _REMEDY)
    try:
        names = {path.name for path in target.iterdir()}
    except OSError as error:
        raise InputError(out, f"cannot be read ({error.strerror or error})", _REMEDY) from error
    others = sorted(name for name in names if not _WRITTEN.fullmatch(name))
    if others or (names and not names & _ONE_OF):
        fault = f"holds what no demo wrote ({(others or sorted(names))[0]!r}), and would be replaced"
        raise InputError(out, fault, _REMEDY)


def _swap(work: Path, target: Path, out: Path) -> None:
    before = work.with_name(f"{work.name}-before")
    try:
        if target.exists():
            target.rename(before)
        try:
            work.rename(target)
        except BaseException:
            if before.exists():
                before.rename(target)
            raise
    except OSError as error:
        fault = f"cannot be replaced ({error.strerror or error})"
        raise InputError(out, fault, "close what uses it, or " + _REMEDY) from error
    shutil.rmtree(before, ignore_errors=True)
