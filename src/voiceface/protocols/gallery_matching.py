"""Matching: which of N people's faces goes with this voice, and which of N voices with this face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.bootstrap import interval, linear_resamples, resample_counts
from voiceface.metrics.ranking import GalleryWins, expected_wins, subset_sums, subset_sums_without_each
from voiceface.metrics.roc import Floats
from voiceface.protocols.comparison_groups import Cell, Sides, blocks, cells, resampling_groups
from voiceface.protocols.estimate import Estimate, table

__all__ = ["DIRECTIONS", "MatchingReport", "gallery_sizes", "matching"]

Ints = NDArray[np.intp]
Pair = tuple[ArrayLike, ArrayLike]

DIRECTIONS = ("voice->face", "face->voice")
_CONVENTION = "mean over every gallery of N different people (one item each), ties earn 1/k"
_MAX_COMPARISONS = 3e9
"""Comparisons a cell may cost before a probe's right items are drawn instead of all taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingReport:
    """What `matching` found: a row of 1:N accuracies for each direction and stratum."""

    rows: dict[str, list[Estimate]]
    excluded: dict[str, int] = field(default_factory=dict)
    """Probes that did not enter, and why."""
    notes: tuple[str, ...] = ()

    def accuracy(self, n: int = 2, *, direction: str = "voice->face", stratum: str = "all") -> Estimate:
        """The accuracy of 1:``n`` in one direction and stratum."""
        row = self.rows[direction if stratum == "all" else f"{direction}, {stratum}"]
        return next(e for e in row if e.name == f"1:{n}")

    def by_size(self, row: str = "voice->face") -> dict[int, Estimate]:
        """Accuracy by N of one of the ``rows``; sizes that no gallery has are left out."""
        return {int(e.name[2:]): e for e in self.rows[row] if e.value == e.value}

    def __str__(self) -> str:
        """As it is printed."""
        lines = [table(list(self.rows.items()))]
        lines += [f"left out: {name}: {count:,}" for name, count in self.excluded.items()]
        return "\n".join([*lines, *self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rows": {name: [e.to_dict() for e in row] for name, row in self.rows.items()},
            "excluded": dict(self.excluded),
            "notes": list(self.notes),
        }


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
    is drawn and galleries of different N are comparable. A probe with several right items is the mean over
    them, every probe counts the same, and every group counts the same.

    Args:
        similarity: (voices, faces) scores, higher meaning the same person, or a pair of embeddings
            ((voices, d), (faces, d)), compared by cosine.
        people: Person of each voice and of each face.
        n: Gallery sizes.
        strata: For each name an attribute of each voice and each face: the others in the gallery share the
            probe's. Blank means unknown; such probes are left out and counted.
        groups: Group (fold) of each voice and each face: galleries are drawn within it, and the accuracy is
            the mean over groups.
        resamples: Resamples over people for the 95 % intervals; 0 for none.
        seed: Seed of the resamples (and of drawn right items, where there are too many).

    Raises:
        InputError: shapes or people do not fit, a value is not finite, or no gallery of any size exists.

    >>> report = matching([[0.9, 0.1], [0.2, 0.7]], people=(["a", "b"], ["a", "b"]), n=(2,), resamples=0)
    >>> print(report.accuracy(2))
    1:2 1.000 chance 0.500 (n 2, people 2)
    """
    sizes = gallery_sizes(n)
    sides = Sides.of(similarity, people)
    counts = (
        resample_counts(resampling_groups(sides, groups), sides.people, resamples, seed)
        if resamples
        else None
    )
    rows: dict[str, list[Estimate]] = {}
    excluded: dict[str, int] = {}
    notes: list[str] = []
    for direction in DIRECTIONS:
        for stratum, values in {"all": None, **(strata or {})}.items():
            name = direction if stratum == "all" else f"{direction}, {stratum}"
            parts, lost = cells(sides, groups, values, stratum)
            if lost:
                excluded[f"{name}: attribute unknown or nobody to meet"] = lost
            work = _MatchingAccuracy(sides, parts, sizes, seed)
            excluded |= {f"{name}: {reason}": count for reason, count in work.lost.items()}
            rows[name] = work.estimates(counts)
            if work.most and work.drawn:
                notes.append(f"{name}: {work.most} right items a probe drawn (seed {seed}), not all taken")
        sides = sides.turned()
        groups = None if groups is None else groups[::-1]
        strata = {k: v[::-1] for k, v in (strata or {}).items()}
    return MatchingReport(rows=rows, excluded=excluded, notes=tuple(notes))


def gallery_sizes(n: Sequence[int]) -> tuple[int, ...]:
    """Gallery sizes, each at least 2."""
    sizes = tuple(int(x) for x in n)
    if not sizes or min(sizes) < 2:
        raise InputError("n", f"is {list(n)}", "give gallery sizes of at least 2")
    return sizes


class _MatchingAccuracy:
    """One direction and stratum: accuracy of every probe, and how it hangs on every person's weight."""

    def __init__(self, sides: Sides, parts: list[Cell], sizes: tuple[int, ...], seed: int) -> None:
        self.sides, self.sizes = sides, sizes
        self.rng = np.random.default_rng(seed)
        self.lost: dict[str, int] = {}
        self.drawn = False
        kept = [self._eligible(cell) for cell in parts]
        self.parts = [(cell, others) for cell, others in kept if len(cell.probes)]
        if not self.parts:
            raise InputError(
                "matching", "no probe has an item of its own person in its gallery", "check people"
            )
        self.most = self._positives_per_probe()
        self.groups = np.array([cell.group for cell, _ in self.parts])
        self.probes = self._probes_per_group()
        if not self.probes.any():
            most = max(others for _, others in self.parts) + 1
            raise InputError(
                f"n = {min(sizes)}", f"no gallery has more than {most} people", "ask for smaller N"
            )

    def _eligible(self, cell: Cell) -> tuple[Cell, int]:
        """The cell without probes that have no right answer in it, and how many other people it holds."""
        right = self.sides.right[cell.gallery]
        has = np.isin(self.sides.left[cell.probes], right)
        if not has.all():
            reason = "no item of the probe's person in the gallery"
            self.lost[reason] = self.lost.get(reason, 0) + int((~has).sum())
        others = len(np.unique(right)) - 1
        for size in self.sizes:
            if others < size - 1:
                reason = f"fewer than {size} people to choose from (1:{size})"
                self.lost[reason] = self.lost.get(reason, 0) + int(has.sum())
        return Cell(cell.group, cell.probes[has], cell.gallery), others

    def _positives_per_probe(self) -> int:
        """How many right items of a probe are taken at most; 0 for all of them."""
        cost = per_item = 0.0
        for cell, others in self.parts:
            right = self.sides.right[cell.gallery]
            per_row = len(right) + (others + 1.0) * max(self.sizes) * 2
            mine = np.bincount(right, minlength=self.sides.people)[self.sides.left[cell.probes]]
            cost += per_row * float(mine.sum())
            per_item += per_row * len(cell.probes)
        return 0 if cost <= _MAX_COMPARISONS else max(1, int(_MAX_COMPARISONS / per_item))

    def _probes_per_group(self) -> NDArray[np.int64]:
        """Eligible probes of each group and size, (groups, sizes)."""
        names = np.unique(self.groups)
        out = np.zeros((len(names), len(self.sizes)), dtype=np.int64)
        for (cell, others), g in zip(self.parts, np.searchsorted(names, self.groups), strict=True):
            out[g] += [len(cell.probes) if others >= size - 1 else 0 for size in self.sizes]
        return out

    def estimates(self, counts: NDArray[np.uint16] | None) -> list[Estimate]:
        """One estimate for each size."""
        names = np.unique(self.groups)
        live = self.probes > 0
        value = np.zeros(len(self.sizes))
        influence = np.zeros((self.sides.people, len(self.sizes)))
        for g, name in enumerate(names):
            group = np.zeros(len(self.sizes))
            by_probe = np.zeros_like(influence)
            weight = np.zeros(self.sides.people)[:, None] + np.zeros(len(self.sizes))
            share = np.divide(1.0, self.probes[g], out=np.zeros(len(self.sizes)), where=live[g])
            moved = np.zeros_like(influence)
            for (cell, others), mine in zip(self.parts, self.groups, strict=True):
                if mine == name:
                    usable = np.array([others >= size - 1 for size in self.sizes])
                    self._cell(cell, others, share * usable, by_probe, weight, moved)
            group += by_probe.sum(axis=0)
            part = np.where(live[g], 1.0 / np.maximum(live.sum(axis=0), 1), 0.0)
            value += part * group
            influence += part * (by_probe - weight * group + moved)
        value[~live.any(axis=0)] = np.nan  # no gallery of that size: said under what was left out
        low = high = np.full(len(self.sizes), np.nan)
        if counts is not None:
            low, high = np.clip(interval(linear_resamples(value, influence, counts)), 0.0, 1.0)
        people = len(np.unique(np.concatenate([self.sides.left[cell.probes] for cell, _ in self.parts])))
        return [
            Estimate(
                name=f"1:{size}",
                value=float(value[i]),
                low=float(low[i]),
                high=float(high[i]),
                chance=1.0 / size,
                convention=_CONVENTION,
                n=int(self.probes[:, i].sum()),
                people=people,
                groups=int(live[:, i].sum()),
                resamples=0 if counts is None else len(counts),
            )
            for i, size in enumerate(self.sizes)
        ]

    def _cell(
        self, cell: Cell, others: int, share: Floats, by_probe: Floats, weight: Floats, moved: Floats
    ) -> None:
        """Add a cell: its accuracy, each person's weight as a probe, and influence as one of the others.

        Args:
            cell: Probes and gallery.
            others: People of the gallery beside the probe's own.
            share: (sizes,) weight of one probe; 0 where the cell is too small for that size.
            by_probe: (people, sizes) weighted accuracy of each person's probes, added to.
            weight: (people, sizes) weight of each person's probes, added to.
            moved: (people, sizes) first-order effect of each person's weight as one of the others, added to.
        """
        order = np.argsort(self.sides.right[cell.gallery], kind="stable")
        gallery = cell.gallery[order]
        people, starts, sizes = np.unique(self.sides.right[gallery], return_index=True, return_counts=True)
        ways = subset_sums(np.ones((1, others)), max(self.sizes) - 1)[:, 0]
        ways_n = np.array([ways[size - 1] for size in self.sizes])
        safe = np.where(ways_n > 0, ways_n, 1.0)
        for block in blocks(len(cell.probes), len(gallery)):
            probes = cell.probes[block]
            scores = self.sides.scores(probes, gallery)
            own = np.searchsorted(people, self.sides.left[probes])
            rows, columns, part = self._right_items(own, starts, sizes)
            for piece in blocks(len(rows), len(gallery) + len(people) * max(self.sizes), 2_000_000):
                i = rows[piece]
                mine = own[i]
                below, tied = _shares(scores[i], columns[piece], starts, sizes, mine)
                won = expected_wins(below, tied, self.sizes)
                alpha = part[piece][:, None] * share
                accuracy = (won.sums / safe[:, None]).T
                np.add.at(by_probe, people[mine], alpha * accuracy)
                np.add.at(weight, people[mine], alpha)
                moved[people] += self._distractor_influence(below, tied, won, alpha / safe, mine)
                moved[people] -= _expected_contribution(
                    alpha * accuracy, mine, len(people), others, self.sizes
                )

    def _right_items(self, own: Ints, starts: Ints, sizes: Ints) -> tuple[Ints, Ints, Floats]:
        """(probe, right item) pairs as row and column of the block, and each pair's share of its probe."""
        rows, columns, part = [], [], []
        for i, person in enumerate(own):
            items = np.arange(starts[person], starts[person] + sizes[person])
            if self.most and len(items) > self.most:
                items = self.rng.choice(items, self.most, replace=False)
                self.drawn = True
            rows.append(np.full(len(items), i))
            columns.append(items)
            part.append(np.full(len(items), 1.0 / len(items)))
        return np.concatenate(rows), np.concatenate(columns), np.concatenate(part)

    def _distractor_influence(
        self, below: Floats, tied: Floats, won: GalleryWins, alpha: Floats, mine: Ints
    ) -> Floats:
        """Won galleries that hold each person as one of the others, weighted and summed over rows."""
        out = np.zeros((below.shape[1], len(self.sizes)))
        for node, u, sums in won.nodes:
            each = below + u * tied
            rest = subset_sums_without_each(sums, each)
            for k, size in enumerate(self.sizes):
                out[:, k] += node * (alpha[:, k] @ (each * rest[size - 2]))
        return out


def _shares(
    scores: NDArray[np.floating], columns: Ints, starts: Ints, sizes: Ints, own: Ints
) -> tuple[Floats, Floats]:
    """Share of each person's items below and level with each row's right item, (rows, people); own: 0."""
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
    """What each person would bring as one of the others if all brought the same, (people, sizes)."""
    own = np.zeros((people, len(sizes)))
    np.add.at(own, mine, weighted)
    chosen = np.array([(size - 1) / max(others, 1) for size in sizes])
    spread: Floats = chosen * (weighted.sum(axis=0) - own)
    return spread
