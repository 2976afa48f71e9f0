"""Output folders made before any work is done for them."""

from __future__ import annotations

from pathlib import Path

from voiceface.errors import InputError


def make_folder(path: Path) -> Path:
    """Make the folder with its parents, if it does not exist; returns it.

    Raises:
        InputError: it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fault = f"cannot be created ({error.strerror or error})"
        raise InputError(path, fault, "name another folder") from error
    return path
