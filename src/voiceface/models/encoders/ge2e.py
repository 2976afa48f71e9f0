"""The published GE2E speaker encoder, from the weights file inside the ``resemblyzer`` wheel.

The package is never imported: its weights file is located, and read as tensors only. Neither the
package nor its weights are part of voiceface (``pip install --no-deps resemblyzer``; Apache-2.0).
"""

from __future__ import annotations

from pathlib import Path

import torch

from voiceface.errors import InputError, MissingPartError
from voiceface.models.published_weights import digest, file_in_package
from voiceface.models.voice_encoder import WindowEncoder
from voiceface.nn.voice.ge2e import Ge2e, load_ge2e_weights


def weights_path() -> Path:
    """Path of the published weights.

    Raises:
        MissingPartError: the wheel is not installed.
    """
    path = file_in_package("resemblyzer", "pretrained.pt")
    if path is None:
        raise MissingPartError(
            "ge2e", "the weights of resemblyzer are not installed", "pip install --no-deps resemblyzer"
        )
    return path


def load(*, device: str = "cpu") -> WindowEncoder:
    """Load the encoder: 256 numbers a voice.

    Raises:
        MissingPartError: the wheel is not installed.
        InputError: the weights file is damaged or another one.
    """
    path = weights_path()
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    except Exception as error:  # torch raises many kinds for a damaged file
        remedy = "pip install --force-reinstall --no-deps resemblyzer"
        raise InputError(path, "is not a readable weights file", remedy) from error
    network = load_ge2e_weights(Ge2e(), tensors)
    return WindowEncoder("ge2e", network, fingerprint=digest(path), device=device)
