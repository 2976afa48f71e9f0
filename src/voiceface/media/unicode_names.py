"""Names whose accents are written in another Unicode form: typed composed, in archives from a Mac apart."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def in_one_form(text: str) -> str:
    r"""A text in Unicode's composed form (NFC), so that names which look alike are alike.

    >>> in_one_form("Jose\u0301") == "Jos\u00e9"
    True
    """
    return unicodedata.normalize("NFC", text)


def array_in_one_form(texts: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    """An array of texts, of any shape, each in the composed form."""
    import numpy as np  # here: the command line's start needs the other functions alone

    flat = [in_one_form(text) for text in texts.astype(str).ravel().tolist()]
    return np.array(flat, dtype=str).reshape(texts.shape)


def path_as_on_disk(path: Path) -> Path | None:
    """The file or folder that a path means, whichever Unicode form its names have on the disk.

    Returns:
        The path itself where it is there, else one that differs from it in the form alone, else None.
    """
    if os.path.lexists(path):
        return path
    parent = None if path.parent == path else path_as_on_disk(path.parent)
    if parent is None or str(path).isascii():
        return None
    wanted = in_one_form(path.name)
    try:
        return parent / next(name for name in sorted(os.listdir(parent)) if in_one_form(name) == wanted)
    except (OSError, StopIteration):
        return None
