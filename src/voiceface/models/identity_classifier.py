"""Who a face shows, among known people: softmax regression on descriptors of real faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike

from voiceface.errors import InputError

__all__ = ["IdentityClassifier", "fit_identity_classifier"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class IdentityClassifier:
    """Posterior of every person given a descriptor."""

    weights: Floats
    """(people, width)"""
    offsets: Floats
    """(people,)"""

    def __call__(self, rows: ArrayLike) -> Floats:
        """Posteriors ``(n, people)`` of rows ``(n, width)``, every row adding up to 1."""
        logits = np.asarray(rows, dtype=np.float64) @ self.weights.T + self.offsets
        powers = np.exp(logits - logits.max(1, keepdims=True))
        posteriors: Floats = powers / powers.sum(1, keepdims=True)
        return posteriors


def fit_identity_classifier(
    rows: ArrayLike, labels: ArrayLike, *, people: int, penalty: float = 1e-3
) -> IdentityClassifier:
    """Minimise the mean cross-entropy plus ``penalty`` times the squared weights, on standardised rows.

    The problem is convex: the answer depends on the rows alone.

    Args:
        rows: ``(n, width)`` finite descriptors.
        labels: ``(n,)`` from 0 to ``people`` - 1.
        people: classes.
        penalty: above 0.

    Raises:
        InputError: shapes that do not fit, or a label of nobody.
    """
    given, own = np.asarray(rows, dtype=np.float64), np.asarray(labels)
    if given.ndim != 2 or own.shape != (len(given),) or not len(given):
        raise InputError("descriptors", f"{given.shape} do not fit labels {own.shape}", "give a label a row")
    if own.min() < 0 or own.max() >= people:
        raise InputError("labels", f"lie outside 0 to {people - 1}", "number the people from 0")
    centre, spread = given.mean(0), np.maximum(given.std(0), 1e-9)
    x, y = torch.from_numpy((given - centre) / spread), torch.from_numpy(own.astype(np.int64))
    weights = torch.zeros(people, given.shape[1], dtype=torch.float64, requires_grad=True)
    offsets = torch.zeros(people, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weights, offsets], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        value = F.cross_entropy(x @ weights.T + offsets, y) + penalty * weights.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        solver.step(loss)  # type: ignore[no-untyped-call]
    turned = weights.detach().numpy() / spread
    return IdentityClassifier(turned, offsets.detach().numpy() - turned @ centre)
