"""How soft a photograph of a face is, by the edges of its eyes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voiceface.nn.face.eyelids import LIDS
from voiceface.nn.face.lip_edges import LUMA, Photographed

Floats = npt.NDArray[np.float64]

_ABOVE, _BELOW = 0.25, 0.2
"""What belongs to an eye, in distances between the eyes from the line of its corners."""
_MOST = 0.97
"""The quantile, and one less it, that stand for the extremes."""


def edge_width(photographed: Photographed, shape: Floats, *, eyes: float) -> float:
    """Width of the sharpest edges of both eyes, in distances between the eyes; 0.1 where nothing is seen.

    The contrast over the steepest slope, 0.03 of sharp portraits and 0.1 of soft ones, whatever their size.

    Args:
        photographed: colours of the photograph.
        shape: (468, 2) its mesh, upright, in distances between the eyes.
        eyes: pixels between the eyes.
    """
    step, widths = 0.5 / max(eyes, 10.0), []
    for lids in LIDS:
        corners = shape[list(lids.corners)]
        across = np.arange(corners[:, 0].min(), corners[:, 0].max(), step)
        down = np.arange(-_ABOVE, _BELOW, step) + corners[:, 1].mean()
        spots = np.stack(np.meshgrid(across, down), -1)
        light = (photographed(spots.reshape(-1, 2)) @ LUMA).reshape(spots.shape[:2])
        slope = np.hypot(*np.gradient(light, step))
        steepest = float(np.quantile(slope, _MOST))
        contrast = float(np.quantile(light, _MOST) - np.quantile(light, 1 - _MOST))
        widths.append(contrast / steepest if steepest > 1 else 0.1)
    return float(np.mean(widths))
