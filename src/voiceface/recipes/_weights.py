"""Weights that another training gave, which a recipe goes on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from voiceface.errors import InputError
from voiceface.training.weights import read_weights

__all__ = ["open_weights"]

_SHIPPED = Path(__file__).parents[1] / "shipped"


def open_weights(weights: str, *, recipe: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and card of shipped weights by name, or of any folder; `train -o` puts them one folder down.

    Raises:
        InputError: no such weights, damaged ones, or of another recipe.
    """
    path = _SHIPPED / weights if (_SHIPPED / weights / "run.json").is_file() else Path(weights)
    inner = path / "weights"
    here = inner if not (path / "run.json").is_file() and (inner / "run.json").is_file() else path
    tensors, card = read_weights(here)
    if card["recipe"] != recipe:
        raise InputError(weights, f"holds {card['recipe']}", f"give weights of {recipe}")
    return tensors, card
