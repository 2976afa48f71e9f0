"""Where the weights of Silero's detector lie: in the wheel ``silero-vad``, which is never imported."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from voiceface.errors import MissingPartError


def silero_installed() -> bool:
    """Whether the wheel's weights are there."""
    return _find() is not None


def silero_path() -> Path:
    """Path of the weights in the installed wheel.

    Raises:
        MissingPartError: the wheel is not installed.
    """
    path = _find()
    if path is None:
        fault = "the weights in the wheel silero-vad are not installed"
        raise MissingPartError("silero", fault, 'pip install "voiceface[silero]"')
    return path


def _find() -> Path | None:
    spec = importlib.util.find_spec("silero_vad")
    folders = [] if spec is None else spec.submodule_search_locations or []
    paths = (Path(folder) / "data" / "silero_vad_16k.safetensors" for folder in folders)
    return next((path for path in paths if path.is_file()), None)
