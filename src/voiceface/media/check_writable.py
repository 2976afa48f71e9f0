"""Output files tried before any work is done for them."""

from __future__ import annotations

import contextlib
from pathlib import Path

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
