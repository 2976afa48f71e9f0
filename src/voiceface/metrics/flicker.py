"""How pictures of a clip tremble from frame to frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voiceface.metrics.figure import Figure


def flicker(frames: NDArray[np.uint8]) -> float:
    """Mean absolute second difference over time of pixels, 0 to 255, of frames (n, height, width, 3).

    What moves evenly does not count; NaN for fewer than three frames.
    """
    if len(frames) < 3:
        return float("nan")
    total = 0.0
    for before, now, after in zip(frames, frames[1:], frames[2:], strict=False):
        bend = before.astype(np.int16) + after - 2 * now.astype(np.int16)
        total += float(np.abs(bend).mean())
    return total / (len(frames) - 2)


FLICKER = Figure(
    name="flicker",
    of="clip frames",
    function=flicker,
    convention="mean absolute second difference over time of pixel values, 0 to 255",
    order=10,
)
