"""Who may be compared with whom: probes and galleries within a group (fold) and a shared attribute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.bootstrap import resample_counts
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.input_checks import as_names, as_similarity, index_people
from voiceface.protocols.report import Report

Ints = NDArray[np.intp]
Pair = tuple[ArrayLike, ArrayLike]

DIRECTIONS = ("voice->face", "face->voice")


class ComparisonGroup(NamedTuple):
    """Probes and the gallery they are compared with: indices into either side's own list."""

    group: int
    probes: Ints
    gallery: Ints


class Comparison(NamedTuple):
    """One row of a report: a direction and a stratum."""

    name: str
    sides: ProbesAndGallery
    groups: list[ComparisonGroup]
    left_out: int
    """Probes without a gallery: of unknown attribute, or in a group of their own."""
    counts: NDArray[np.uint16] | None
    """(resamples, people) how often each person is sampled; None without resamples."""


@dataclass(frozen=True, kw_only=True)
class DirectedReport(Report):
    """Rows named by their direction, followed by a comma and the stratum where there is one."""

    def figure(
        self, name: str, row: str = "", *, direction: str = DIRECTIONS[0], stratum: str = "all"
    ) -> Estimate:
        """One figure of a row, or of a direction and a stratum."""
        return super().figure(name, row or _row_name(direction, stratum))


def _row_name(direction: str, stratum: str) -> str:
    return direction if stratum == "all" else f"{direction}, {stratum}"


@dataclass(frozen=True)
class ProbesAndGallery:
    """Probes on the left, gallery on the right, and the scores between them (either direction)."""

    left: Ints
    """Person of every probe."""
    right: Ints
    """Person of every gallery item."""
    people: int
    matrix: NDArray[np.floating] | None
    vectors: tuple[NDArray[np.float32], NDArray[np.float32]] | None
    same: tuple[Ints, Ints] | None
    """First index of a vector equal to each, on either side: equal vectors must score exactly alike."""

    @classmethod
    def of(cls, similarity: ArrayLike | tuple[ArrayLike, ArrayLike], people: Pair) -> ProbesAndGallery:
        """Check scores (voices, faces) or a pair of embeddings, and the people of both sides."""
        given = as_similarity(similarity)
        shape = (len(given[0]), len(given[1])) if isinstance(given, tuple) else given.shape
        left, right, names = index_people(people[0], people[1], *shape)
        if isinstance(given, tuple):
            same = _first_equal_index(given[0]), _first_equal_index(given[1])
            return cls(left, right, len(names), None, given, same)
        return cls(left, right, len(names), given, None, None)

    def reversed(self) -> ProbesAndGallery:
        """The other direction: the gallery's items are the probes."""
        return ProbesAndGallery(
            self.right,
            self.left,
            self.people,
            None if self.matrix is None else self.matrix.T,
            None if self.vectors is None else self.vectors[::-1],
            None if self.same is None else self.same[::-1],
        )

    def scores(self, probes: Ints, gallery: Ints) -> NDArray[np.floating]:
        """Scores (len(probes), len(gallery)); identical embeddings score identically, to the last bit.

        A matrix product may round equal columns differently at the edges of its blocks, which would break
        the ties of a collapsed network at random; so a vector that repeats is multiplied once.
        """
        if self.vectors is None or self.same is None:
            assert self.matrix is not None
            return np.ascontiguousarray(self.matrix[np.ix_(probes, gallery)])
        left, right = self.vectors
        first, inverse = np.unique(self.same[1][gallery], return_inverse=True)
        if len(first) == len(gallery):
            return left[probes] @ right[gallery].T
        return (left[probes] @ right[first].T)[:, inverse]


def _first_equal_index(rows: NDArray[np.float32]) -> Ints:
    seen: dict[bytes, int] = {}
    rows = rows + np.float32(0)  # -0.0 and 0.0 are one value
    return np.array([seen.setdefault(row.tobytes(), i) for i, row in enumerate(rows)], dtype=np.intp)


def comparisons(
    similarity: ArrayLike | tuple[ArrayLike, ArrayLike],
    people: Pair,
    *,
    strata: Mapping[str, Pair] | None,
    groups: Pair | None,
    resamples: int,
    seed: int,
) -> Iterator[Comparison]:
    """Both directions of all items, then of each stratum; arguments as in `matching` and `retrieval`."""
    sides = ProbesAndGallery.of(similarity, people)
    counts = None
    if resamples:
        counts = resample_counts(_resampling_groups(sides, groups), sides.people, resamples, seed)
    wanted: dict[str, Any] = {"all": None, **(strata or {})}
    for direction in DIRECTIONS:
        for stratum, values in wanted.items():
            found, left_out = _comparison_groups(sides, groups, values, stratum)
            yield Comparison(_row_name(direction, stratum), sides, found, left_out, counts)
        sides = sides.reversed()
        groups = None if groups is None else groups[::-1]
        wanted = {name: None if values is None else values[::-1] for name, values in wanted.items()}


def _comparison_groups(
    sides: ProbesAndGallery, groups: Pair | None, values: Pair | None, name: str
) -> tuple[list[ComparisonGroup], int]:
    """The groups of one stratum, and how many probes are in none; a blank attribute is compared with nothing.

    Raises:
        InputError: lengths differ, or no probe has a gallery.
    """
    n, m = len(sides.left), len(sides.right)
    group_left, group_right = _joint(groups, n, m, "groups", blank=False)
    value_left, value_right = _joint(values, n, m, f"stratum {name!r}", blank=True)
    found = []
    for g in np.unique(group_left):
        for v in np.unique(value_left[(group_left == g) & (value_left >= 0)]):
            probes = np.flatnonzero((group_left == g) & (value_left == v))
            gallery = np.flatnonzero((group_right == g) & (value_right == v))
            if len(gallery):
                found.append(ComparisonGroup(int(g), probes, gallery))
    if not found:
        raise InputError(f"stratum {name!r}", "leaves no probe a gallery", "name groups and attributes alike")
    return found, n - sum(len(c.probes) for c in found)


def _joint(pair: Pair | None, n: int, m: int, what: str, *, blank: bool) -> tuple[Ints, Ints]:
    """Values of both sides as indices into one list; -1 for a blank."""
    if pair is None:
        return np.zeros(n, dtype=np.intp), np.zeros(m, dtype=np.intp)
    sides: list[NDArray[np.generic]] = []
    known = []
    for values, length, side in zip(pair, (n, m), ("voices", "faces"), strict=True):
        if not blank:
            sides.append(as_names(values, length, f"{what} of the {side}"))
            known.append(np.ones(length, dtype=bool))
            continue
        given = np.asarray(values)
        if given.shape != (length,):
            raise InputError(
                f"{what} of the {side}", f"has shape {given.shape}, not ({length},)", "give one each"
            )
        items = ["" if v is None or v != v else str(v) for v in given.tolist()]
        sides.append(np.array(items, dtype=str))
        known.append(np.array([bool(v) for v in items]))
    _, index = np.unique(np.concatenate(sides), return_inverse=True)
    return np.where(known[0], index[:n], -1), np.where(known[1], index[n:], -1)


def _resampling_groups(sides: ProbesAndGallery, groups: Pair | None) -> list[Ints]:
    """Sets of people to resample within: each group's own, or all where someone is in several groups."""
    n, m = len(sides.left), len(sides.right)
    left, right = _joint(groups, n, m, "groups", blank=False)
    members = [np.union1d(sides.left[left == g], sides.right[right == g]) for g in np.union1d(left, right)]
    if sum(len(part) for part in members) > len(np.unique(np.concatenate(members))):
        return [np.arange(sides.people)]
    return members


def blocks(size: int, width: int, limit: int = 4_000_000) -> Iterator[slice]:
    """Slices of ``size`` rows so that a block of ``width`` columns holds at most ``limit`` numbers."""
    step = max(1, limit // max(1, width))
    for start in range(0, size, step):
        yield slice(start, min(size, start + step))
