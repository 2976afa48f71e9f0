"""What a face is generated from: a voice, a name, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from voiceface.errors import InputError


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GeneratorInput:
    """One request to a face generator, which refuses an input that lacks what it generates from."""

    wave: npt.NDArray[Any] | None = None
    """(samples,) at 16 kHz, mono: float in [-1, 1] or int16."""
    person: str = ""
    """Id of somebody the model was trained on, for models that generate from names."""
    glasses: bool = False
    """Whether the face wears glasses, for models that can add them."""
    sample: int | None = None
    """Which of the seed's samples it takes; None: that of its index in the call."""


def sample_indices(inputs: Sequence[GeneratorInput]) -> list[int]:
    """Which of the seed's samples each input takes.

    >>> sample_indices([GeneratorInput(), GeneratorInput(sample=7)])
    [0, 7]
    """
    return [index if one.sample is None else one.sample for index, one in enumerate(inputs)]


def input_waves(inputs: Sequence[GeneratorInput]) -> list[npt.NDArray[Any]]:
    """The recording of each input.

    Raises:
        InputError: an input has none.
    """
    waves = []
    for index, one in enumerate(inputs):
        if one.wave is None:
            raise InputError(f"input {index}", "has no voice", "give a recording of speech")
        waves.append(one.wave)
    return waves
