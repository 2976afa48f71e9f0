"""Eyelids of a photograph that close: skin comes down, and the lashes with it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from voiceface.nn.face.lip_edges import LUMA, Photographed

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
_SKIN_BELOW = (0.06, 0.08, 0.1, 0.12)
"""Where below an eye its skin is looked at, in distances between the eyes."""
_SKIN_ABOVE = (-0.05, -0.03, -0.01)
"""The same above the fold."""
_BROW, _UNSURE = 0.5, 0.3
"""How light the skin above an eye must at least be beside that below it, and how much more makes it sure."""
_TO_BROW = 0.12
"""How far above the fold a closing lid draws skin, and brows, down."""
_DARKEST_LID, _LIGHTEST_LID, _DARKEST_FOLD = 0.62, 1.2, 0.75
"""How dark and how light a lid is at most beside the skin around the eye, and how dark the skin above it
beside the same place of the open eye."""
_SURELY = 0.25
"""The logarithm of light too much or too little from which colours are replaced in full."""
_SPILLS = 0.035
"""How far below the edge of a closed lid a piece of the eye may be left."""
_CORNER = 0.12
"""How far from the corners of the eye lids count in full."""
_COVERS = 0.06
"""How far a lid has come down when it counts in full."""
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


class LidSkin:
    """What closed lids look like: skin as below the eye, wherever the warp brings brows or eyes there.

    Args:
        photographed: colours of the photograph.
        found: (468, 2) its mesh, upright, in distances between the eyes.
        eyes: distance between the eyes in pixels.
    """

    def __init__(self, photographed: Photographed, found: Floats, *, eyes: float) -> None:
        self._photographed, self._found, self._pixel = photographed, found, 1 / max(eyes, 1.0)
        self._skin = [self._around(lids) for lids in LIDS]

    def _around(self, lids: Lids) -> tuple[Floats, Floats]:
        """Colours (7, 3) of the skin above an eye, and of the skin below it."""
        above, below = (
            self._level(self._found[list(row)], shifts)
            for row, shifts in ((lids.fold, _SKIN_ABOVE), (lids.lower, _SKIN_BELOW))
        )
        # Where a brow or its shadow lies above, skin below is all that is seen of skin.
        light = (above @ LUMA) / np.maximum(below @ LUMA, 1)
        trusted = np.clip((light - _BROW) / _UNSURE, 0, 1)[:, None]
        return below + trusted * (above - below), below

    def _level(self, line: Floats, shifts: tuple[float, ...]) -> Floats:
        """Colours (7, 3) along a line moved down by these, the median of all, smooth."""
        middle = np.median([self._photographed(line + [0, down]) for down in shifts], axis=0)
        padded = np.concatenate([middle[:1], middle, middle[-1:]])
        smooth: Floats = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
        return smooth

    def box(self, shape: Floats, eye: int) -> Floats:
        """Corners (2, 2) of what `keep_skin` may change around one of the eyes."""
        lids = LIDS[eye]
        around = np.concatenate([self._found[list(lids.fold)], shape[[*lids.corners, *lids.lower]]])
        low, high = around.min(axis=0), around.max(axis=0)
        box: Floats = np.stack([low - [0, _TO_BROW], high + [0, _SPILLS + 0.02]])
        return box

    def keep_skin(self, colours: Floats, spots: Floats, shape: Floats, closed: float, eye: int) -> Floats:
        """Colours (n, 3) of places (n, 2), neither much darker nor lighter than skin where a lid lies.

        Args:
            colours: (n, 3) as warped.
            spots: of an upright head that keeps still.
            shape: (468, 2) the face's mesh there.
            closed: how far the lids are closed, 0 to 1.
            eye: 0 or 1, as in `LIDS`.
        """
        lids, across, down = LIDS[eye], spots[:, 0], spots[:, 1]
        upper = [lids.corners[0], *lids.upper, lids.corners[1]]
        fold, opened = _height(self._found, list(lids.fold), across), _height(self._found, upper, across)
        edge = _height(shape, upper, across)
        way = np.clip((down - fold) / np.maximum(edge - fold, 0.05), 0, 1)[:, None]
        skin = self._across(eye, 0, across)
        skin = skin + way * (self._across(eye, 1, across) - skin)
        # Above the open eye skin looks as it did; where the eye was, as skin around it does.
        above = np.clip((opened - down) / _COVERS - 0.3, 0, 1)[:, None]
        rest = self._photographed(spots)
        glint = np.minimum(1, _LIGHTEST_LID * (skin @ LUMA) / np.maximum(rest @ LUMA, 1))
        wanted = skin + above * (glint[:, None] * rest - skin)
        light = np.maximum(colours @ LUMA, 1) / np.maximum(wanted @ LUMA, 1)
        least = _DARKEST_LID + above[:, 0] * (_DARKEST_FOLD - _DARKEST_LID)
        most = np.where(above[:, 0] < 1, _LIGHTEST_LID / np.maximum(1 - above[:, 0], 1e-3), np.inf)
        kept = np.clip(light, least, most)
        wrong = np.clip(np.abs(np.log(light / kept)) / _SURELY, 0, 1)[:, None]
        covered = colours + wrong * (kept[:, None] * wanted - colours)
        # Below the edge a closed lid hides what the mesh takes for skin and is still eye.
        spill = _SPILLS * np.clip(2 * closed - 1, 0, 1)
        soft = max(0.02, self._pixel)
        within = np.clip((edge + spill - down) / soft, 0, 1)
        within *= np.clip((down - fold + _TO_BROW) / (_TO_BROW / 4), 0, 1)
        ends = np.sort(shape[list(lids.corners), 0])
        within *= np.clip(np.minimum(across - ends[0], ends[1] - across) / _CORNER, 0, 1)
        within *= np.clip((edge - opened) / _COVERS, 0, 1)
        found: Floats = colours + within[:, None] * (covered - colours)
        return found

    def _across(self, eye: int, level: int, across: Floats) -> Floats:
        """Colours (n, 3) above (0) or below (1) an eye at these places across."""
        line, colours = self._found[list(LIDS[eye].lower)], self._skin[eye][level]
        order = np.argsort(line[:, 0])
        return np.stack([np.interp(across, line[order, 0], colours[order, k]) for k in range(3)], 1)


def _height(points: Floats, row: list[int], across: Floats) -> Floats:
    """How low a line of the mesh's points lies at places across (n,)."""
    line = points[row][np.argsort(points[row, 0])]
    found: Floats = np.interp(across, line[:, 0], line[:, 1])
    return found


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
    # Lashes are thin at the corners of the eye.
    place = (nearest + share[:, 0]) / len(step)
    thick = 0.35 + 0.65 * np.sin(np.pi * place)
    weight = strength * (thick * np.clip(1.5 - away[each, nearest] / half, 0, 1))[:, None]
    target = square[top:bottom, left:right].reshape(-1, 3)
    mixed = target + weight * (drawn - target)
    square[top:bottom, left:right] = mixed.reshape(bottom - top, right - left, 3)
