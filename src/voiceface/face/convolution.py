"""Convolutions in numpy, for dlib's networks without PyTorch: a product of weights and gathered pixels."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_BLOCK = 1 << 20
"""Bytes of gathered pixels at a time where numpy multiplies in one thread: what a processor's own cache holds
is multiplied twice as fast, and one place in memory serves all of them. Several threads would wait for each
other a hundred times instead of once, which on a busy machine takes many times as long."""


def convolve(maps: Floats, weights: Floats, side: int, *, step: int = 1, pad: bool = True) -> Floats:
    """Outputs (n, h, w) of maps (c, height, width).

    Args:
        maps: the inputs.
        weights: (n, c × side × side).
        side: of the square that one output sees.
        step: pixels from one output to the next.
        pad: surround the maps with zeros, so that with ``step`` 1 the outputs are as large as they.

    >>> convolve(np.ones((1, 2, 2), np.float32), np.ones((1, 9), np.float32), 3).tolist()
    [[[4.0, 4.0], [4.0, 4.0]]]
    """
    if pad:
        maps = np.pad(maps, ((0, 0), *((side // 2,) * 2,) * 2))
    channels, height, width = maps.shape
    rows, columns = (height - side) // step + 1, (width - side) // step + 1
    # Every step-th pixel side by side, so that each tap copies whole rows.
    parts = [[np.ascontiguousarray(maps[:, y::step, x::step]) for x in range(step)] for y in range(step)]
    out = np.empty((len(weights), rows, columns), np.float32)
    taps = channels * side * side
    # Of about equal height, since a small product would be computed in another order.
    blocks = min(rows, -(-4 * taps * columns * rows // _BLOCK)) if _multiplies_in_one_thread() else 1
    space = np.empty(taps * -(-rows // blocks) * columns, np.float32)
    for block in range(blocks):
        top = rows * block // blocks
        count = rows * (block + 1) // blocks - top
        seen = space[: taps * count * columns].reshape(channels, side, side, count, columns)
        for down in range(side):
            first = top + down // step
            for across in range(side):
                part, left = parts[down % step][across % step], across // step
                seen[:, down, across] = part[:, first : first + count, left : left + columns]
        out[:, top : top + count] = (weights @ seen.reshape(taps, -1)).reshape(-1, count, columns)
    return out


def _multiplies_in_one_thread() -> bool:
    """Whether OpenBLAS was told so, as in the workers of `prepare`."""
    said = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS")
    return said == "1" or os.cpu_count() == 1
