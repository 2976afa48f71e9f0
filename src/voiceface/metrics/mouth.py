"""What a face does in a clip: how far its points lie off, and how wide its mouth stands open."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.figure import Figure

Floats = NDArray[np.float64]

EYES = ((0, 1), (2, 3))
"""The corners of either eye among dlib's five points."""
_MIDDLE = (0.42, 0.86, 0.3, 0.7)
"""Top, bottom, left, right of the lips' middle, in shares of a mouth picture."""


def landmark_distance(
    generated: ArrayLike, real: ArrayLike, *, eyes: tuple[Sequence[int], Sequence[int]] = EYES
) -> Floats:
    """Mean distance of a face's points from where they should be, in distances between the eyes, (frames,).

    The distance between the eyes (each the mean of its points) is the real face's in that frame.

    Args:
        generated: (frames, points, 2) x, y; NaN in a frame where no face was found.
        real: The points they should be, of the same shape and in the same picture.
        eyes: The points of one eye and those of the other.

    Returns:
        (frames,), NaN where either face is missing.

    Raises:
        InputError: shapes differ or are none of points.
    """
    a, b = np.asarray(generated, dtype=np.float64), np.asarray(real, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 3 or a.shape[2] != 2:
        fault = f"are {a.shape} and {b.shape}, not twice (frames, points, 2)"
        raise InputError("landmarks", fault, "give the same points of both clips")
    left, right = (b[:, list(points)].mean(axis=1) for points in eyes)
    between = np.linalg.norm(left - right, axis=1)
    between = np.where(between > 0, between, np.nan)
    found: Floats = np.linalg.norm(a - b, axis=2).mean(axis=1) / between
    return found


def mouth_opening(mouths: ArrayLike) -> Floats:
    """How wide a mouth stands open in every frame of one clip, (frames,): the darkness between the lips.

    The mean of how far the middle of the mouth lies below the clip's skin (the 0.75 quantile of the
    same pixels), in shares of it. A measure without landmarks: only its course within a clip means
    something, for lips, beards and teeth differ between people.

    Args:
        mouths: (frames, height, width) grey pictures of the mouth, cut at one place.

    Raises:
        InputError: no such pictures.

    >>> closed, opened = np.full((2, 20, 20), 180.0)
    >>> opened[11:15, 8:12] = 20.0
    >>> mouth_opening([closed, opened, closed]).round(3).tolist()
    [0.0, 0.198, 0.0]
    """
    values = np.asarray(mouths)
    if values.ndim != 3 or not values.size or values.dtype.kind not in "fiu":
        fault = f"are {values.dtype} of shape {values.shape}"
        raise InputError("mouth pictures", fault, "give (frames, height, width) grey values")
    height, width = values.shape[1:]
    top, bottom, left, right = _MIDDLE
    middle = values[
        :, round(top * height) : round(bottom * height), round(left * width) : round(right * width)
    ]
    flat = middle.reshape(len(values), -1).astype(np.float64)
    skin = max(float(np.quantile(flat, 0.75)), 1e-9)
    opening: Floats = np.maximum(skin - flat, 0.0).mean(axis=1) / skin
    return opening


def _mean_known(values: Floats) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


LANDMARK_DISTANCE = Figure(
    name="landmark distance",
    of="clip landmarks",
    function=lambda a, b: _mean_known(landmark_distance(a, b)),
    convention="mean over points and frames, in distances between the eyes",
    order=8,
)
