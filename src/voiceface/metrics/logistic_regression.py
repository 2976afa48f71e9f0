"""Ridge-penalised logistic regression by Newton's method: a classifier small enough to be read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class BinaryLogisticRegression:
    """Log odds of class 1 = weights · row + offset."""

    weights: Floats
    """(d,)"""
    offset: float

    def __call__(self, rows: ArrayLike) -> Floats:
        """Log odds (n,) of rows (n, d)."""
        return np.asarray(np.asarray(rows, dtype=np.float64) @ self.weights + self.offset)


def fit_logistic_regression(
    rows: ArrayLike, labels: ArrayLike, *, penalty: float = 1.0, balanced: bool = True
) -> BinaryLogisticRegression:
    """Minimise the summed cross-entropy plus ``penalty``/2 times the squared weights, the offset left free.

    Columns are brought to mean 0 and deviation 1 first, so the penalty is on that scale.

    Args:
        rows: (n, d) finite features.
        labels: (n,) 0/1, both present.
        penalty: Above 0, which keeps the weights finite on separable rows.
        balanced: Weigh the classes so that both count the same in all.

    Raises:
        ValueError: one class only, a penalty that is not above 0, or shapes that do not fit.
    """
    x, y = np.asarray(rows, dtype=np.float64), np.asarray(labels).astype(np.float64)
    if x.ndim != 2 or y.shape != (len(x),):
        raise ValueError(f"rows {x.shape} and labels {y.shape} do not fit")
    if not (0 < y.sum() < len(y)) or not penalty > 0:
        raise ValueError("a logistic fit needs both classes and a penalty above 0")
    centre, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    z = np.column_stack([(x - centre) / spread, np.ones(len(x))])
    share = np.where(y > 0, y.sum(), len(y) - y.sum())
    w = len(y) / (2.0 * share) if balanced else np.ones(len(y))
    ridge = np.append(np.full(x.shape[1], float(penalty)), 0.0)
    theta = _newton(z, y, w, ridge)
    weights = theta[:-1] / spread
    return BinaryLogisticRegression(weights, float(theta[-1] - weights @ centre))


def _newton(z: Floats, y: Floats, w: Floats, ridge: Floats) -> Floats:
    """Newton's method with halved steps; convex, so where it stops is the only answer."""

    def loss(theta: Floats) -> float:
        logit = z @ theta
        return float(w @ (np.logaddexp(0.0, logit) - y * logit) + 0.5 * ridge @ theta**2)

    theta = np.zeros(z.shape[1])
    now = loss(theta)
    for _ in range(100):
        logit = z @ theta
        small = np.exp(-np.abs(logit))
        p = np.where(logit >= 0, 1.0, small) / (1.0 + small)
        gradient = z.T @ (w * (p - y)) + ridge * theta
        curve = (z * (w * p * (1.0 - p))[:, None]).T @ z + np.diag(ridge + 1e-12)
        step = np.linalg.solve(curve, gradient)
        size = 1.0
        while loss(theta - size * step) > now and size > 1e-10:
            size /= 2.0
        theta = theta - size * step
        before, now = now, loss(theta)
        if float(np.abs(step).max()) < 1e-10 or before - now < 1e-14 * max(1.0, abs(now)):
            break
    return theta
