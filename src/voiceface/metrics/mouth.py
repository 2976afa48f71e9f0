"""What a face does in a clip: how far its points lie off, and how wide its mouth stands open."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.figure import Figure
from voiceface.metrics.sync_confidence import correlation

Floats = NDArray[np.float64]

EYES = ((0, 1), (2, 3))
"""The corners of either eye among dlib's five points."""
_MIDDLE = (0.42, 0.86, 0.3, 0.7)
"""Top, bottom, left, right of the lips' middle, in shares of a mouth picture."""
_NARROWEST, _WIDEST = 0.02, 0.95
"""Quantiles of a clip's openings that count as its closed and its open mouth: 0 and 1."""
_CLOSED, _OPEN, _CLOSES = 0.2, 0.5, 0.4
"""The real mouth closes at or below the first between frames above the second; a generated one at or below
the third."""
_AROUND = 5
"""Frames within which a closed mouth is open before and after."""


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


def closures(generated: ArrayLike, real: ArrayLike) -> float:
    """Share of the real mouth's closures at which the generated one closes within a frame.

    Openings are brought to each clip's own range first (0.02 to 0.95 quantile: 0 to 1), for a mesh seldom
    gives a closed mouth an opening of 0. A closure is the lowest frame of seven, at or below 0.2, with
    frames above 0.5 among the five before and the five behind: p, b and m between vowels. The generated mouth
    closes at or below 0.4.

    Args:
        generated: (frames,) openings; NaN where they are unknown.
        real: The same of the real clip.

    Returns:
        NaN where the real mouth has no closure, or the generated one is not known.

    >>> real = [0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0]
    >>> closures([0, 0, 1, 1, 0, 1, 1, 1, 1, 0, 0], real), closures([0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0], real)
    (1.0, 0.0)
    """
    made, true = _own_range(generated), _own_range(real)
    count = min(len(made), len(true))
    met = []
    for at in range(1, count - 1):
        lowest = true[at] <= _CLOSED and true[at] <= np.nanmin(true[max(0, at - 3) : at + 4])
        before, behind = true[max(0, at - _AROUND) : at], true[at + 1 : at + 1 + _AROUND]
        if lowest and (before > _OPEN).any() and (behind > _OPEN).any():
            met.append(bool((made[at - 1 : at + 2] <= _CLOSES).any()))
    known = np.isfinite(made).any() and bool(met)
    return float(np.mean(met)) if known else float("nan")


def _own_range(openings: ArrayLike) -> Floats:
    """Openings with a clip's narrowest at 0 and its widest at 1; a mouth that never changes is open."""
    values = np.asarray(openings, dtype=np.float64)
    if not np.isfinite(values).any():
        return values
    low, high = np.nanquantile(values, [_NARROWEST, _WIDEST])
    return (values - low) / (high - low) if high > low else np.where(np.isfinite(values), 1.0, np.nan)


def _equally_long(one: ArrayLike, other: ArrayLike) -> tuple[Floats, Floats]:
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    count = min(len(a), len(b))
    return a[:count], b[:count]


def _mean_known(values: Floats) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


LANDMARK_DISTANCE = Figure(
    name="landmark distance",
    of="clip landmarks",
    function=lambda a, b: _mean_known(landmark_distance(a, b)),
    convention="mean over points and frames, in distances between the eyes",
    order=8,
)
OPENING = Figure(
    name="mouth opening",
    of="clip openings",
    function=lambda generated, real: correlation(*_equally_long(generated, real)),
    convention="correlation over frames of the mesh's mouth opening, generated and real",
    order=8,
)
CLOSURES = Figure(
    name="closures",
    of="clip openings",
    function=closures,
    convention="share of the real mouth's closures that the generated one makes within a frame",
    order=8,
)
