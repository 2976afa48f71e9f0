"""Retrieval: the whole gallery ranked for every probe, voices asking for faces and faces for voices."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.bootstrap import interval, resample_counts
from voiceface.metrics.ranking import FirstRanks, chance_average_precision, rank_probes
from voiceface.metrics.roc import Floats
from voiceface.protocols.comparison_groups import Cell, Sides, blocks, cells, resampling_groups
from voiceface.protocols.curves import CmcCurve
from voiceface.protocols.estimate import Estimate, table
from voiceface.protocols.gallery_matching import DIRECTIONS

__all__ = ["RetrievalReport", "retrieval"]

Ints = NDArray[np.intp]
Pair = tuple[ArrayLike, ArrayLike]

_EVERY = 100
"""The cumulative match curve holds every rank up to this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalReport:
    """What `retrieval` found: for each direction and stratum R@K, mAP, median and mean first rank."""

    rows: dict[str, list[Estimate]]
    gallery: dict[str, int]
    """Largest gallery of each row: figures over different galleries never share a column."""
    excluded: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    cmc: dict[str, CmcCurve] = field(default_factory=dict)
    """Of each row: recall at every rank up to 100 (or the gallery), and at some ranks beyond."""

    def figure(self, name: str, *, direction: str = "voice->face", stratum: str = "all") -> Estimate:
        """One figure (``"R@10"``, ``"mAP"``, ``"median rank"``, ``"mean rank"``) of one row."""
        row = self.rows[direction if stratum == "all" else f"{direction}, {stratum}"]
        return next(e for e in row if e.name == name)

    def __str__(self) -> str:
        """As it is printed."""
        lines = [table([(f"{k} (gallery {self.gallery[k]:,})", row) for k, row in self.rows.items()])]
        lines += [f"left out: {name}: {count:,}" for name, count in self.excluded.items()]
        return "\n".join([*lines, *self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rows": {name: [e.to_dict() for e in row] for name, row in self.rows.items()},
            "gallery": dict(self.gallery),
            "excluded": dict(self.excluded),
            "notes": list(self.notes),
            "cmc": {name: curve.to_dict() for name, curve in self.cmc.items()},
        }


def retrieval(
    similarity: ArrayLike | tuple[ArrayLike, ArrayLike],
    *,
    people: Pair,
    ks: Sequence[int] = (1, 5, 10, 50, 100),
    strata: Mapping[str, Pair] | None = None,
    groups: Pair | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> RetrievalReport:
    """Rank the gallery for every probe, in both directions, with exact chance beside every figure.

    R@K is the share of probes with an item of their person among the first K; mAP runs over the whole
    gallery; ranks are those of the first right item. Ties stand in random order, and what is reported is
    the exact expectation over it (for the median: over probes and orders together).

    Args:
        similarity: (voices, faces) scores, higher meaning the same person, or a pair of embeddings
            ((voices, d), (faces, d)), compared by cosine in blocks, so memory stays bounded.
        people: Person of each voice and of each face.
        ks: The K of R@K.
        strata: For each name an attribute of each voice and face: the gallery shares the probe's. Blank
            means unknown; such probes are left out and counted.
        groups: Group (fold) of each voice and face: galleries lie within it, every group counts the same.
        resamples: Resamples over the probes' people, the gallery staying as it is; 0 for none.
        seed: Seed of the resamples.

    Raises:
        InputError: shapes or people do not fit, or a value is not finite.

    >>> report = retrieval([[0.9, 0.1], [0.2, 0.7]], people=(["a", "b"], ["a", "b"]), ks=(1,), resamples=0)
    >>> print(report.figure("mAP"))
    mAP 1.000 chance 0.750 (n 2, people 2)
    """
    wanted = tuple(int(k) for k in ks)
    if any(k < 1 for k in wanted):
        raise InputError("ks", f"is {list(ks)}", "give ranks from 1")
    sides = Sides.of(similarity, people)
    counts = (
        resample_counts(resampling_groups(sides, groups), sides.people, resamples, seed)
        if resamples
        else None
    )
    rows: dict[str, list[Estimate]] = {}
    gallery: dict[str, int] = {}
    excluded: dict[str, int] = {}
    cmc: dict[str, CmcCurve] = {}
    for direction in DIRECTIONS:
        for stratum, values in {"all": None, **(strata or {})}.items():
            name = direction if stratum == "all" else f"{direction}, {stratum}"
            parts, lost = cells(sides, groups, values, stratum)
            if lost:
                excluded[f"{name}: attribute unknown or nobody to meet"] = lost
            ranked = _RankedProbes.of(sides, parts)
            if ranked.lost:
                excluded[f"{name}: no item of the probe's person in the gallery"] = ranked.lost
            rows[name] = _row(ranked, wanted, counts)
            gallery[name] = int(ranked.gallery.max())
            cmc[name] = _cmc_curve(ranked, counts)
        sides = sides.turned()
        groups = None if groups is None else groups[::-1]
        strata = {k: v[::-1] for k, v in (strata or {}).items()}
    return RetrievalReport(rows=rows, gallery=gallery, excluded=excluded, cmc=cmc)


@dataclass(frozen=True, slots=True)
class _RankedProbes:
    """Every ranked probe of one direction and stratum."""

    person: Ints
    weight: Floats
    """1 over the probes of its group, over groups: all groups count the same."""
    precision: Floats
    first: FirstRanks
    right: Ints
    """Right items in the probe's gallery."""
    gallery: Ints
    """Size of the probe's gallery."""
    groups: int
    lost: int

    @classmethod
    def of(cls, sides: Sides, parts: list[Cell]) -> _RankedProbes:
        lost = 0
        kept: list[Cell] = []
        for cell in parts:
            has = np.isin(sides.left[cell.probes], sides.right[cell.gallery])
            lost += int((~has).sum())
            if has.any():
                kept.append(Cell(cell.group, cell.probes[has], cell.gallery))
        if not kept:
            raise InputError(
                "retrieval", "no probe has an item of its own person in its gallery", "check people"
            )
        found = [_rank_group(sides, cell) for cell in kept]
        group = np.concatenate([np.full(len(cell.probes), cell.group) for cell in kept])
        names, where, sizes = np.unique(group, return_inverse=True, return_counts=True)
        return cls(
            person=sides.left[np.concatenate([cell.probes for cell in kept])],
            weight=1.0 / (sizes[where] * len(names)),
            precision=np.concatenate([precision for precision, _, _ in found]),
            first=_joined([first for _, first, _ in found]),
            right=np.concatenate([right for _, _, right in found]),
            gallery=np.concatenate([np.full(len(c.probes), len(c.gallery), dtype=np.intp) for c in kept]),
            groups=len(names),
            lost=lost,
        )


def _joined(parts: Sequence[FirstRanks]) -> FirstRanks:
    return FirstRanks(*(np.concatenate([getattr(p, k) for p in parts]) for k in ("above", "tied", "right")))


def _rank_group(sides: Sides, cell: Cell) -> tuple[Floats, FirstRanks, Ints]:
    """Average precision, first rank and number of right items of every probe of a cell."""
    order = np.argsort(sides.right[cell.gallery], kind="stable")
    owners = sides.right[cell.gallery][order]
    starts, stops = (np.searchsorted(owners, sides.left[cell.probes], side=s) for s in ("left", "right"))

    def rank(block: slice) -> tuple[Floats, FirstRanks]:
        right = [order[a:b] for a, b in zip(starts[block], stops[block], strict=True)]
        return rank_probes(sides.scores(cell.probes[block], cell.gallery), right)

    pieces = list(blocks(len(cell.probes), len(cell.gallery)))
    with ThreadPoolExecutor(max_workers=min(len(pieces), 4, os.cpu_count() or 1)) as pool:
        done = list(pool.map(rank, pieces))  # NumPy sorts and multiplies outside the interpreter's lock
    return np.concatenate([p for p, _ in done]), _joined([f for _, f in done]), stops - starts


def _row(ranked: _RankedProbes, ks: tuple[int, ...], counts: NDArray[np.uint16] | None) -> list[Estimate]:
    chance_ranks = FirstRanks.by_chance(ranked.right, ranked.gallery)
    names = [*(f"R@{k}" for k in ks), "mAP", "mean rank"]
    ours = [*(ranked.first.within(k) for k in ks), ranked.precision, ranked.first.mean()]
    by_chance = [
        *(chance_ranks.within(k) for k in ks),
        chance_average_precision(ranked.right, ranked.gallery),
        chance_ranks.mean(),
    ]
    values = [float(np.dot(ranked.weight, x)) for x in ours]
    chances = [float(np.dot(ranked.weight, x)) for x in by_chance]
    names.append("median rank")
    values.append(float(ranked.first.median(ranked.weight)))
    chances.append(float(chance_ranks.median(ranked.weight)))
    low = high = np.full(len(names), np.nan)
    if counts is not None:
        low, high = interval(_resampled(ranked, ours, counts))
    return [
        Estimate(
            name=name,
            value=values[i],
            low=float(low[i]),
            high=float(high[i]),
            chance=chances[i],
            convention="whole gallery, ties in random order, people drawn as probes",
            n=len(ranked.person),
            people=len(np.unique(ranked.person)),
            groups=ranked.groups,
            resamples=0 if counts is None else len(counts),
        )
        for i, name in enumerate(names)
    ]


def _cmc_curve(ranked: _RankedProbes, counts: NDArray[np.uint16] | None) -> CmcCurve:
    """Recall at every rank to `_EVERY`, then at ranks that grow by a tenth, to the whole gallery."""
    last = int(ranked.gallery.max())
    beyond = _EVERY * 1.1 ** np.arange(1, 200)
    ranks = [*range(1, min(last, _EVERY) + 1), *sorted({int(r) for r in beyond if r < last})]
    ranks += [last] if last > _EVERY else []
    people = int(ranked.person.max()) + 1 if counts is None else counts.shape[1]
    chance_of, weight = _by_chance(ranked)
    value, chance, sums = [], [], []
    for k in ranks:
        weighted = ranked.weight * ranked.first.within(k)
        value.append(float(weighted.sum()))
        chance.append(float(np.dot(weight, chance_of.within(k))))
        sums.append(np.bincount(ranked.person, weighted, people))
    low = high = np.full(len(ranks), np.nan)
    if counts is not None:
        drawn = counts.astype(np.float64)
        totals = drawn @ np.bincount(ranked.person, ranked.weight, people)
        low, high = interval((drawn @ np.stack(sums, axis=1)) / totals[:, None])
    return CmcCurve(
        ranks=tuple(ranks),
        recall=tuple(np.clip(value, 0.0, 1.0).tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        chance=tuple(np.clip(chance, 0.0, 1.0).tolist()),
    )


def _by_chance(ranked: _RankedProbes) -> tuple[FirstRanks, Floats]:
    """Ranks by chance of each kind of probe (right items, gallery), and the kind's weight."""
    kinds, where = np.unique(np.stack([ranked.right, ranked.gallery], axis=1), axis=0, return_inverse=True)
    weight: Floats = np.bincount(where.ravel(), ranked.weight, len(kinds)).astype(np.float64)
    return FirstRanks.by_chance(kinds[:, 0], kinds[:, 1]), weight


def _resampled(ranked: _RankedProbes, figures: list[Floats], counts: NDArray[np.uint16]) -> Floats:
    """Means by weighted sums over people, the median by weighted ranks, (resamples, figures + 1)."""
    people = counts.shape[1]
    sums = np.stack(
        [np.bincount(ranked.person, ranked.weight * x, people) for x in [*figures, np.ones(1)]], axis=1
    )
    drawn = counts.astype(np.float64)
    totals = drawn @ sums
    means = totals[:, :-1] / totals[:, -1:]
    medians = [ranked.first.median(row[ranked.person] * ranked.weight) for row in drawn]
    return np.column_stack([means, medians])
