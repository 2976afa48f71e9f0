"""Output files tried before any work is done for them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from voiceface.errors import InputError
from voiceface.media.files import atomic_path


class _DryRun(Exception):  # noqa: N818  no error: it ends the writing before anything is there
    pass


def check_writable(path: Path) -> None:
    """Refuse a place that cannot be written to; leaves it as it was.

    Raises:
        InputError: the folder is missing or read-only, or the path is a folder or a device.
    """
    with contextlib.suppress(_DryRun), atomic_path(path):
        raise _DryRun


def check_inputs_kept(outputs: Iterable[Path], inputs: Iterable[object]) -> None:
    """Refuse to write over a file that is read, under whatever name or link it is known.

    Args:
        outputs: files to be written; they need not exist.
        inputs: what is read; what is no path of a file is passed over.

    Raises:
        InputError: an output is one of the inputs.
    """
    read = {_identity(Path(one)) for one in inputs if isinstance(one, str | Path)} - {None}
    for path in outputs:
        if _identity(path) in read:
            raise InputError(
                path, "is read here, and would be written over", "write to another file or folder"
            )


def _identity(path: Path) -> tuple[int, int] | str | None:
    """Device and number of a file, or its path on disks without numbers; None: it is not there."""
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return None
    return (facts.st_dev, facts.st_ino) if facts.st_ino else os.path.realpath(path)
