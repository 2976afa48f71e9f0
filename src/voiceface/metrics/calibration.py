"""Are the probabilities true? Reliability, calibration error, Cllr, and a logistic fit to make them so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.metrics.figure import Figure

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability table; empty bins have NaN means."""

    edges: Floats
    """(bins + 1,) from 0 to 1."""
    stated: Floats
    """Mean probability in each bin."""
    found: Floats
    """Share of positives in each bin."""
    weight: Floats
    """Share of all trials in each bin."""


@dataclass(frozen=True, slots=True)
class Logistic:
    """Probability = 1 / (1 + exp(-(slope * score + offset)))."""

    slope: float
    offset: float

    def log_odds(self, scores: ArrayLike) -> Floats:
        """Log odds of the scores, natural logarithm."""
        odds: Floats = self.slope * np.asarray(scores, dtype=np.float64) + self.offset
        return odds

    def __call__(self, scores: ArrayLike) -> Floats:
        """Probabilities of the scores."""
        return probabilities_of(self.log_odds(scores))


def probabilities_of(x: Floats) -> Floats:
    """Probabilities of log odds, without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def _prepared(
    values: ArrayLike, labels: ArrayLike, weights: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    x, y = np.asarray(values, dtype=np.float64), np.asarray(labels).astype(np.float64)
    w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not x.shape == y.shape == w.shape or x.ndim != 1:
        raise ValueError(f"values {x.shape}, labels {y.shape} and weights {w.shape} are not of one length")
    return x, y, w


def reliability(
    probabilities: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None, *, bins: int = 10
) -> Reliability:
    """Stated probability against the share found, in ``bins`` bins of equal width over [0, 1].

    Raises:
        ValueError: a probability lies outside [0, 1] (or is NaN).
    """
    p, y, w = _prepared(probabilities, labels, weights)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("probabilities lie outside [0, 1]")
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, bins - 1)
    mass, stated, found = (np.bincount(place, w * x, bins) for x in (np.ones(len(p)), p, y))
    with np.errstate(invalid="ignore"):
        return Reliability(edges, stated / mass, found / mass, mass / mass.sum())


def ece(
    probabilities: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None, *, bins: int = 10
) -> float:
    """Expected calibration error: mean distance of stated and found over bins, by their weight.

    >>> round(ece([0.8, 0.8, 0.8, 0.8, 0.8], [1, 1, 1, 1, 0]), 6)
    0.0
    """
    r = reliability(probabilities, labels, weights, bins=bins)
    used = r.weight > 0
    return float(np.dot(r.weight[used], np.abs(r.stated - r.found)[used]))


def cllr(log_ratios: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Cost of log-likelihood ratios in bits (Brümmer & du Preez 2006, eq. 3): 1 for knowing nothing.

    Args:
        log_ratios: (n,) natural log of p(score | same) / p(score | different).
        labels: (n,) 0/1, both present.
        weights: (n,) weights of the trials.

    >>> cllr([0.0, 0.0], [1, 0])
    1.0
    """
    x, y, w = _prepared(log_ratios, labels, weights)
    cost = np.logaddexp(0.0, np.where(y > 0, -x, x)) / np.log(2.0)
    same, other = w * y, w * (1.0 - y)
    if not same.sum() * other.sum() > 0:
        raise ValueError("Cllr needs trials of both classes")
    return float((np.dot(same, cost) / same.sum() + np.dot(other, cost) / other.sum()) / 2.0)


def fit_logistic(
    scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None, *, prior: float | None = None
) -> Logistic:
    """Logistic (Platt) calibration by Newton's method, with Platt's smoothed targets.

    The targets (N+ + 1)/(N+ + 2) and 1/(N- + 2) keep the slope finite on separable scores (Platt 1999,
    section 2.2). To be fitted on other people than it is reported on.

    Args:
        scores: (n,) finite scores.
        labels: (n,) 0/1, both present.
        weights: (n,) weights of the trials.
        prior: Weigh the classes so that positives make up this share; None: as they come.

    Raises:
        ValueError: one class only.
    """
    x, y, w = _prepared(scores, labels, weights)
    same, other = float(np.dot(w, y)), float(np.dot(w, 1.0 - y))
    if not same * other > 0:
        raise ValueError("a logistic fit needs trials of both classes")
    target = np.where(y > 0, (same + 1.0) / (same + 2.0), 1.0 / (other + 2.0))
    if prior is not None:
        w = w * np.where(y > 0, prior / same, (1.0 - prior) / other)
    w = w / w.sum()
    centre, spread = float(np.dot(w, x)), float(np.sqrt(np.dot(w, (x - np.dot(w, x)) ** 2)))
    if not spread > 1e-12 * max(1.0, abs(centre)):
        share = float(np.dot(w, target))
        return Logistic(0.0, float(np.log(share / (1.0 - share))))
    z = np.stack([(x - centre) / spread, np.ones(len(x))])
    slope, offset = _newton(z, target, w) / np.array([spread, 1.0])
    return Logistic(float(slope), float(offset - slope * centre))


def _newton(z: Floats, target: Floats, w: Floats) -> Floats:
    """Minimise the weighted cross-entropy of a linear logit (2 parameters), with halved steps."""

    def loss(theta: Floats) -> float:
        logit = theta @ z
        return float(np.dot(w, np.logaddexp(0.0, logit) - target * logit))

    theta = np.zeros(2)
    now = loss(theta)
    for _ in range(100):
        p = probabilities_of(theta @ z)
        gradient = z @ (w * (p - target))
        curve = (z * (w * p * (1.0 - p))) @ z.T + 1e-12 * np.eye(2)
        step = np.linalg.solve(curve, gradient)
        size = 1.0
        while loss(theta - size * step) > now and size > 1e-10:
            size /= 2.0
        theta = theta - size * step
        before, now = now, loss(theta)
        if np.abs(step).max() < 1e-10 or before - now < 1e-15:
            break
    return theta


def _ece_of_weights(odds: Floats, prior: float, bins: int) -> Callable[[Floats, Floats], float]:
    predicted = probabilities_of(odds)
    edges = np.linspace(0.0, 1.0, bins + 1)
    index = np.clip(np.searchsorted(edges, predicted, side="right") - 1, 0, bins - 1)

    def ece_of(same: Floats, other: Floats) -> float:
        # Predicted less observed, bin by bin: a trial has its probability, and its label was observed.
        apart = prior * same * (predicted - 1.0) + (1.0 - prior) * other * predicted
        return float(np.abs(np.bincount(index, apart, bins)).sum())

    return ece_of


def _cllr_of_weights(odds: Floats, prior: float, bins: int) -> Callable[[Floats, Floats], float]:
    ratio = odds - np.log(prior / (1.0 - prior))
    missed, accepted = np.logaddexp(0.0, -ratio) / np.log(2.0), np.logaddexp(0.0, ratio) / np.log(2.0)

    def cllr_of(same: Floats, other: Floats) -> float:
        return float((np.einsum("i,i->", same, missed) + np.einsum("i,i->", other, accepted)) / 2.0)

    return cllr_of


ECE = Figure(
    name="ECE",
    of="probabilities",
    function=_ece_of_weights,
    convention="{bins} bins of equal width, prior {prior:.3g}; chance alone keeps it above 0",
    order=1,
)
CLLR = Figure(
    name="Cllr",
    of="probabilities",
    function=_cllr_of_weights,
    chance=1.0,
    convention="bits (Brümmer & du Preez 2006, eq. 3), log odds less those of prior {prior:.3g}",
    order=2,
)
