"""Who may be compared with whom: probes and galleries cut by group (fold) and by a shared attribute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.protocols.input_checks import as_names, as_similarity, index_people

__all__ = ["Cell", "Sides", "blocks", "cells", "resampling_groups"]

Ints = NDArray[np.intp]
Pair = tuple[ArrayLike, ArrayLike]


class Cell(NamedTuple):
    """Probes and gallery that meet: places in the probes' and in the gallery's own list."""

    group: int
    probes: Ints
    gallery: Ints


@dataclass(frozen=True)
class Sides:
    """Probes on the left, gallery on the right, and the scores between them (either direction)."""

    left: Ints
    """Person of every probe."""
    right: Ints
    """Person of every gallery item."""
    people: int
    matrix: NDArray[np.floating] | None
    vectors: tuple[NDArray[np.float32], NDArray[np.float32]] | None
    same: tuple[Ints, Ints] | None
    """First place of a vector equal to each, on either side: equal vectors must score exactly alike."""

    @classmethod
    def of(cls, similarity: ArrayLike | tuple[ArrayLike, ArrayLike], people: Pair) -> Sides:
        """Check scores (voices, faces) or a pair of embeddings, and the people of both sides."""
        given = as_similarity(similarity)
        if isinstance(given, tuple):
            left, right, names = index_people(people[0], people[1], len(given[0]), len(given[1]))
            return cls(
                left,
                right,
                len(names),
                None,
                given,
                (_first_equal_index(given[0]), _first_equal_index(given[1])),
            )
        left, right, names = index_people(people[0], people[1], *given.shape)
        return cls(left, right, len(names), given, None, None)

    def turned(self) -> Sides:
        """The other direction: the gallery asks, the probes answer."""
        matrix = None if self.matrix is None else self.matrix.T
        vectors = None if self.vectors is None else self.vectors[::-1]
        return Sides(
            self.right,
            self.left,
            self.people,
            matrix,
            vectors,
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


def cells(sides: Sides, groups: Pair | None, values: Pair | None, name: str) -> tuple[list[Cell], int]:
    """The cells of one stratum, and how many probes have no cell (attribute unknown or a group of their own).

    Args:
        sides: Probes and gallery.
        groups: Group of every probe and of every gallery item, or None for one group.
        values: Attribute of every probe and gallery item; a blank is unknown and meets nobody.
        name: The stratum's name, for messages.

    Raises:
        InputError: lengths differ, or nobody meets anybody.
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
                found.append(Cell(int(g), probes, gallery))
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


def resampling_groups(sides: Sides, groups: Pair | None) -> list[Ints]:
    """Sets of people to draw within: each group's own, or all where someone is in several groups."""
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
