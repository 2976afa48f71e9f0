"""Matching: which of N people's faces goes with this voice, and which of N voices with this face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.bootstrap import interval, linear_resamples
from voiceface.metrics.ranking import (
    MATCHING,
    GalleryWins,
    expected_wins,
    subset_sums,
    subset_sums_without_each,
)
from voiceface.metrics.roc import Floats
from voiceface.protocols.comparison_groups import (
    DIRECTIONS,
    ComparisonGroup,
    DirectedReport,
    ProbesAndGallery,
    blocks,
    comparisons,
)
from voiceface.protocols.estimate import Estimate

Ints = NDArray[np.intp]
Pair = tuple[ArrayLike, ArrayLike]

_MAX_COMPARISONS = 3e9
"""Comparisons a group may cost before a probe's relevant items are sampled instead of all taken."""


@dataclass(frozen=True, kw_only=True)
class MatchingReport(DirectedReport):
    """What `matching` found: a row of 1:N accuracies for each direction and stratum."""

    title = "Matching"
    question = (
        "Which of N people's items goes with the probe? Every gallery of N different people counts alike."
    )

    def accuracy(self, n: int = 2, *, direction: str = DIRECTIONS[0], stratum: str = "all") -> Estimate:
        """The accuracy of 1:``n`` in one direction and stratum."""
        return self.figure(MATCHING.named(n=n), direction=direction, stratum=stratum)

    def by_size(self, row: str = DIRECTIONS[0]) -> dict[int, Estimate]:
        """Accuracy by N of one of the ``rows``; sizes that no gallery has are left out."""
        return {int(e.name[2:]): e for e in self.rows[row] if e.value == e.value}


def matching(
    similarity: ArrayLike | tuple[ArrayLike, ArrayLike],
    *,
    people: Pair,
    n: Sequence[int] = (2, 3, 4, 5, 6, 7, 8, 9, 10),
    strata: Mapping[str, Pair] | None = None,
    groups: Pair | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> MatchingReport:
    """Accuracy of 1:N matching in both directions, expected exactly over every possible gallery.

    A gallery holds the probe's person and N - 1 others, one item each; all of them count alike, so nothing
    is sampled and galleries of different N are comparable. A probe with several relevant items is the mean
    over them, every probe counts the same, and every group counts the same.

    Args:
        similarity: (voices, faces) scores, higher meaning the same person, or a pair of embeddings
            ((voices, d), (faces, d)), compared by cosine.
        people: Person of each voice and of each face.
        n: Gallery sizes.
        strata: For each name an attribute of each voice and each face: the others in the gallery share the
            probe's. Blank means unknown; such probes are left out and counted.
        groups: Group (fold) of each voice and each face: galleries are sampled within it, and the accuracy is
            the mean over groups.
        resamples: Resamples over people for the 95 % intervals; 0 for none.
        seed: Seed of the resamples (and of the relevant items sampled, where there are too many).

    Raises:
        InputError: shapes or people do not fit, a value is not finite, or no gallery of any size exists.

    >>> report = matching([[0.9, 0.1], [0.2, 0.7]], people=(["a", "b"], ["a", "b"]), n=(2,), resamples=0)
    >>> print(report.accuracy(2))
    1:2 1.000 chance 0.500 (n 2, people 2)
    """
    sizes = gallery_sizes(n)
    rows: dict[str, list[Estimate]] = {}
    excluded: dict[str, int] = {}
    notes: list[str] = []
    for one in comparisons(similarity, people, strata=strata, groups=groups, resamples=resamples, seed=seed):
        if one.left_out:
            excluded[f"{one.name}: attribute unknown or nobody to meet"] = one.left_out
        found = _MatchingAccuracy(one.sides, one.groups, sizes, seed)
        excluded |= {f"{one.name}: {reason}": count for reason, count in found.left_out.items()}
        rows[one.name] = found.estimates(one.counts)
        if found.sampled:
            notes.append(f"{one.name}: {found.most} right items a probe sampled (seed {seed}), not all taken")
    return MatchingReport(rows=rows, excluded=excluded, notes=tuple(notes))


def gallery_sizes(n: Sequence[int]) -> tuple[int, ...]:
    """Gallery sizes, each at least 2."""
    sizes = tuple(int(x) for x in n)
    if not sizes or min(sizes) < 2:
        raise InputError("n", f"is {list(n)}", "give gallery sizes of at least 2")
    return sizes


class _MatchingAccuracy:
    """One direction and stratum: accuracy of every probe, and how it depends on every person's weight."""

    def __init__(
        self, sides: ProbesAndGallery, groups: list[ComparisonGroup], sizes: tuple[int, ...], seed: int
    ) -> None:
        self.sides, self.sizes = sides, sizes
        self.rng = np.random.default_rng(seed)
        self.left_out: dict[str, int] = {}
        self.sampled = False
        kept = [self._eligible(one) for one in groups]
        self.parts = [(one, others) for one, others in kept if len(one.probes)]
        if not self.parts:
            raise InputError(
                "matching", "no probe has an item of its own person in its gallery", "check people"
            )
        self.most = self._positives_per_probe()
        self.groups = np.array([one.group for one, _ in self.parts])
        self.probes = self._probes_per_group()
        if not self.probes.any():
            most = max(others for _, others in self.parts) + 1
            raise InputError(
                f"n = {min(sizes)}", f"no gallery has more than {most} people", "ask for smaller N"
            )

    def _eligible(self, one: ComparisonGroup) -> tuple[ComparisonGroup, int]:
        """The group without probes that have no relevant item in it, and how many other people it holds."""
        right = self.sides.right[one.gallery]
        has = np.isin(self.sides.left[one.probes], right)
        lost = {"no item of the probe's person in the gallery": int((~has).sum())}
        others = len(np.unique(right)) - 1
        for size in self.sizes:
            if others < size - 1:
                lost[f"fewer than {size} people to choose from (1:{size})"] = int(has.sum())
        for reason, count in lost.items():
            if count:
                self.left_out[reason] = self.left_out.get(reason, 0) + count
        return ComparisonGroup(one.group, one.probes[has], one.gallery), others

    def _positives_per_probe(self) -> int:
        """How many relevant items of a probe are taken at most; 0 for all of them."""
        cost = per_item = 0.0
        for one, others in self.parts:
            right = self.sides.right[one.gallery]
            per_row = len(right) + (others + 1.0) * max(self.sizes) * 2
            mine = np.bincount(right, minlength=self.sides.people)[self.sides.left[one.probes]]
            cost += per_row * float(mine.sum())
            per_item += per_row * len(one.probes)
        return 0 if cost <= _MAX_COMPARISONS else max(1, int(_MAX_COMPARISONS / per_item))

    def _probes_per_group(self) -> NDArray[np.int64]:
        """Eligible probes of each group and size, (groups, sizes)."""
        names = np.unique(self.groups)
        out = np.zeros((len(names), len(self.sizes)), dtype=np.int64)
        for (one, others), g in zip(self.parts, np.searchsorted(names, self.groups), strict=True):
            out[g] += [len(one.probes) if others >= size - 1 else 0 for size in self.sizes]
        return out

    def estimates(self, counts: NDArray[np.uint16] | None) -> list[Estimate]:
        """One estimate for each size."""
        names = np.unique(self.groups)
        live = self.probes > 0
        value = np.zeros(len(self.sizes))
        influence = np.zeros((self.sides.people, len(self.sizes)))
        for g, name in enumerate(names):
            # Of each person and size: accuracy and weight as a probe, influence as one of the others.
            by_probe, weight, as_other = np.zeros((3, *influence.shape))
            share = np.divide(1.0, self.probes[g], out=np.zeros(len(self.sizes)), where=live[g])
            for (one, others), mine in zip(self.parts, self.groups, strict=True):
                if mine == name:
                    usable = np.array([others >= size - 1 for size in self.sizes])
                    self._add_group(one, others, share * usable, (by_probe, weight, as_other))
            accuracy = by_probe.sum(axis=0)
            part = np.where(live[g], 1.0 / np.maximum(live.sum(axis=0), 1), 0.0)
            value += part * accuracy
            influence += part * (by_probe - weight * accuracy + as_other)
        value[~live.any(axis=0)] = np.nan  # no gallery of that size: said under what was left out
        low = high = np.full(len(self.sizes), np.nan)
        if counts is not None:
            low, high = np.clip(interval(linear_resamples(value, influence, counts)), 0.0, 1.0)
        people = len(np.unique(np.concatenate([self.sides.left[one.probes] for one, _ in self.parts])))
        return [
            Estimate(
                name=MATCHING.named(n=size),
                value=float(value[i]),
                low=float(low[i]),
                high=float(high[i]),
                chance=MATCHING.chance_of(n=size),
                convention=MATCHING.convention,
                n=int(self.probes[:, i].sum()),
                people=people,
                groups=int(live[:, i].sum()),
                resamples=0 if counts is None else len(counts),
            )
            for i, size in enumerate(self.sizes)
        ]

    def _add_group(
        self, one: ComparisonGroup, others: int, share: Floats, sums: tuple[Floats, Floats, Floats]
    ) -> None:
        """Add a group: its accuracy, each person's weight as a probe, and influence as one of the others.

        Args:
            one: Probes and gallery.
            others: People of the gallery beside the probe's own.
            share: (sizes,) weight of one probe; 0 where the group is too small for that size.
            sums: Three sums (people, sizes) that are added to: the weighted accuracy of each person's
                probes, the weight of these probes, and the first-order effect of each person's weight as
                one of the others.
        """
        by_probe, weight, as_other = sums
        order = np.argsort(self.sides.right[one.gallery], kind="stable")
        gallery = one.gallery[order]
        people, starts, sizes = np.unique(self.sides.right[gallery], return_index=True, return_counts=True)
        ways = subset_sums(np.ones((1, others)), max(self.sizes) - 1)[:, 0]
        ways_n = np.array([ways[size - 1] for size in self.sizes])
        safe = np.where(ways_n > 0, ways_n, 1.0)
        for block in blocks(len(one.probes), len(gallery)):
            probes = one.probes[block]
            scores = self.sides.scores(probes, gallery)
            own = np.searchsorted(people, self.sides.left[probes])
            rows, columns, part = self._relevant_items(own, starts, sizes)
            for piece in blocks(len(rows), len(gallery) + len(people) * max(self.sizes), 2_000_000):
                i = rows[piece]
                mine = own[i]
                below, tied = _shares_below_and_tied(scores[i], columns[piece], starts, sizes, mine)
                won = expected_wins(below, tied, self.sizes)
                alpha = part[piece][:, None] * share
                accuracy = (won.sums / safe[:, None]).T
                np.add.at(by_probe, people[mine], alpha * accuracy)
                np.add.at(weight, people[mine], alpha)
                as_other[people] += self._distractor_influence(below, tied, won, alpha / safe)
                as_other[people] -= _expected_contribution(
                    alpha * accuracy, mine, len(people), others, self.sizes
                )

    def _relevant_items(self, own: Ints, starts: Ints, sizes: Ints) -> tuple[Ints, Ints, Floats]:
        """(probe, relevant item) pairs as row and column of the block, and each pair's share of its probe."""
        rows, columns, part = [], [], []
        for i, person in enumerate(own):
            items = np.arange(starts[person], starts[person] + sizes[person])
            if self.most and len(items) > self.most:
                items = self.rng.choice(items, self.most, replace=False)
                self.sampled = True
            rows.append(np.full(len(items), i))
            columns.append(items)
            part.append(np.full(len(items), 1.0 / len(items)))
        return np.concatenate(rows), np.concatenate(columns), np.concatenate(part)

    def _distractor_influence(self, below: Floats, tied: Floats, won: GalleryWins, alpha: Floats) -> Floats:
        """Won galleries that hold each person as one of the others, weighted and summed over rows."""
        out = np.zeros((below.shape[1], len(self.sizes)))
        for node, u, sums in won.nodes:
            each = below + u * tied
            rest = subset_sums_without_each(sums, each)
            for k, size in enumerate(self.sizes):
                out[:, k] += node * (alpha[:, k] @ (each * rest[size - 2]))
        return out


def _shares_below_and_tied(
    scores: NDArray[np.floating], columns: Ints, starts: Ints, sizes: Ints, own: Ints
) -> tuple[Floats, Floats]:
    """Share of each person's items below and tied with each row's relevant item, (rows, people); own: 0."""
    rows = np.arange(len(scores))
    right = scores[rows, columns][:, None]
    found = []
    for hit in (scores < right, scores == right):
        if len(starts) == scores.shape[1]:
            share = hit.astype(np.float64)
        else:
            share = np.add.reduceat(hit, starts, axis=1, dtype=np.int32) / sizes
        share[rows, own] = 0.0
        found.append(share)
    return found[0], found[1]


def _expected_contribution(
    weighted: Floats, mine: Ints, people: int, others: int, sizes: tuple[int, ...]
) -> Floats:
    """What each person would contribute as one of the others if all contributed alike, (people, sizes)."""
    own = np.zeros((people, len(sizes)))
    np.add.at(own, mine, weighted)
    chosen = np.array([(size - 1) / max(others, 1) for size in sizes])
    spread: Floats = chosen * (weighted.sum(axis=0) - own)
    return spread


PROTOCOL = matching
