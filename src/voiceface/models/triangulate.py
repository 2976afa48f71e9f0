"""Triangles between points."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from voiceface.errors import MissingPartError


def triangulate(points: Tensor) -> Tensor:
    """Delaunay's triangles (triangles, 3) of points (n, 2).

    Raises:
        MissingPartError: SciPy is not installed.
    """
    try:
        from scipy.spatial import Delaunay
    except ImportError as error:
        raise MissingPartError("scipy", "is not installed", 'pip install "voiceface[train]"') from error
    return torch.from_numpy(Delaunay(points.double().numpy()).simplices.astype(np.int64))
