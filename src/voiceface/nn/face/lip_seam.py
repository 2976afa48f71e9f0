"""The line where closed lips meet: lips all the way, whatever the photograph shows between them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voiceface.nn.face.lip_edges import LOWER_EDGE, LUMA, UPPER_EDGE, Photographed
from voiceface.nn.face.teeth_light import colours_of_mouth

Floats = npt.NDArray[np.float64]

_UPPER_OUTSIDE = (185, 40, 39, 37, 0, 267, 269, 270, 409)
_LOWER_OUTSIDE = (146, 91, 181, 84, 17, 314, 405, 321, 375)
"""The lips' outer edges, from the right to the left, opposite the inner edges without their corners."""
_WITHIN_LIP = (0.35, 0.5, 0.65)
_LINE, _RISE = 0.68, 18.0
"""Of the lips' light: the lightest that the line between them is, and how much more for each distance between
the eyes away from it."""
_BETWEEN = (0.0, 0.25, 0.5, 0.75, 1.0)
_DARKEST_LINE, _HALF, _CORNER = 0.35, 0.012, 0.08
"""Of the lips' light: the darkest that the line is; half its width, at least a pixel, and how far from the
corners of the mouth it ends, in distances between the eyes."""
_OF_EDGES = 0.12
_REACH = 0.045
"""How far from the line, in distances between the eyes, something of the mouth's inside may be left."""
_TEETH_LIGHTER, _TEETH_LESS_RED = 1.2, 0.06
"""How much lighter than lips, and less red in shares of all light, teeth are at least."""
_STRIP, _LIGHTEST_LIP = 0.04, 1.15
"""How far outside an open mouth a strip of teeth may lie, and the lightest a lip is there."""
_PARTED = 0.05
"""The gap from which lips no longer meet."""


class LipSeam:
    """The meeting lips of one photograph.

    Args:
        photographed: colours of the photograph.
        shape: (468, 2) its mesh, upright, in distances between the eyes.
        eyes: distance between the eyes in pixels.
        edges: width of the photograph's own edges (`edge_width`), by which the line is as soft as they are.
    """

    def __init__(self, photographed: Photographed, shape: Floats, *, eyes: float, edges: float = 0.0) -> None:
        levels = []
        for inner, outer in ((UPPER_EDGE, _UPPER_OUTSIDE), (LOWER_EDGE, _LOWER_OUTSIDE)):
            begin, end = shape[list(inner[1:-1])], shape[list(outer)]
            levels += [photographed(begin + share * (end - begin)) for share in _WITHIN_LIP]
        self._lips = _smooth(np.median(levels, axis=0))
        upper, lower = shape[list(UPPER_EDGE[1:-1])], shape[list(LOWER_EDGE[1:-1])]
        between = np.stack([photographed(upper + share * (lower - upper)) for share in _BETWEEN])
        darkest = np.take_along_axis(between, (between @ LUMA).argmin(axis=0)[None, :, None], axis=0)[0]
        self._line = _smooth(np.clip(darkest, _DARKEST_LINE * self._lips, _LINE * self._lips))
        self._half = max(_HALF, 1 / max(eyes, 1.0), min(_OF_EDGES * edges, 2 * _HALF))

        self.teeth_show = self._see_teeth(colours_of_mouth(photographed, shape))
        """Whether the photograph shows something lighter and less red than lips between them."""

    def _see_teeth(self, inside: Floats) -> bool:
        """Whether the lightest quarter of the colours (n, 3) between the lips is none of theirs."""
        light = inside @ LUMA
        lightest = inside[light >= np.quantile(light, 0.75)].mean(axis=0)
        lip = np.median(self._lips, axis=0)
        brighter = float(lightest @ LUMA) > _TEETH_LIGHTER * float(lip @ LUMA)
        return brighter and _redness(lightest) < _redness(lip) - _TEETH_LESS_RED

    def without_strips(self, colours: Floats, spots: Floats, shape: Floats) -> Floats:
        """Colours (n, 3) of the warped photograph, whose lips carry no strip of its teeth along.

        Args:
            colours: (n, 3) as warped.
            spots: (n, 2) around the mouth, of an upright head that keeps still.
            shape: (468, 2) the face's mesh there.
        """
        if not self.teeth_show:
            return colours
        away, _, within = _places(spots, shape)
        share = np.clip(2 - 2 * away / _STRIP, 0, 1) * within
        most = _LIGHTEST_LIP * _along(self._lips, spots, shape)
        bare: Floats = colours + share[:, None] * (np.minimum(colours, most) - colours)
        return bare

    def meet(self, colours: Floats, spots: Floats, shape: Floats) -> Floats:
        """Colours (n, 3) of places (n, 2) around the mouth, with the line of lips where they meet.

        Arguments as in `without_strips`.
        """
        away, gap, within = _places(spots, shape)
        closed = np.clip(1 - gap / _PARTED, 0, 1) * within
        most = _along(self._lips, spots, shape) * (_LINE + _RISE * away)[:, None]
        share = closed * np.clip(2 - 2 * away / _REACH, 0, 1)
        met: Floats = colours + share[:, None] * (np.minimum(colours, most) - colours)
        # A warp leaves crumbs where the lips' edges meet: the line is made anew.
        share = closed * np.clip(1.5 - away / self._half, 0, 1)
        line: Floats = met + share[:, None] * (_along(self._line, spots, shape) - met)
        return line


def _places(spots: Floats, shape: Floats) -> tuple[Floats, Floats, Floats]:
    """How far places (n, 2) are from the mouth's inside, the lips' gap there, and 1 between the corners."""
    upper, lower = shape[list(UPPER_EDGE)], shape[list(LOWER_EDGE)]
    order = np.argsort(upper[:, 0])
    x, across = upper[order, 0], spots[:, 0]
    top, bottom = (np.interp(across, x, lip[order, 1]) for lip in (upper, lower))
    away = np.maximum(np.abs(spots[:, 1] - (top + bottom) / 2) - (bottom - top) / 2, 0)
    within = np.clip(np.minimum(across - x[0], x[-1] - across) / _CORNER, 0, 1)
    return away, bottom - top, within


def _along(row: Floats, spots: Floats, shape: Floats) -> Floats:
    """Colours (n, 3) of the points of the lips, the corners left out, at places (n, 2) across."""
    places = shape[list(UPPER_EDGE[1:-1]), 0]
    order = np.argsort(places)
    return np.stack([np.interp(spots[:, 0], places[order], row[order, k]) for k in range(3)], 1)


def _smooth(row: Floats) -> Floats:
    """Colours (n, 3) of a row of points, smoothed over neighbours."""
    padded = np.concatenate([row[:1], row, row[-1:]])
    smooth: Floats = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return smooth


def _redness(colour: Floats) -> float:
    return float((colour[0] - colour[1:].mean()) / (colour.sum() + 1))
