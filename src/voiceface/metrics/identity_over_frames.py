"""How well the frames of a clip keep to one person."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voiceface.metrics.figure import Figure


def identity_similarity(similarity: NDArray[np.float64]) -> float:
    """Mean over the frames that have a face, of similarities (frames,)."""
    return float(similarity[np.isfinite(similarity)].mean())


def identity_drift(similarity: NDArray[np.float64]) -> float:
    """The mean of the last fifth of the frames minus that of the first; NaN where either has no face."""
    fifth = max(1, len(similarity) // 5)
    first, last = similarity[:fifth], similarity[-fifth:]
    if not (np.isfinite(first).any() and np.isfinite(last).any()):
        return float("nan")
    return float(np.nanmean(last) - np.nanmean(first))


IDENTITY_SIMILARITY = Figure(
    name="identity similarity",
    of="clip identity",
    function=identity_similarity,
    convention="cosine of every frame's face with the person's reference, mean over frames",
    order=6,
)
IDENTITY_DRIFT = Figure(
    name="identity drift",
    of="clip identity",
    function=identity_drift,
    convention="the same in the last fifth of the frames minus the first fifth",
    order=7,
)
