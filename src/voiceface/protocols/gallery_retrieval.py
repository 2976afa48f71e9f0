"""Retrieval: the whole gallery ranked for every probe, from voices to faces and from faces to voices."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.bootstrap import interval
from voiceface.metrics.figure import Figure, figures
from voiceface.metrics.ranking import FirstRanks, ProbeRanks, rank_probes
from voiceface.metrics.roc import Floats
from voiceface.protocols.comparison_groups import (
    ComparisonGroup,
    DirectedReport,
    ProbesAndGallery,
    blocks,
    comparisons,
)
from voiceface.protocols.curves import CmcCurve
from voiceface.protocols.estimate import Column, Estimate, estimate_row

Ints = NDArray[np.intp]
Pair = tuple[ArrayLike, ArrayLike]

_DENSE_RANKS = 100
"""The cumulative match curve holds every rank up to this one."""


@dataclass(frozen=True, kw_only=True)
class RetrievalReport(DirectedReport):
    """What `retrieval` found: for each direction and stratum R@K, mAP, median and mean first rank."""

    title = "Retrieval"
    question = "Where does the first right item stand when the whole gallery is ranked for every probe?"

    gallery: dict[str, int]
    """Largest gallery of each row: figures over different galleries never share a column."""
    cmc: dict[str, CmcCurve] = field(default_factory=dict)
    """Of each row: recall at every rank up to 100 (or the gallery), and at some ranks beyond."""

    def row_title(self, row: str) -> str:
        """With the size of the gallery."""
        return f"{row} (gallery {self.gallery[row]:,})"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = super().to_dict()
        return {
            "rows": plain.pop("rows"),
            "gallery": dict(self.gallery),
            **plain,
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
    rows: dict[str, list[Estimate]] = {}
    gallery: dict[str, int] = {}
    excluded: dict[str, int] = {}
    cmc: dict[str, CmcCurve] = {}
    for one in comparisons(similarity, people, strata=strata, groups=groups, resamples=resamples, seed=seed):
        if one.left_out:
            excluded[f"{one.name}: attribute unknown or nobody to meet"] = one.left_out
        ranked = _RankedProbes.of(one.sides, one.groups)
        if ranked.left_out:
            excluded[f"{one.name}: no item of the probe's person in the gallery"] = ranked.left_out
        rows[one.name] = _row(ranked, wanted, one.counts)
        gallery[one.name] = int(ranked.gallery.max())
        cmc[one.name] = _cmc_curve(ranked, one.counts)
    return RetrievalReport(rows=rows, gallery=gallery, excluded=excluded, cmc=cmc)


@dataclass(frozen=True, slots=True)
class _RankedProbes:
    """Every ranked probe of one direction and stratum."""

    person: Ints
    weight: Floats
    """1 over the probes of its group, over groups: all groups count the same."""
    ranks: ProbeRanks
    relevant: Ints
    """Relevant items in the probe's gallery."""
    gallery: Ints
    """Size of the probe's gallery."""
    groups: int
    left_out: int

    @classmethod
    def of(cls, sides: ProbesAndGallery, groups: list[ComparisonGroup]) -> _RankedProbes:
        left_out = 0
        kept: list[ComparisonGroup] = []
        for one in groups:
            has = np.isin(sides.left[one.probes], sides.right[one.gallery])
            left_out += int((~has).sum())
            if has.any():
                kept.append(ComparisonGroup(one.group, one.probes[has], one.gallery))
        if not kept:
            raise InputError(
                "retrieval", "no probe has an item of its own person in its gallery", "check people"
            )
        found = [_rank_group(sides, one) for one in kept]
        group = np.concatenate([np.full(len(one.probes), one.group) for one in kept])
        names, where, sizes = np.unique(group, return_inverse=True, return_counts=True)
        return cls(
            person=sides.left[np.concatenate([one.probes for one in kept])],
            weight=1.0 / (sizes[where] * len(names)),
            ranks=_concatenate_ranks([ranks for ranks, _ in found]),
            relevant=np.concatenate([relevant for _, relevant in found]),
            gallery=np.concatenate([np.full(len(c.probes), len(c.gallery), dtype=np.intp) for c in kept]),
            groups=len(names),
            left_out=left_out,
        )


def _concatenate_ranks(parts: Sequence[ProbeRanks]) -> ProbeRanks:
    first = (np.concatenate([getattr(p.first, name) for p in parts]) for name in ("above", "tied", "right"))
    return ProbeRanks(FirstRanks(*first), np.concatenate([p.precision for p in parts]))


def _rank_group(sides: ProbesAndGallery, one: ComparisonGroup) -> tuple[ProbeRanks, Ints]:
    """Ranks and number of relevant items of every probe of a group."""
    order = np.argsort(sides.right[one.gallery], kind="stable")
    owners = sides.right[one.gallery][order]
    starts, stops = (np.searchsorted(owners, sides.left[one.probes], side=s) for s in ("left", "right"))

    def rank(block: slice) -> ProbeRanks:
        relevant = [order[a:b] for a, b in zip(starts[block], stops[block], strict=True)]
        return rank_probes(sides.scores(one.probes[block], one.gallery), relevant)

    pieces = list(blocks(len(one.probes), len(one.gallery)))
    with ThreadPoolExecutor(max_workers=min(len(pieces), 4, os.cpu_count() or 1)) as pool:
        done = list(pool.map(rank, pieces))  # NumPy sorts and multiplies outside the interpreter's lock
    return _concatenate_ranks(done), stops - starts


def _row(ranked: _RankedProbes, ks: tuple[int, ...], counts: NDArray[np.uint16] | None) -> list[Estimate]:
    """Every figure of ranks, those of a value a probe first; chance is the same of a random order."""
    declared: list[tuple[str, Figure, Any]] = []
    for figure in figures("ranks"):
        if "{k}" in figure.name:
            declared += [(figure.named(k=k), figure, partial(figure.function, k=k)) for k in ks]
        else:
            declared.append((figure.name, figure, figure.function))
    declared.sort(key=lambda one: one[1].pooled)
    by_chance = ProbeRanks.by_chance(ranked.relevant, ranked.gallery)
    columns, values = [], []
    for name, figure, function in declared:
        if figure.pooled:
            value, chance = (float(function(one, ranked.weight)) for one in (ranked.ranks, by_chance))
        else:
            value, chance = (float(np.dot(ranked.weight, function(one))) for one in (ranked.ranks, by_chance))
        columns.append(Column(name, chance, figure.convention))
        values.append(value)
    ends = None
    if counts is not None:
        means = [function(ranked.ranks) for _, figure, function in declared if not figure.pooled]
        pooled = [function for _, figure, function in declared if figure.pooled]
        ends = interval(_resampled(ranked, means, pooled, counts))
    facts = {"n": len(ranked.person), "people": len(np.unique(ranked.person)), "groups": ranked.groups}
    return estimate_row(columns, values, ends, **facts, resamples=0 if counts is None else len(counts))


def _cmc_curve(ranked: _RankedProbes, counts: NDArray[np.uint16] | None) -> CmcCurve:
    """Recall at every rank to `_DENSE_RANKS`, then at ranks that grow by a tenth, to the whole gallery."""
    last = int(ranked.gallery.max())
    beyond = _DENSE_RANKS * 1.1 ** np.arange(1, 200)
    ranks = [*range(1, min(last, _DENSE_RANKS) + 1), *sorted({int(r) for r in beyond if r < last})]
    ranks += [last] if last > _DENSE_RANKS else []
    people = int(ranked.person.max()) + 1 if counts is None else counts.shape[1]
    chance_of, weight = _by_chance(ranked)
    value, chance, sums = [], [], []
    for k in ranks:
        weighted = ranked.weight * ranked.ranks.first.within(k)
        value.append(float(weighted.sum()))
        chance.append(float(np.dot(weight, chance_of.within(k))))
        sums.append(np.bincount(ranked.person, weighted, people))
    low = high = np.full(len(ranks), np.nan)
    if counts is not None:
        weights = counts.astype(np.float64)
        totals = weights @ np.bincount(ranked.person, ranked.weight, people)
        low, high = interval((weights @ np.stack(sums, axis=1)) / totals[:, None])
    return CmcCurve(
        ranks=tuple(ranks),
        recall=tuple(np.clip(value, 0.0, 1.0).tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        chance=tuple(np.clip(chance, 0.0, 1.0).tolist()),
    )


def _by_chance(ranked: _RankedProbes) -> tuple[FirstRanks, Floats]:
    """Ranks by chance of each kind of probe (relevant items, gallery), and the kind's weight."""
    kinds, where = np.unique(np.stack([ranked.relevant, ranked.gallery], axis=1), axis=0, return_inverse=True)
    weight: Floats = np.bincount(where.ravel(), ranked.weight, len(kinds)).astype(np.float64)
    return FirstRanks.by_chance(kinds[:, 0], kinds[:, 1]), weight


def _resampled(
    ranked: _RankedProbes, means: list[Floats], pooled: list[Any], counts: NDArray[np.uint16]
) -> Floats:
    """Means by weighted sums over people, pooled figures by weighted probes, (resamples, figures)."""
    people = counts.shape[1]
    sums = np.stack(
        [np.bincount(ranked.person, ranked.weight * x, people) for x in [*means, np.ones(1)]], axis=1
    )
    weights = counts.astype(np.float64)
    totals = weights @ sums
    found = [totals[:, :-1] / totals[:, -1:]]
    for function in pooled:
        values = [function(ranked.ranks, row[ranked.person] * ranked.weight) for row in weights]
        found.append(np.array(values, dtype=np.float64)[:, None])
    return np.concatenate(found, axis=1)


PROTOCOL = retrieval
