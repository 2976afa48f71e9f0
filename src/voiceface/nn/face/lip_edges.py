"""Points of the face mesh along the lips' inner edges, and how a photograph is looked at by the mesh."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Photographed = Callable[[Floats], Floats]
"""Colours (n, 3) of a photograph at places (n, 2) of its upright mesh, in distances between the eyes."""

UPPER_EDGE = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_EDGE = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
"""From the right corner of the mouth to the left, the corners in both."""
UPPER_LIP, LOWER_LIP = 13, 14
"""Their middles: what lies between them is the opening of the mouth."""

LUMA = np.array([0.299, 0.587, 0.114])
"""What red, green and blue add to brightness."""
