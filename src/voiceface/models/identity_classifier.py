"""Identification of known people's faces: softmax regression on embeddings of real faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike

from voiceface.errors import InputError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class IdentityClassifier:
    """Posterior of every person given a face embedding."""

    weights: Floats
    """(people, width)"""
    offsets: Floats
    """(people,)"""

    def __call__(self, embeddings: ArrayLike) -> Floats:
        """Posteriors ``(n, people)`` of embeddings ``(n, width)``; every row adds up to 1."""
        logits = np.asarray(embeddings, dtype=np.float64) @ self.weights.T + self.offsets
        powers = np.exp(logits - logits.max(1, keepdims=True))
        posteriors: Floats = powers / powers.sum(1, keepdims=True)
        return posteriors


def fit_identity_classifier(
    embeddings: ArrayLike, labels: ArrayLike, *, people: int, penalty: float = 1e-3
) -> IdentityClassifier:
    """Minimise the mean cross-entropy plus ``penalty`` times the squared weights, on standardised embeddings.

    The problem is convex: the solution depends on the embeddings alone.

    Args:
        embeddings: ``(n, width)``, finite.
        labels: ``(n,)`` from 0 to ``people`` - 1.
        people: classes.
        penalty: above 0.

    Raises:
        InputError: shapes that do not fit, or a label out of range.
    """
    inputs, targets = np.asarray(embeddings, dtype=np.float64), np.asarray(labels)
    if inputs.ndim != 2 or targets.shape != (len(inputs),) or not len(inputs):
        fault = f"{inputs.shape} do not fit labels {targets.shape}"
        raise InputError("embeddings", fault, "give one label each")
    if targets.min() < 0 or targets.max() >= people:
        raise InputError("labels", f"lie outside 0 to {people - 1}", "number the people from 0")
    centre, spread = inputs.mean(0), np.maximum(inputs.std(0), 1e-9)
    x, y = torch.from_numpy((inputs - centre) / spread), torch.from_numpy(targets.astype(np.int64))
    weights = torch.zeros(people, inputs.shape[1], dtype=torch.float64, requires_grad=True)
    offsets = torch.zeros(people, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weights, offsets], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        value = F.cross_entropy(x @ weights.T + offsets, y) + penalty * weights.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        solver.step(loss)  # type: ignore[no-untyped-call]
    scaled = weights.detach().numpy() / spread
    return IdentityClassifier(scaled, offsets.detach().numpy() - scaled @ centre)
