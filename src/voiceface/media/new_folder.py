"""A folder of several files that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voiceface.errors import InputError
from voiceface.media.files import sweep, temporary_name


def check_new(folder: Path) -> None:
    """Refuse a folder that exists, or whose place is missing.

    Raises:
        InputError: naming which of these it is.
    """
    if os.path.lexists(folder):
        raise InputError(folder, "exists already", "name a new folder, or remove this one first")
    if not folder.absolute().parent.is_dir():
        place = folder.absolute().parent
        raise InputError(folder, f"its folder {place} does not exist", "create the folder first")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder beside ``folder`` that takes its name if the block ends without an error.

    On any exception, Ctrl-C included, it is removed; what a killed process left is removed by the next
    write in the same place.

    Raises:
        InputError: as `check_new`, or the place cannot be written to.
    """
    check_new(folder)
    work = temporary_name(folder.absolute())
    sweep(work.parent)
    try:
        work.mkdir()
    except OSError as error:
        fault = f"cannot be created ({error.strerror or error})"
        raise InputError(folder, fault, "name another folder") from error
    try:
        yield work
        check_new(folder)
        work.rename(folder)
    except InputError as error:  # the user knows the folder by its own name
        what = error.what.replace(str(work), str(folder))
        raise InputError(what, error.fault, error.remedy) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
