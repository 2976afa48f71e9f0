"""What the Matcher, the Imaginer and the Talker share: weights on a device, precision, fingerprint."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch

from voiceface.errors import InputError, MissingPartError
from voiceface.models.encoders import campplus, ge2e
from voiceface.models.model import Model
from voiceface.pipelines.weights import Loaded, load_model, shipped_weights
from voiceface.training.devices import torch_device

BEST = {
    "matcher": ("matcher-campplus", "matcher-ge2e", "matcher"),
    "imaginer": ("imaginer-campplus", "imaginer"),
    "talker": ("talker",),
}
"""Shipped weights of each kind, better ones first (RESULTS.md)."""
_NEEDED_ENCODERS = {"matcher-campplus": campplus, "matcher-ge2e": ge2e, "imaginer-campplus": campplus}
"""The voice encoders whose weights are not shipped, by the shipped weights that need them."""


class Pipeline:
    """A model in use: on a device, in a precision.

    Args:
        loaded: the model and its card.
        device: where it lies.
        precision: ``auto`` (float32), ``32`` or ``bf16``.

    Raises:
        InputError: an unknown precision.
    """

    def __init__(self, loaded: Loaded, *, device: str = "cpu", precision: str = "auto") -> None:
        if precision not in {"auto", "32", "bf16"}:
            raise InputError("precision", f"is {precision!r}", "give auto, 32 or bf16")
        # What `train -o NAME` writes lies in NAME/weights, which names nothing.
        self.name = loaded.name if loaded.name != "weights" else str(loaded.card.get("recipe"))
        self.source = loaded.source
        self.card, self.device, self.precision = loaded.card, device, precision
        self._base: Model = loaded.model

    def __repr__(self) -> str:
        """Name and device."""
        return f"{type(self).__name__}({self.name!r}, device={self.device!r})"

    @cached_property
    def fingerprint(self) -> str:
        """Names the weights, 64 hexadecimal digits: embeddings of two fingerprints must not be compared."""
        return self._base.fingerprint()

    def to(self, device: str) -> Self:
        """Move it to another device, with the encoders below it; returns itself.

        Args:
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

        Raises:
            InputError: the device is unknown or not there.
        """
        self.device = torch_device(device)
        self._base.to(self.device)
        encoders = getattr(self._base, "encoders", None)
        if encoders is not None:
            encoders.forget_other_devices(self.device)
        return self

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision, for a forward pass."""
        kind = torch.device(self.device).type
        return torch.autocast(kind, torch.bfloat16, enabled=self.precision == "bf16")


def load_for(kind: str, weights: str | Path | None, *, device: str) -> tuple[Loaded, str]:
    """Load weights, or the best shipped ones of a kind, and the device as torch names it.

    Args:
        kind: a key of `BEST`.
        weights: a weights folder, the name of shipped weights, or a repository of the hub; None: the best
            shipped ones whose parts are installed.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        InputError: the device or the weights cannot be used.
        MissingPartError: none are shipped, or a part they need is not installed.
    """
    place = torch_device(device)
    return load_model(weights if weights is not None else best_shipped(kind), device=place), place


def best_shipped(kind: str) -> str:
    """The name of the best shipped weights of a kind whose parts are installed.

    Raises:
        MissingPartError: there are none.
    """
    for name in BEST[kind]:
        if name not in shipped_weights():
            continue
        try:
            if name in _NEEDED_ENCODERS:
                _NEEDED_ENCODERS[name].weights_path()
        except MissingPartError:
            continue
        return name
    fault = f"no weights for the {kind} came with this package"
    raise MissingPartError(kind, fault, "train some (`voiceface train --help`), or install voiceface again")
