"""The face model in weights of `face_model` or `imaginer`."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from voiceface.errors import InputError
from voiceface.recipes._weights import find_weights_folder
from voiceface.training.weights import read_weights

_PREFIX = "faces."
FITTED_TO_HAIR = ("net.style_", "style_", "reader_")
"""How tensors that are fitted to hair alone begin."""


def read_face_model(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors of a face model, and its sizes as `voiceface.models.face_model.FaceModelShape` takes them.

    Raises:
        InputError: no such weights, or of another recipe.
    """
    tensors, card = read_weights(find_weights_folder(name))
    facts, given = card["facts"], card["arguments"]
    if card["recipe"] == "imaginer" and "face_model" in facts:
        own = {key.removeprefix(_PREFIX): value for key, value in tensors.items() if key.startswith(_PREFIX)}
        return own, facts["face_model"]
    if card["recipe"] != "face_model":
        raise InputError(name, f"holds weights of {card['recipe']}", "give weights of face_model or imaginer")
    components = {block: given[block] for block in ("shape", "luminance", "chroma")} | {"tone": 4, "hair": 3}
    return tensors, {"components": components, **facts, "styles": given["styles"]}
