"""Exact ROC and everything read off it: area, equal error rate, detection cost, hits at a false-accept rate.

A trial is one score and one label (True: the same person). Higher scores mean "the same". Equal scores are
accepted together, so the curve has one corner for each distinct score and nothing depends on the order in
which tied trials were written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.metrics.figure import Figure

Floats = NDArray[np.float64]

EER_CONVENTIONS = {
    "interpolated": "where the exact ROC, its corners joined by straight lines, meets FPR = FNR",
    "nearest": "mean of FPR and FNR at the threshold where they are nearest",
    "folds": "interpolated on the ROC whose rates are averaged over 10 consecutive folds of the list",
}
"""The three ways published code prints an equal error rate, by name."""


@dataclass(frozen=True, slots=True)
class SortedTrials:
    """Trials sorted once by falling score, so that any weighting of them costs one pass."""

    order: NDArray[np.intp]
    """Place in the original list of each sorted trial."""
    same: Floats
    """1.0 for a positive, 0.0 for a negative, in sorted order."""
    ends: NDArray[np.intp] | None
    """Last sorted place of every distinct score; None when all scores differ."""
    thresholds: Floats
    """The distinct scores, falling."""

    @classmethod
    def of(cls, scores: ArrayLike, labels: ArrayLike) -> SortedTrials:
        """Sort ``scores`` (n,) with their ``labels`` (n,) of 0/1; both finite and of one length."""
        values = np.asarray(scores, dtype=np.float64)
        same = np.asarray(labels).astype(np.float64)
        if values.shape != same.shape or values.ndim != 1:
            raise ValueError(f"scores {values.shape} and labels {same.shape} are not two lists of one length")
        order = np.argsort(-values, kind="stable")
        values = values[order]
        ends = np.flatnonzero(np.append(values[1:] != values[:-1], True)) if len(values) else order
        tied = len(ends) < len(values)
        return cls(order, same[order], ends if tied else None, values[ends])

    def cumulate(self, weights: Floats | None = None) -> tuple[Floats, Floats]:
        """Weight of negatives and of positives accepted at each threshold, from 0 to their totals.

        Args:
            weights: (n,) weights in *sorted* order (``w[trials.order]``), or None for 1 each.

        Returns:
            Two rising arrays of one length, beginning with 0 (nothing accepted).
        """
        n = len(self.same)
        hits, seen = np.zeros(n + 1), np.zeros(n + 1)
        if weights is None:
            np.cumsum(self.same, out=hits[1:])
            seen[1:] = np.arange(1, n + 1)
        else:
            np.cumsum(weights * self.same, out=hits[1:])
            np.cumsum(weights, out=seen[1:])
        if self.ends is not None:
            corners = np.concatenate(([0], self.ends + 1))
            hits, seen = hits[corners], seen[corners]
        return seen - hits, hits


@dataclass(frozen=True, slots=True)
class Curve:
    """An exact ROC: at ``thresholds[i]`` and above, these shares are accepted (first: nothing is)."""

    thresholds: Floats
    fpr: Floats
    tpr: Floats


def area(false: Floats, true: Floats) -> float:
    """Area under the curve through cumulated weights (`SortedTrials.cumulate`); NaN for one class only."""
    total = false[-1] * true[-1]
    if not total > 0:
        return float("nan")
    # einsum, not dot: BLAS would start threads for every resample, which costs more than the sum itself.
    return float(np.einsum("i,i->", np.diff(false), true[1:] + true[:-1]) / (2.0 * total))


def crossing(false: Floats, true: Floats) -> float:
    """Equal error rate: the polyline of cumulated weights meets FPR = 1 - TPR; NaN for one class only."""
    if not false[-1] * true[-1] > 0:
        return float("nan")
    both = false / false[-1] + true / true[-1]  # rises from 0 to 2; the crossing is where it is 1
    i = int(np.searchsorted(both, 1.0))
    step = both[i] - both[i - 1]
    share = (1.0 - both[i - 1]) / step
    return float((false[i - 1] + share * (false[i] - false[i - 1])) / false[-1])


def detection_cost(
    false: Floats, true: Floats, *, prior: float = 0.01, miss: float = 1.0, accept: float = 1.0
) -> float:
    """Lowest NIST detection cost over all thresholds, divided by that of the better constant answer.

    Args:
        false: Cumulated weight of accepted negatives.
        true: Cumulated weight of accepted positives.
        prior: How often a pair is expected to be the same person's.
        miss: Cost of refusing a positive.
        accept: Cost of accepting a negative.
    """
    if not false[-1] * true[-1] > 0:
        return float("nan")
    refused, accepted = miss * prior, accept * (1.0 - prior)
    cost = refused * (1.0 - true / true[-1]) + accepted * (false / false[-1])
    return float(cost.min() / min(refused, accepted))


def interpolated_tpr(false: Floats, true: Floats, rate: float) -> float:
    """TPR at FPR ``rate`` on the polyline (tied trials are split at random), highest where it is upright."""
    if not false[-1] * true[-1] > 0:
        return float("nan")
    x = rate * false[-1]
    i = int(np.searchsorted(false, x, side="right")) - 1  # the last corner not beyond x
    if i + 1 == len(false) or false[i] == x:
        return float(true[i] / true[-1])
    share = (x - false[i]) / (false[i + 1] - false[i])
    return float((true[i] + share * (true[i + 1] - true[i])) / true[-1])


def _cumulated(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats]:
    trials = SortedTrials.of(scores, labels)
    w = None if weights is None else np.asarray(weights, dtype=np.float64)[trials.order]
    return trials.cumulate(w)


def roc(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> Curve:
    """The exact (weighted) ROC.

    Args:
        scores: (n,) finite scores, higher meaning the same person.
        labels: (n,) 0/1.
        weights: (n,) weights of the trials, 1 each where None.

    >>> roc([3, 2, 2, 1], [1, 1, 0, 0]).tpr.tolist()
    [0.0, 0.5, 1.0, 1.0]
    """
    trials = SortedTrials.of(scores, labels)
    w = None if weights is None else np.asarray(weights, dtype=np.float64)[trials.order]
    false, true = trials.cumulate(w)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Curve(np.append(np.inf, trials.thresholds), false / false[-1], true / true[-1])


def auc(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Share of (positive, negative) pairs in the right order, a tie counting one half; NaN for one class.

    >>> auc([3, 2, 2, 1], [1, 1, 0, 0])
    0.875
    """
    return area(*_cumulated(scores, labels, weights))


def eer(
    scores: ArrayLike,
    labels: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    convention: str = "interpolated",
    folds: int = 10,
) -> float:
    """Equal error rate in one of three named conventions (`EER_CONVENTIONS`); NaN for one class only.

    ``"folds"`` averages FPR and TPR at every threshold over consecutive folds of the list *in its order*,
    as facenet's widely copied evaluation does, here at all thresholds instead of 400.

    Raises:
        ValueError: the convention is unknown, or a fold holds one class only.

    >>> eer([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0])
    0.5
    """
    if convention not in EER_CONVENTIONS:
        raise ValueError(f"{convention!r} is no convention of the EER; choose from {list(EER_CONVENTIONS)}")
    if convention == "folds":
        weights = _fold_weights(np.asarray(labels).astype(bool), weights, folds)
    false, true = _cumulated(scores, labels, weights)
    if convention != "nearest":
        return crossing(false, true)
    if not false[-1] * true[-1] > 0:
        return float("nan")
    fpr, fnr = false / false[-1], 1.0 - true / true[-1]
    i = int(np.argmin(np.abs(fpr - fnr)))
    return float((fpr[i] + fnr[i]) / 2.0)


def _fold_weights(same: NDArray[np.bool_], weights: ArrayLike | None, folds: int) -> Floats:
    """Weights under which each fold's positives, and its negatives, count one in all: the averaged ROC."""
    base = np.ones(len(same)) if weights is None else np.asarray(weights, dtype=np.float64)
    out = np.empty(len(same))
    for i, part in enumerate(np.array_split(np.arange(len(same)), folds)):
        for side in (True, False):
            mine = part[same[part] == side]
            if not base[mine].sum() > 0:
                kind = "positive" if side else "negative"
                raise ValueError(f"fold {i + 1} of {folds} holds no {kind} trial, so its rates do not exist")
            out[mine] = base[mine] / base[mine].sum()
    return out


def min_dcf(
    scores: ArrayLike,
    labels: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    prior: float = 0.01,
    miss: float = 1.0,
    accept: float = 1.0,
) -> float:
    """Minimum normalised detection cost (NIST SRE): 1 for a system that knows nothing."""
    false, true = _cumulated(scores, labels, weights)
    return detection_cost(false, true, prior=prior, miss=miss, accept=accept)


def tpr_at_fpr(scores: ArrayLike, labels: ArrayLike, rate: float, weights: ArrayLike | None = None) -> float:
    """Share of positives accepted where ``rate`` of the negatives are (see `interpolated_tpr`)."""
    return interpolated_tpr(*_cumulated(scores, labels, weights), rate)


def _tpr_figure(rate: float, order: int) -> Figure:
    return Figure(
        name=f"TPR at FPR {100 * rate:g} %",
        of="trials",
        function=partial(interpolated_tpr, rate=rate),
        chance=rate,
        convention="interpolated on the exact ROC",
        order=order,
    )


AUC = Figure(
    name="AUC",
    of="trials",
    function=area,
    chance=0.5,
    convention="exact, ties count one half",
    headline="AUC",
    order=1,
)
EER = Figure(
    name="EER",
    of="trials",
    function=crossing,
    chance=0.5,
    convention=EER_CONVENTIONS["interpolated"],
    order=2,
)
MIN_DCF = Figure(
    name="minDCF",
    of="trials",
    function=detection_cost,
    chance=1.0,
    convention="prior 0.01, both costs 1, over the better constant answer",
    order=3,
)
TPR_1, TPR_10 = _tpr_figure(0.01, order=4), _tpr_figure(0.1, order=5)
