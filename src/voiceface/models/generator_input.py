"""What a face is drawn from: a voice, a name, or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

__all__ = ["GeneratorInput"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GeneratorInput:
    """One request to a model that draws faces; a model refuses a cue that lacks what it draws from."""

    wave: npt.NDArray[Any] | None = None
    """(samples,) at 16 kHz, mono: float in [-1, 1] or int16."""
    person: str = ""
    """The id of somebody the model was trained on, for models that know people by name."""
    draw: int | None = None
    """Which of the seed's draws it takes; None: the one of its place in the call."""
