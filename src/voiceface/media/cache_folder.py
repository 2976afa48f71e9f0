"""Where this user keeps what can be made or fetched again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CACHE = "VOICEFACE_CACHE"
"""Environment variable that names another folder to keep corpora in."""


def cache_folder() -> Path:
    """The folder that ``VOICEFACE_CACHE`` names, or the system's own target; it may not be there yet."""
    if folder := os.environ.get(CACHE):
        return Path(folder)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "voiceface"
