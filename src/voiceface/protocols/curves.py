"""ROC, DET and CMC as points to draw: few enough to store, exact where the curves end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voiceface.metrics.roc import Floats, SortedTrials

MAX_CURVE_POINTS = 2000
"""Points a curve is stored with at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RocPoints:
    """Corners of an ROC from (0, 0) to (1, 1); ``1 - tpr`` over ``fpr`` is the DET curve."""

    fpr: tuple[float, ...]
    tpr: tuple[float, ...]

    @property
    def fnr(self) -> tuple[float, ...]:
        """Share of positives refused at each point."""
        return tuple(1.0 - x for x in self.tpr)

    def to_dict(self) -> dict[str, list[float]]:
        """Seven digits a number, for JSON."""
        return {"fpr": _digits(self.fpr), "tpr": _digits(self.tpr)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CmcCurve:
    """The cumulative match curve: how often the first right item stands among the first ``ranks[i]``."""

    ranks: tuple[int, ...]
    recall: tuple[float, ...]
    low: tuple[float, ...]
    """Lower end of the 95 % interval over people; NaN without resamples."""
    high: tuple[float, ...]
    chance: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Seven digits a number, for JSON; None for what is not known."""
        parts = {name: _digits(getattr(self, name)) for name in ("recall", "low", "high", "chance")}
        return {"ranks": list(self.ranks)} | parts


def _digits(values: Sequence[float]) -> list[Any]:
    return [None if x != x else float(f"{x:.7g}") for x in values]


def roc_points(parts: Sequence[SortedTrials], *, most: int = MAX_CURVE_POINTS) -> RocPoints:
    """The ROC of trials, or the mean one of several groups of trials, in at most ``most`` points.

    Of one group the points are corners of its exact ROC: the outermost ones, and between them corners
    spread over both rates, plainly and by their logarithms (which a DET plot shows). Of several groups the
    TPRs are averaged at equal FPR, so that the area below is the mean of the groups' areas.

    Args:
        parts: The sorted trials of each group, both classes in each.
        most: Points at most; 40 or more.

    >>> roc_points([SortedTrials.of([3, 2, 1], [1, 0, 1])]).tpr
    (0.0, 0.5, 0.5, 1.0)
    """
    rates = [(false / false[-1], true / true[-1]) for false, true in (p.cumulate() for p in parts)]
    if len(rates) == 1:
        fpr, tpr = rates[0]
        kept = _spread(fpr, tpr, most)
        fpr, tpr = fpr[kept], tpr[kept]
    else:
        each = max(20, most // 2 // len(rates))
        grid = np.unique(np.concatenate([one[_spread(one, two, each)] for one, two in rates]))
        grid = grid[np.unique(np.linspace(0, len(grid) - 1, min(len(grid), most // 2)).astype(np.intp))]
        limits = np.mean([_limits(one, two, grid) for one, two in rates], axis=0)
        fpr, tpr = np.repeat(grid, 2), limits.T.ravel()
        kept = np.append(True, (np.diff(fpr) > 0) | (np.diff(tpr) > 0))
        fpr, tpr = fpr[kept], tpr[kept]
    return RocPoints(fpr=tuple(fpr.tolist()), tpr=tuple(tpr.tolist()))


def _spread(fpr: Floats, tpr: Floats, most: int) -> NDArray[np.intp]:
    """Places of at most ``most`` corners, the first and last ones among them."""
    n = len(fpr)
    if n <= most:
        return np.arange(n)
    ends, each = most // 10, most // 5
    fnr = 1.0 - tpr
    parts = [np.arange(ends), np.arange(n - ends, n)]
    for rate, scale in ((fpr, fpr), (tpr, tpr), (fpr, fpr[fpr > 0]), (tpr, fnr[fnr > 0])):
        if scale is rate:
            wanted = np.linspace(0.0, 1.0, each)
        else:
            steps = np.geomspace(max(float(scale.min()), 1e-9), 1.0, each) if len(scale) else np.ones(1)
            wanted = steps if rate is fpr else 1.0 - steps
        parts.append(np.searchsorted(rate, wanted))
    places: NDArray[np.intp] = np.unique(np.clip(np.concatenate(parts), 0, n - 1))
    return places


def _limits(fpr: Floats, tpr: Floats, grid: Floats) -> Floats:
    """Lowest and highest TPR of the polyline at each FPR, (2, points): they differ where it is upright."""
    first = np.minimum(np.searchsorted(fpr, grid, side="left"), len(fpr) - 1)
    last = np.maximum(np.searchsorted(fpr, grid, side="right") - 1, 0)
    after = np.minimum(last + 1, len(fpr) - 1)
    run = np.where(fpr[after] > fpr[last], fpr[after] - fpr[last], 1.0)
    between = tpr[last] + (grid - fpr[last]) / run * (tpr[after] - tpr[last])
    hit = fpr[last] == grid
    return np.stack([np.where(hit, tpr[first], between), np.where(hit, tpr[last], between)])
