"""Whether pictures show a regular grid, as transposed convolutions leave it (Odena et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.image import LUMA

PERIODS = (2, 4, 8, 16)
"""Strides of generators, in pixels."""
_AROUND = 6


def regular_grid(pictures: ArrayLike, *, periods: Sequence[int] = PERIODS) -> NDArray[np.float64]:
    """How far a grid of each period stands out of the mean power spectrum, in decades: (periods,).

    The power at the grid's frequency, straight across and straight down, over the median of the five
    frequencies beyond its neighbour on either side. The 213 photographs of docs/model-cards/imaginer.md
    stay within 0.2 of 0.

    Args:
        pictures: (n, side, side, 3) uint8 or floats on [0, 255].
        periods: in pixels, each a divisor of the side.

    Raises:
        InputError: pictures of another shape, or a period that does not divide their side.

    >>> stripes = np.zeros((1, 64, 64, 3)); stripes[:, :, ::4] = 9
    >>> bool(regular_grid(stripes + np.random.default_rng(0).random((1, 64, 64, 3)), periods=[4]) > 2)
    True
    """
    values = np.asarray(pictures, dtype=np.float64)
    if values.ndim != 4 or values.shape[1] != values.shape[2] or values.shape[3] != 3 or not len(values):
        raise InputError("pictures", f"have the shape {values.shape}", "give (n, side, side, 3)")
    side = values.shape[1]
    wrong = [period for period in periods if side % period]
    if wrong:
        raise InputError("periods", f"{wrong[0]} does not divide {side} pixels", "give divisors of the side")
    grey = values @ LUMA
    window = np.hanning(side)
    grey = (grey - grey.mean((1, 2), keepdims=True)) * window[:, None] * window
    power = (np.abs(np.fft.fft2(grey)) ** 2).mean(0)
    # A grid's lines run through the whole picture, so that its power lies on the two axes.
    line = power[0] + power[:, 0]
    found = []
    for period in periods:
        at = side // period
        near = np.r_[at - _AROUND : at - 1, at + 2 : at + _AROUND + 1] % side
        found.append(np.log10(line[at] / max(float(np.median(line[near])), 1e-12)))
    return np.array(found)
