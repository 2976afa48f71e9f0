"""Delaunay triangulation of points in the plane."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def triangulate(points: Tensor) -> Tensor:
    """Triangles (t, 3) int64 of points (n, 2) that cover their convex hull (Bowyer 1981, Watson 1981).

    >>> triangulate(torch.tensor([[0.0, 0], [4, 0], [0, 4], [5, 5]])).sort(1).values.tolist()
    [[0, 1, 2], [1, 2, 3]]
    """
    given = points.detach().double().cpu().numpy()
    count, middle = len(given), given.mean(0)
    reach = 1e3 * max(1.0, float(np.abs(given - middle).max()))
    places = np.concatenate([given, middle + reach * np.array([[-1.0, -1.0], [1.0, -1.0], [0.0, 1.5]])])
    triangles = np.array([[count, count + 1, count + 2]])
    circles = _circles(places, triangles)
    for index in range(count):
        hit = ((circles[:, :2] - places[index]) ** 2).sum(1) < circles[:, 2] * (1 - 1e-12)
        edges = np.concatenate([triangles[hit][:, pair] for pair in ((0, 1), (1, 2), (2, 0))])
        # Edges of one hit triangle alone surround the hole; the new point is joined to each of them.
        _, first, times = np.unique(np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True)
        border = edges[first[times == 1]]
        new = np.column_stack([border, np.full(len(border), index)])
        triangles = np.concatenate([triangles[~hit], new])
        circles = np.concatenate([circles[~hit], _circles(places, new)])
    inner = triangles[(triangles < count).all(1)]
    return torch.from_numpy(inner[np.lexsort(np.sort(inner, axis=1).T[::-1])])


def _circles(places: NDArray[np.float64], triangles: NDArray[np.int64]) -> NDArray[np.float64]:
    """Middle x, y and squared radius (t, 3) of the circles through the corners of triangles."""
    a, b, c = (places[triangles[:, k]] for k in range(3))
    ab, ac = b - a, c - a
    area = 2 * (ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])
    area = np.where(np.abs(area) < 1e-12, 1e-12, area)
    left, right = (ab**2).sum(1), (ac**2).sum(1)
    offset = np.column_stack(
        [(ac[:, 1] * left - ab[:, 1] * right) / area, (ab[:, 0] * right - ac[:, 0] * left) / area]
    )
    return np.column_stack([a + offset, (offset**2).sum(1)])
