"""Ranking with ties read as random order: hits, average precision, first ranks, 1:N wins, and their chance.

Every figure is the exact expectation over all orders of tied items, so a network that gives everything the
same score earns exactly chance, wherever the right answer was written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.metrics.figure import Figure

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class FirstRanks:
    """Where the first right item stands for each probe, as a distribution over the orders of ties.

    The first right item comes ``above`` places down plus the place of the first of ``right`` right items
    among ``tied`` items in random order.
    """

    above: Ints
    tied: Ints
    right: Ints

    @classmethod
    def by_chance(cls, right: ArrayLike, gallery: ArrayLike) -> FirstRanks:
        """The ranks that a random order of ``gallery`` items with ``right`` right ones would give."""
        r, g = np.broadcast_arrays(np.asarray(right, dtype=np.intp), np.asarray(gallery, dtype=np.intp))
        return cls(np.zeros_like(g), g, r)

    def within(self, k: int) -> Floats:
        """Probability that the first right item is among the first ``k``, (probes,): recall (hit) at k."""
        steps = np.clip(k - self.above, 0, self.tied)
        left = self.tied - self.right - steps  # wrong items that could stay below the cut
        logs = _log_factorials(int(self.tied.max(initial=0)))
        safe = np.maximum(left, 0)
        missed = np.exp(
            logs[self.tied - self.right]
            - logs[safe]
            - logs[self.tied]
            + logs[np.maximum(self.tied - steps, 0)]
        )
        return np.where(steps == 0, 0.0, np.where(left < 0, 1.0, 1.0 - missed))

    def mean(self) -> Floats:
        """Expected rank of the first right item, from 1, (probes,)."""
        rank: Floats = self.above.astype(np.float64) + (self.tied + 1.0) / (self.right + 1.0)
        return rank

    def median(self, weights: Floats | None = None) -> int:
        """Smallest rank that at least half of the probes (by weight, over all orders of ties) reach."""
        w = np.ones(len(self.above)) if weights is None else weights
        half = w.sum() / 2.0 * (1.0 - 1e-12)
        if np.array_equal(self.tied, self.right):
            order = np.argsort(self.above)
            place = int(np.searchsorted(np.cumsum(w[order]), half))
            return int(self.above[order[place]]) + 1
        low, high = 1, int((self.above + self.tied).max())
        while low < high:
            middle = (low + high) // 2
            if float(np.dot(w, self.within(middle))) >= half:
                high = middle
            else:
                low = middle + 1
        return low


@dataclass(frozen=True, slots=True)
class ProbeRanks:
    """How the gallery was ranked for every probe: what figures of retrieval are computed from."""

    first: FirstRanks
    precision: Floats
    """(probes,) average precision over the whole gallery."""

    @classmethod
    def by_chance(cls, right: ArrayLike, gallery: ArrayLike) -> ProbeRanks:
        """The expectation over random orders of ``gallery`` items with ``right`` relevant ones.

        >>> round(float(ProbeRanks.by_chance(1, 2).precision), 3)
        0.75
        """
        r, g = np.asarray(right, dtype=np.float64), np.asarray(gallery, dtype=np.intp)
        harmonic = np.concatenate(([0.0], np.cumsum(1.0 / np.arange(1, int(g.max(initial=0)) + 1))))
        share = (r - 1.0) / np.maximum(g - 1.0, 1.0)
        return cls(FirstRanks.by_chance(right, gallery), share + (harmonic[g] / g) * (1.0 - share))


def _log_factorials(n: int) -> Floats:
    logs: Floats = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))
    return logs


def rank_probes(similarity: NDArray[np.floating], right: list[Ints]) -> ProbeRanks:
    """Average precision and first rank of every row of scores, ties in random order.

    Args:
        similarity: (probes, gallery) scores, higher meaning closer, finite.
        right: For each row the gallery's indices of its relevant items, at least one.

    Returns:
        The ranks of all rows. Ties as in McSherry & Najork 2008, exact.
    """
    n, gallery = similarity.shape
    ranked = np.sort(similarity, axis=1)
    harmonic = np.concatenate(([0.0], np.cumsum(1.0 / np.arange(1, gallery + 1))))
    precision = np.empty(n)
    first = np.empty((3, n), dtype=np.intp)
    for i in range(n):
        wanted = np.sort(similarity[i, right[i]])
        high = np.searchsorted(ranked[i], wanted, side="right")
        above = gallery - high  # strictly better items, right or wrong
        tied = high - np.searchsorted(ranked[i], wanted, side="left")
        top = np.searchsorted(wanted, wanted, side="right")
        better = len(wanted) - top  # right items strictly better
        level = top - np.searchsorted(wanted, wanted, side="left")  # right items in the tie
        slope = (level - 1.0) / np.maximum(tied - 1.0, 1.0)
        mean = (better + 1.0 - slope * (above + 1.0)) * (harmonic[above + tied] - harmonic[above])
        precision[i] = np.mean(mean / tied + slope)
        first[:, i] = above[-1], tied[-1], level[-1]
    return ProbeRanks(FirstRanks(first[0], first[1], first[2]), precision)


def tie_credit(scores: ArrayLike) -> Floats:
    """What each row of a 1:N trial earns, (trials,): 1 if column 0 wins alone, 1/k if k tie for the best.

    Args:
        scores: (trials, N), the right answer in column 0 (its place decides nothing).
    """
    s = np.asarray(scores)
    best = s.max(axis=1, keepdims=True)
    share: Floats = np.where(s[:, 0] == best[:, 0], 1.0 / (s == best).sum(axis=1), 0.0)
    return share


def subset_sums(values: Floats, size: int) -> Floats:
    """Elementary symmetric polynomials of degree 0 … ``size`` of each row of ``values``, (size + 1, rows)."""
    sums = np.zeros((size + 1, values.shape[0]))
    sums[0] = 1.0
    for column in values.T:
        sums[1:] += column * sums[:-1]
    return sums


def subset_sums_without_each(sums: Floats, values: Floats) -> Floats:
    """`subset_sums` with each column taken out again in turn, (size + 1, rows, columns)."""
    out = np.empty((len(sums), *values.shape))
    out[0] = 1.0
    for size in range(1, len(sums)):
        out[size] = sums[size][:, None] - values * out[size - 1]
    return out


@dataclass(frozen=True, slots=True)
class GalleryWins:
    """Sums over every choice of other people, with what their derivative needs."""

    sums: Floats
    """(sizes, rows) won galleries of each size."""
    nodes: list[tuple[float, float, Floats]]
    """Quadrature weight, ``u`` and `subset_sums` of ``below + u * tied`` at it."""


def expected_wins(below: Floats, tied: Floats, sizes: tuple[int, ...]) -> GalleryWins:
    """Won galleries of N people, summed over every choice of N - 1 other people, ties earning 1/k.

    Where ``j`` of the chosen others tie, the right one earns 1/(j + 1), which is the integral of u^j over
    [0, 1]; so the sum over all choices is the integral of the elementary symmetric polynomial of
    ``below + u * tied``, of degree N - 1 in u, and Gauss-Legendre nodes give it exactly.

    Args:
        below: (rows, people) share of each other person's items that score lower than the right one.
        tied: (rows, people) share that score the same. People who may not be chosen have 0 in both.
        sizes: Gallery sizes N, each at least 2.
    """
    top = max(sizes)
    if tied.any():
        x, w = np.polynomial.legendre.leggauss(ceil(top / 2))
        places = [(wi / 2.0, (xi + 1.0) / 2.0) for xi, wi in zip(x.tolist(), w.tolist(), strict=True)]
    else:
        places = [(1.0, 0.0)]
    nodes = [(weight, u, subset_sums(below + u * tied, top - 1)) for weight, u in places]
    total = np.zeros_like(nodes[0][2])
    for weight, _, sums in nodes:
        total += weight * sums
    return GalleryWins(total[[n - 1 for n in sizes]], nodes)


def _one_in(n: int) -> float:
    return 1.0 / n


MATCHING = Figure(
    name="1:{n}",
    of="galleries",
    function=expected_wins,
    chance=_one_in,
    convention="mean over every gallery of N different people (one item each), ties earn 1/k",
    headline="1:2",
)
FIXED_MATCHING = Figure(
    name="1:{n}",
    of="fixed galleries",
    function=tie_credit,
    chance=_one_in,
    convention="mean over the listed galleries, ties earn 1/k",
)


_RANKS = "whole gallery, ties in random order, people sampled as probes"
RECALL = Figure(
    name="R@{k}",
    of="ranks",
    function=lambda ranks, k: ranks.first.within(k),
    convention=_RANKS,
    headline="R@10",
    order=1,
)
MEAN_AVERAGE_PRECISION = Figure(
    name="mAP", of="ranks", function=lambda ranks: ranks.precision, convention=_RANKS, order=2
)
MEAN_RANK = Figure(
    name="mean rank", of="ranks", function=lambda ranks: ranks.first.mean(), convention=_RANKS, order=3
)
MEDIAN_RANK = Figure(
    name="median rank",
    of="ranks",
    function=lambda ranks, weights: ranks.first.median(weights),
    convention=_RANKS,
    pooled=True,
    order=4,
)
