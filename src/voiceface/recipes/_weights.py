"""Weights of another training that a recipe builds on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from voiceface.components import SHIPPED
from voiceface.errors import InputError
from voiceface.training.weights import read_weights, resolve_weights_folder


def open_weights(weights: str | Path, *, recipe: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and card of a `find_weights_folder`.

    Raises:
        InputError: no such weights, damaged ones, or of another recipe.
    """
    tensors, card = read_weights(find_weights_folder(weights))
    if card["recipe"] != recipe:
        raise InputError(weights, f"holds weights of {card['recipe']}", f"give weights of {recipe}")
    return tensors, card


def find_weights_folder(weights: str | Path) -> Path:
    """The folder of shipped weights by name, or any folder that holds some."""
    own = SHIPPED / weights
    return own if (own / "run.json").is_file() else resolve_weights_folder(weights)


def current_arguments(arguments: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    """Arguments from ``run.json`` under their names in this version, as a recipe's ``RENAMED`` lists them.

    >>> current_arguments({"hearing": "mels", "size": 64}, {"hearing": "speech_encoder"})
    {'speech_encoder': 'mels', 'size': 64}
    """
    return {renamed.get(name, name): value for name, value in arguments.items()}
