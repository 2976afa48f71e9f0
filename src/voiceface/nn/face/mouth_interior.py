"""What is seen between open lips: the photograph's own teeth, or teeth, tongue and dark.

Teeth belong to the skull: lips move over them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voiceface.nn.face.lip_edges import LOWER_EDGE, LOWER_LIP, LUMA, UPPER_EDGE, UPPER_LIP
from voiceface.nn.face.teeth_light import FaceLight

Floats = npt.NDArray[np.float64]

# In distances between the eyes, some 63 mm: incisors, canines and premolars from the middle outwards.
_TOOTH_ENDS = np.array([0.0, 0.132, 0.235, 0.325, 0.4, 0.47])
_TOOTH_ROUND = np.array([0.012, 0.014, 0.02, 0.02, 0.02])
_TOOTH_SHORT = np.array([0.0, 0.012, 0.004, 0.018, 0.026])
_BELOW_LIP = 0.085
"""How far the incisors reach below the edge of the upper lip of a closed mouth."""
_GAP, _GAP_DEPTH = 0.007, 0.2
"""Half the width of the line between two teeth, and how much darker it is; wider lines are paler."""
_EDGE = 0.012
_SOFT_PIXELS = 1.2
"""No edge in the mouth is sharper than so many pixels, as in a photograph of that size."""
_OF_EDGES, _SOFTEST = 0.3, 0.03
"""Nor than this share of the photograph's own edges, up to a limit."""
_SHADOW = 0.07
"""How far below the upper lip its shadow reaches."""
_LIT = 0.35
"""The opening whose teeth are fully lit; those of narrower mouths are in the mouth's own dark."""
_LOWER_TEETH, _TONGUE = 0.035, 0.1
_OWN_EDGE = 0.02
"""Width of the seam between what the photograph shows of the mouth and what it does not."""
_ROOT = 0.05
"""How far above the teeth that a photograph shows they go on, and over how much more they become gums."""
_SHOWN = 0.06
"""The opening from which a photograph shows something of the inside of the mouth."""
_DARK = np.array([0.48, 0.18, 0.14])
"""In shares of the skin's light: the darkest tenth of open mouths (tools/teeth_light.py)."""
_TONGUE_COLOUR = np.array([138.0, 70.0, 68.0]) / 160
_LIGHTEST = 0.885
"""What the lightest quarter of a mouth is of its fully lit teeth, which have gaps and shade."""
_BRIGHTEST = 235.0


class MouthInterior:
    """Colours between the lips of one photograph.

    Args:
        shape: (468, 2) the photograph's mesh, upright, in distances between the eyes.
        closed: (468, 2) the same with a closed mouth.
        light: of the face; teeth follow it, and the opening of the mouth.
        teeth_show: whether there is more than lips between the mesh's lips: it sees gaps between closed
            ones, whose own line must not be put into an open mouth.
        edges: width of the photograph's own edges (`edge_width`): those in the mouth are no sharper.
    """

    def __init__(
        self,
        shape: Floats,
        closed: Floats,
        *,
        light: FaceLight,
        teeth_show: bool = True,
        edges: float = 0.0,
    ) -> None:
        self._own_upper, self._own_lower = (_rising(shape[list(edge)]) for edge in (UPPER_EDGE, LOWER_EDGE))
        widest = (self._own_lower[1] - self._own_upper[1]).max()
        self.shows_own = teeth_show and bool(widest > _SHOWN)
        """Whether the photograph's mouth is open."""
        self._rest = _rising(closed[list(UPPER_EDGE)])
        self._middle = float(closed[13, 0])
        self._light, self._dark = light, light.skin * _DARK
        self._lit = light.tint() * light.teeth(_LIT) / _LIGHTEST
        self.soft = max(_EDGE, _SOFT_PIXELS / max(light.eyes, 1.0), min(_OF_EDGES * edges, _SOFTEST))
        """Width of edges in the mouth, in distances between the eyes."""

    def colours(self, spots: Floats, shape: Floats, own: Floats) -> tuple[Floats, Floats]:
        """The colours of places, and how far each is inside the mouth.

        Args:
            spots: (n, 2) of an upright head that keeps still.
            shape: (468, 2) the face's mesh there.
            own: (n, 3) colours of the photograph at their `own_places`.

        Returns:
            Colours (n, 3) from 0 to 255; distances (n,) from the nearer lip, negative outside.
        """
        upper, lower = (_rising(shape[list(edge)]) for edge in (UPPER_EDGE, LOWER_EDGE))
        below = spots[:, 1] - np.interp(spots[:, 0], *upper)
        above = np.interp(spots[:, 0], *lower) - spots[:, 1]
        beside = np.minimum(spots[:, 0] - upper[0][0], upper[0][-1] - spots[:, 0])
        across = np.clip(1 - 2 * beside / max(upper[0][-1] - upper[0][0], 1e-6), 0, 1)
        light = self._light.teeth(shape[LOWER_LIP, 1] - shape[UPPER_LIP, 1]) / _LIGHTEST
        made = np.minimum(self._made(spots, below, above, across, light), _BRIGHTEST)
        if self.shows_own:
            # Above teeth that the photograph shows they go on, and end in gums in shadow.
            over = np.interp(spots[:, 0], *self._own_upper) + _OWN_EDGE - spots[:, 1]
            gums = (self._dark + self._light.skin * _TONGUE_COLOUR) / 2
            root = np.clip((over - _ROOT) / _ROOT, 0, 1)[:, None]
            made = made + np.clip(over / _OWN_EDGE, 0, 1)[:, None] * (own + root * (gums - own) - made)
            seam = np.clip(self._within_own(spots) / _OWN_EDGE, 0, 1)[:, None]
            made = made + seam * (own - made)
        return made, np.minimum(np.minimum(below, above), np.where(beside > 0, np.inf, -1.0))

    def own_places(self, spots: Floats) -> Floats:
        """Where the photograph shows what belongs at places (n, 2): those above its teeth are theirs."""
        highest = np.interp(spots[:, 0], *self._own_upper) + 1.5 * _OWN_EDGE
        return np.stack([spots[:, 0], np.maximum(spots[:, 1], highest)], axis=1)

    def _within_own(self, spots: Floats) -> Floats:
        """How far places (n, 2) lie inside the photograph's own open mouth, negative outside."""
        below = spots[:, 1] - np.interp(spots[:, 0], *self._own_upper)
        above = np.interp(spots[:, 0], *self._own_lower) - spots[:, 1]
        within: Floats = np.minimum(below, above) - _OWN_EDGE / 2
        return within

    def _made(self, spots: Floats, below: Floats, above: Floats, across: Floats, light: float) -> Floats:
        """Colours (n, 3) of dark, tongue and teeth, whose brightness where they are lit is given."""
        tongue = np.clip((_TONGUE - above) / 0.07, 0, 1) * np.clip(1 - across**2, 0, 1)
        colours = self._dark + 0.65 * tongue[:, None] * (self._light.skin * _TONGUE_COLOUR - self._dark)
        # What shade takes from teeth is replaced by the mouth's own red dark, or they would look grey.
        dark, lit = float(self._dark @ LUMA), float(self._lit @ LUMA)
        reached = np.clip((light - dark) / max(lit - dark, 1.0), 0, 1)
        lower = np.clip((_LOWER_TEETH - above) / self.soft, 0, 1) * np.clip(1 - 1.5 * across**2, 0, 1)
        lower = lower * np.clip(below / 0.2, 0, 1)
        upper, shade = self._upper_teeth(spots, below, across)
        for share, seen in ((0.45 * lower, 0.7 * np.ones(len(spots))), (upper, shade)):
            teeth = self._dark + (reached * seen)[:, None] * (self._lit - self._dark)
            colours = colours + share[:, None] * (teeth - colours)
        filled: Floats = colours
        return filled

    def _upper_teeth(self, spots: Floats, below: Floats, across: Floats) -> tuple[Floats, Floats]:
        """How much of each place is upper teeth, and how light they are there: (n,) each, 0 to 1."""
        from_middle = np.abs(spots[:, 0] - self._middle)
        tooth = np.searchsorted(_TOOTH_ENDS, from_middle, side="right").clip(1, len(_TOOTH_ROUND)) - 1
        begin, end = _TOOTH_ENDS[tooth], _TOOTH_ENDS[tooth + 1]
        aside = 2 * (from_middle - (begin + end) / 2) / (end - begin)
        length = _BELOW_LIP - _TOOTH_SHORT[tooth] - _TOOTH_ROUND[tooth] * np.clip(np.abs(aside), 0, 1) ** 4
        edge = np.interp(spots[:, 0], *self._rest) + length - spots[:, 1]
        share = np.clip(edge / self.soft + 0.5, 0, 1) * (from_middle < _TOOTH_ENDS[-1])
        width = max(_GAP, 0.6 * self.soft)
        gap = np.exp(-(((1 - np.abs(aside)) * (end - begin) / 2 / width) ** 2))
        shade = 1 - _GAP_DEPTH * _GAP / width * gap - 0.06 * aside**2
        shade *= (1 - 0.6 * across**2) * np.clip(0.5 + 0.5 * below / _SHADOW, 0, 1)
        return share, shade


def _rising(lip: Floats) -> tuple[Floats, Floats]:
    """A lip's points by their place across, for `numpy.interp`."""
    order = np.argsort(lip[:, 0])
    return lip[order, 0], lip[order, 1]
