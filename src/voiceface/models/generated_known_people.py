"""Generated faces of known people beside their real ones: the right person, and as varied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from voiceface.metrics.distribution import frechet_distance
from voiceface.models.corpus_embeddings import face_embeddings
from voiceface.models.model import Embeddings

if TYPE_CHECKING:
    from voiceface.corpus.splits import Selection

Labels = npt.NDArray[np.int64]


def mean_embedding(selection: Selection) -> list[float]:
    """Mean dlib embedding of the selection's faces, 128 numbers; every person counts equally."""
    owners = selection.person_of("faces")
    embeddings = face_embeddings(selection.corpus)[selection.faces]
    means = [embeddings[owners == person].mean(0) for person in np.unique(owners)]
    return [round(float(value), 6) for value in np.mean(means, axis=0)]


def centroids(embeddings: Embeddings, labels: Labels, people: int) -> Embeddings:
    """Every person's mean embedding, ``(people, width)``; infinitely far for those without any."""
    found = np.full((people, embeddings.shape[1]), np.inf, np.float32)
    for person in np.unique(labels):
        found[person] = embeddings[labels == person].mean(0)
    return found


def generation_metrics(
    generated: Embeddings, requested: Labels, real: Embeddings, labels: Labels, *, people: int
) -> dict[str, float]:
    """Fréchet distance of generated to real embeddings, and the share nearest to the requested person.

    Args:
        generated: ``(n, 128)`` embeddings of generated faces.
        requested: ``(n,)`` index of the person each should show; -1 for somebody unknown.
        real: ``(m, 128)`` embeddings of real faces, none of them trained on.
        labels: ``(m,)`` index of the person of each; -1 for somebody unknown.
        people: number of known people.
    """
    figures = {"frechet": frechet_distance(generated, real)}
    if (known := requested >= 0).any() and (labels >= 0).any():
        means = centroids(real[labels >= 0], labels[labels >= 0], people)
        distances = np.linalg.norm(generated[known][:, None].astype(np.float64) - means[None], axis=2)
        figures["identity"] = float((distances.argmin(1) == requested[known]).mean())
    return figures
