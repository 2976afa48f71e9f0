"""Figures by networks of others, named as the field names them: LPIPS, and CSIM by ArcFace."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voiceface.metrics.figure import Figure

LPIPS = Figure(
    name="LPIPS",
    of="clip perceptual",
    function=lambda distances: float(np.mean(distances)),
    convention="AlexNet, version 0.1, published weights; mean over frames, lower is better",
    order=3,
)


def csim(similarity: NDArray[np.float64]) -> float:
    """Mean over the frames that have a face, of cosines (frames,)."""
    return float(similarity[np.isfinite(similarity)].mean())


CSIM = Figure(
    name="CSIM",
    of="clip likeness",
    function=csim,
    convention="cosine of a frame's ArcFace embedding with the mean of the real clip's",
    order=8,
)
