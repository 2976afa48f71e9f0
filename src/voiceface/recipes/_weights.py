"""Weights that another training gave, which a recipe goes on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from voiceface.errors import InputError
from voiceface.training.weights import read_weights, resolve_weights_folder

__all__ = ["open_weights", "find_weights_folder"]

_SHIPPED = Path(__file__).parents[1] / "shipped"


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
    own = _SHIPPED / weights
    return own if (own / "run.json").is_file() else resolve_weights_folder(weights)
