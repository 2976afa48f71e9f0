"""Eyelids of a photograph that close: skin comes down, and the lashes with it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Lids(NamedTuple):
    """Points of the mesh around one eye, each row from the outer corner to the inner."""

    corners: tuple[int, int]
    upper: tuple[int, ...]
    lower: tuple[int, ...]
    fold: tuple[int, ...]
    """Above the upper lid."""


LIDS = (
    Lids(
        (33, 133),
        (246, 161, 160, 159, 158, 157, 173),
        (7, 163, 144, 145, 153, 154, 155),
        (247, 30, 29, 27, 28, 56, 190),
    ),
    Lids(
        (263, 362),
        (466, 388, 387, 386, 385, 384, 398),
        (249, 390, 373, 374, 380, 381, 382),
        (467, 260, 259, 257, 258, 286, 414),
    ),
)
_ABOVE, _BELOW = 0.035, 0.02
"""How far beyond the edges of an eye skin is taken to begin, in distances between the eyes: the mesh is not
exact to a pixel, and of a closed eye nothing may be seen."""
_FOLD = 0.75
"""How far the fold above the lid follows its edge: skin of the fold comes down too, or the little that a
narrow lid shows is stretched into pale stripes."""
_LASHES = 0.018
"""Half the width of the line of lashes, in distances between the eyes."""
_DRAWN = 0.5
"""How far lids are closed when the line begins to show."""


def widen_eyes(shape: Floats) -> None:
    """Move the edges of the lids (468, 2), upright, out onto the skin."""
    for lids in LIDS:
        shape[list(lids.upper), 1] -= _ABOVE
        shape[list(lids.lower), 1] += _BELOW


def close_lids(shape: Floats, closed: float) -> None:
    """Bring the upper lids of a shape (468, 2) down to the lower ones, as far as ``closed``, 0 to 1."""
    for lids in LIDS:
        down = closed * (shape[list(lids.lower)] - shape[list(lids.upper)])
        shape[list(lids.upper)] += down
        shape[list(lids.fold)] += _FOLD * down


def lash_line(points: Floats, lids: Lids) -> Floats:
    """The edge of the upper lid (9, 2) of a mesh (468, 2), with both corners of the eye."""
    outer, inner = lids.corners
    line: Floats = points[[outer, *lids.upper, inner]]
    return line


def draw_lashes(
    square: npt.NDArray[np.float32], line: Floats, colours: Floats, closed: float, *, eyes: float
) -> None:
    """Draw the lashes where closed lids meet.

    Args:
        square: (side, side, 3) picture, changed in place.
        line: (points, 2) in pixels, measured from the corner of the picture.
        colours: (points, 3) of the lashes.
        closed: how far the lids are closed, 0 to 1.
        eyes: distance between the eyes in pixels.
    """
    strength = (closed - _DRAWN) / (1 - _DRAWN)
    if strength <= 0:
        return
    half = max(_LASHES * eyes, 0.7)
    side = len(square)
    left, top = np.clip(np.floor(line.min(0) - 2 * half).astype(int), 0, side)
    right, bottom = np.clip(np.ceil(line.max(0) + 2 * half).astype(int) + 1, 0, side)
    if left >= right or top >= bottom:
        return
    y, x = np.mgrid[top:bottom, left:right]
    spots = np.stack([x, y], -1).reshape(-1, 1, 2) + 0.5
    begin, step = line[:-1], np.diff(line, axis=0)
    along = ((spots - begin) * step).sum(2) / np.maximum((step**2).sum(1), 1e-9)
    along = np.clip(along, 0, 1)
    away = np.linalg.norm(spots - begin - along[..., None] * step, axis=2)
    nearest = away.argmin(1)
    each = np.arange(len(spots))
    share = along[each, nearest][:, None]
    drawn = (1 - share) * colours[nearest] + share * colours[nearest + 1]
    weight = strength * np.clip(1.5 - away[each, nearest] / half, 0, 1)[:, None]
    target = square[top:bottom, left:right].reshape(-1, 3)
    mixed = target + weight * (drawn - target)
    square[top:bottom, left:right] = mixed.reshape(bottom - top, right - left, 3)
