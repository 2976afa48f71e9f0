"""Parts of near embeddings: what an indexed search of a large gallery looks into first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voiceface.models.model import Embeddings

_ITERATIONS, _SAMPLE = 8, 64
"""Iterations of k-means, and rows a part that it runs on."""
_CHUNK = 8192
"""Rows that are compared with all centroids at once."""


def partition(rows: Embeddings, count: int) -> npt.NDArray[np.int64]:
    """Assign each row to one of ``count`` parts, by spherical k-means on a sample of the rows.

    Args:
        rows: (n, dim) of length 1.
        count: parts; some may stay empty.

    Returns:
        (n,) indices of parts; the same for the same rows in the same order.

    Source: the inverted file of Jégou, Douze and Schmid, 2011, section IV, without codes.
    """
    if count < 2:
        return np.zeros(len(rows), np.int64)
    random = np.random.default_rng(0)
    sample = rows[np.sort(random.permutation(len(rows))[: _SAMPLE * count])]
    centroids = sample[random.permutation(len(sample))[:count]]
    for _ in range(_ITERATIONS):
        centroids = _moved(centroids, sample, _nearest(sample, centroids))
    return _nearest(rows, centroids)


def unit(rows: Embeddings) -> Embeddings:
    """Rows (n, dim), scaled to length 1."""
    scaled: Embeddings = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return scaled.astype(np.float32)


def mean_direction(rows: Embeddings) -> Embeddings:
    """The mean of rows (n, dim), scaled to length 1: (dim,)."""
    mean: Embeddings = unit(rows.mean(axis=0, dtype=np.float64)[None])[0]
    return mean


def _moved(centroids: Embeddings, rows: Embeddings, labels: npt.NDArray[np.int64]) -> Embeddings:
    """The means of the rows that are nearest to each centroid; one without any stays."""
    order = np.argsort(labels, kind="stable")
    used, starts = np.unique(labels[order], return_index=True)
    moved = centroids.copy()
    moved[used] = [mean_direction(part) for part in np.split(rows[order], starts[1:])]
    return moved


def _nearest(rows: Embeddings, centroids: Embeddings) -> npt.NDArray[np.int64]:
    found = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), _CHUNK):
        found[start : start + _CHUNK] = (rows[start : start + _CHUNK] @ centroids.T).argmax(axis=1)
    return found
