"""Drawn faces of known people beside their real ones: the right person, and as varied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from voiceface.metrics.distribution import frechet_distance
from voiceface.models.corpus_embeddings import face_embeddings

if TYPE_CHECKING:
    from voiceface.corpus.splits import Selection

__all__ = ["centroids", "compare", "mean_embedding", "nearest_person"]

Rows = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


def mean_embedding(selection: Selection) -> list[float]:
    """Mean descriptor of the selection's faces, 128 numbers; people with many count as one with few."""
    owners = selection.corpus.column("faces", "person")[selection.faces].astype(str)
    rows = face_embeddings(selection.corpus)[selection.faces]
    means = [rows[owners == person].mean(0) for person in np.unique(owners)]
    return [round(float(value), 6) for value in np.mean(means, axis=0)]


def centroids(rows: Rows, labels: Numbers, people: int) -> Rows:
    """Every person's mean row, ``(people, width)``; infinitely far for those without any."""
    found = np.full((people, rows.shape[1]), np.inf, np.float32)
    for person in np.unique(labels):
        found[person] = rows[labels == person].mean(0)
    return found


def nearest_person(rows: Rows, means: Rows) -> Numbers:
    """Number of the person whose mean row is nearest (L2) to each row, ``(n,)``."""
    distances = np.linalg.norm(rows[:, None].astype(np.float64) - means[None], axis=2)
    nearest: Numbers = distances.argmin(1).astype(np.int64)
    return nearest


def compare(drawn: Rows, asked: Numbers, real: Rows, labels: Numbers, *, people: int) -> dict[str, float]:
    """Fréchet distance of drawn descriptors to real ones, and the share nearest to whom they should show.

    Args:
        drawn: ``(n, 128)`` descriptors of drawn faces.
        asked: ``(n,)`` whom each should show; -1 where that is nobody known.
        real: ``(m, 128)`` descriptors of real faces, none of them trained on.
        labels: ``(m,)`` whose they are.
        people: how many there are.
    """
    figures = {"frechet": frechet_distance(drawn, real)}
    if (known := asked >= 0).any() and (labels >= 0).any():
        whom = nearest_person(drawn[known], centroids(real[labels >= 0], labels[labels >= 0], people))
        figures["identity"] = float((whom == asked[known]).mean())
    return figures
