"""How light the inside of an open mouth is in a photograph of a closed one, by the light of skin and eyes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voiceface.nn.face.eyelids import LIDS
from voiceface.nn.face.lip_edges import LOWER_EDGE, LUMA, UPPER_EDGE, Photographed

Floats = npt.NDArray[np.float64]

_CHEEKS, _REACH = (205, 425), 0.06
_WITHIN_EYE = (0.2, 0.35, 0.5, 0.65, 0.8)
_WHITE = 0.8
"""The quantile of an eye's light from which it is white."""
_DARKEST = 1.0
_LEAST_WHITE = 0.6
"""Of the cheeks' light: below it what is seen of an eye is lashes and shadow, no white."""

# tools/teeth_light.py prints these: fitted to 728 open mouths of photographs, none of them of GRID.
_CONSTANT, _BY_CHEEK, _BY_WHITE, _BY_EYES, _BY_OPENING = -0.839, 0.594, 0.351, 0.408, 0.37
_SKIN_SHARE, _WHITE_SHARE = 0.49, 0.08
_EYES, _OPENINGS = (25.0, 75.0), (0.08, 0.5)
"""Pixels between the eyes, and openings, of those photographs; others count as the nearest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceLight:
    """The light of a face in its photograph."""

    cheeks: Floats
    """Mean colour (3,) of both cheeks, 0 to 255."""
    whites: Floats
    """Mean colour (3,) of the lightest fifth of both eyes."""
    eyes: float
    """Pixels between the eyes."""

    @property
    def skin(self) -> float:
        """Brightness of the cheeks, 0 to 255."""
        return max(float(self.cheeks @ LUMA), _DARKEST)

    def features(self, opening: float) -> Floats:
        """What `teeth` depends on (4,): logarithms of light, size and opening."""
        size, opened = float(np.clip(self.eyes, *_EYES)), float(np.clip(opening, *_OPENINGS))
        white = max(float(self.whites @ LUMA), _LEAST_WHITE * self.skin)
        return np.log([self.skin, white, size, opened])

    def teeth(self, opening: float) -> float:
        """Brightness of the lightest quarter of a mouth that is so far open, 0 to 255."""
        weights = np.array([_BY_CHEEK, _BY_WHITE, _BY_EYES, _BY_OPENING])
        return float(np.exp(_CONSTANT + weights @ self.features(opening)))

    def tint(self) -> Floats:
        """Colour (3,) of teeth, of brightness 1: between white and the skin's, which lights them."""
        tint = 1 + sum(
            share * (colour / max(float(colour @ LUMA), _DARKEST) - 1)
            for share, colour in ((_SKIN_SHARE, self.cheeks), (_WHITE_SHARE, self.whites))
        )
        found: Floats = tint / (tint @ LUMA)
        return found


def face_light(photographed: Photographed, shape: Floats, *, eyes: float) -> FaceLight:
    """Measure the light of cheeks and eyes.

    Args:
        photographed: colours of the photograph.
        shape: (468, 2) its mesh, upright, in distances between the eyes.
        eyes: pixels between the eyes.
    """
    steps = np.array([-_REACH, 0.0, _REACH])
    around = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    cheeks = np.mean([photographed(shape[cheek] + around).mean(axis=0) for cheek in _CHEEKS], axis=0)
    whites = []
    for lids in LIDS:
        colours = photographed(_between(shape[list(lids.upper)], shape[list(lids.lower)], _WITHIN_EYE))
        light = colours @ LUMA
        whites.append(colours[light >= np.quantile(light, _WHITE)].mean(axis=0))
    return FaceLight(cheeks=cheeks, whites=np.mean(whites, axis=0), eyes=eyes)


def colours_of_mouth(photographed: Photographed, shape: Floats) -> Floats:
    """Colours (n, 3) between the lips of an open mouth, spread evenly, the corners left out."""
    within = np.linspace(0.06, 0.94, 15)
    return photographed(_between(shape[list(UPPER_EDGE[2:-2])], shape[list(LOWER_EDGE[2:-2])], within))


def _between(upper: Floats, lower: Floats, shares: npt.ArrayLike) -> Floats:
    """Places (n, 2) at these shares of the way from each upper point to its lower one."""
    way = np.asarray(shares, np.float64)[:, None, None]
    found: Floats = (upper + way * (lower - upper)).reshape(-1, 2)
    return found
