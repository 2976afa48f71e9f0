"""The nearest items of a gallery: a product with all embeddings, or with those of the nearest parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from voiceface.models.model import Embeddings
from voiceface.pipelines.gallery_segment import Segment

Found = tuple[float, Segment, int]
"""Similarity, segment and row of an item."""

EXACT_BELOW = 250_000
"""Items of the wanted kind, below which every search is exact: a product takes at most 10 milliseconds."""
PROBED_SHARE = 0.12
"""Share of the items that an indexed search compares, those of the nearest parts
(docs/measurements/gallery.md has recall against this number)."""
_PROBED_PER_RESULT = 100
"""Items that are compared for each that is sought, at least."""
_SCORES = 4_000_000
"""Similarities that are held at once when many queries are searched for."""
_BLOCK = 512
"""Similarities of which the largest alone is looked at first, when the best of many are picked."""

_Rows = slice | npt.NDArray[np.int64]
_Task = tuple[int, _Rows, npt.NDArray[np.int64]]
"""Number of a scope, its rows to compare, and the queries to compare with."""


def nearest(
    segments: Sequence[Segment],
    queries: Embeddings,
    *,
    k: int,
    kind: int,
    where: Mapping[str, str],
    exact: bool,
) -> list[list[Found]]:
    """The k items most similar to each query, best first; fewer if there are not so many.

    Args:
        segments: where to look.
        queries: (n, dim) of length 1.
        k: how many.
        kind: index of the kind that is sought.
        where: values of columns that the items must have.
        exact: compare with all; otherwise only below `EXACT_BELOW` items.

    Raises:
        InputError: embeddings are damaged.
    """
    scopes = [_Scope(segment, kind, where) for segment in segments]
    total, matching = sum(one.rows for one in scopes), sum(one.matching for one in scopes)
    probed = max(PROBED_SHARE * total, float(_PROBED_PER_RESULT * k))
    if matching <= probed and where:
        tasks = _gathered(scopes, len(queries))
    elif exact or total < EXACT_BELOW:
        tasks = _everything(scopes, len(queries))
    else:
        tasks = _probed(scopes, queries, probed * matching / total)
    best = [_Best(k, most=_SCORES // len(queries)) for _ in queries]
    for number, rows, who in tasks:
        scores = scopes[number].similarities(rows, queries[who])
        for query, found in zip(who.tolist(), scores, strict=True):
            best[query].offer(found, number, rows)
    return [[(score, scopes[number].segment, row) for score, number, row in one.in_order()] for one in best]


class _Scope:
    """The rows of a segment that are of a kind, and which of them have the wanted values."""

    def __init__(self, segment: Segment, kind: int, where: Mapping[str, str]) -> None:
        self.segment = segment
        first, last = np.searchsorted(segment.kinds, [kind, kind + 1]).tolist()
        self.parts = np.arange(first, last)
        self.start, self.stop = int(segment.starts[first]), int(segment.starts[last])
        self.rows = self.stop - self.start
        self.mask: npt.NDArray[np.bool_] | None = None
        """Of all rows of the segment."""
        self.wanted: npt.NDArray[np.int64] | None = None
        """The rows that have the values."""
        for name, value in where.items():
            matches = segment.matches(name, value)
            self.mask = matches if self.mask is None else self.mask & matches
        if self.mask is not None:
            self.wanted = self.start + np.flatnonzero(self.mask[self.start : self.stop])
        self.matching = self.rows if self.wanted is None else len(self.wanted)

    def part_sizes(self) -> npt.NDArray[np.int64]:
        """Rows of each part that have the wanted values."""
        bounds = np.append(self.segment.starts[self.parts], self.stop)
        return np.diff(bounds if self.wanted is None else np.searchsorted(self.wanted, bounds))

    def similarities(self, rows: _Rows, queries: Embeddings) -> Embeddings:
        """Similarities (queries, rows); -inf where a row has not the wanted values."""
        vectors = self.segment.vectors[rows]
        # A product with one vector reads the memory once and as it lies.
        scores = (vectors @ queries[0])[None] if len(queries) == 1 else queries @ vectors.T
        if self.mask is not None and isinstance(rows, slice):
            np.putmask(scores, np.broadcast_to(~self.mask[rows], scores.shape), -np.inf)
        found: Embeddings = scores
        return found


def _gathered(scopes: Sequence[_Scope], queries: int) -> Iterator[_Task]:
    """The rows that have the wanted values alone, for they are few."""
    for number, scope in enumerate(scopes):
        if scope.wanted is not None and len(scope.wanted):
            parts = np.searchsorted(scope.segment.starts, scope.wanted, side="right") - 1
            scope.segment.check(np.unique(parts))
            yield number, scope.wanted, np.arange(queries)


def _everything(scopes: Sequence[_Scope], queries: int) -> Iterator[_Task]:
    """All rows, in steps whose similarities fit into memory."""
    step = max(_SCORES // max(queries, 1), _BLOCK)
    for number, scope in enumerate(scopes):
        scope.segment.check(scope.parts)
        for start in range(scope.start, scope.stop, step):
            yield number, slice(start, min(start + step, scope.stop)), np.arange(queries)


def _probed(scopes: Sequence[_Scope], queries: Embeddings, wanted: float) -> Iterator[_Task]:
    """The parts nearest to each query that hold so many rows with the wanted values.

    A segment that is not divided is compared whole, for its one part lies near nothing.
    """
    sizes = np.concatenate([scope.part_sizes() for scope in scopes])
    owners = np.repeat(np.arange(len(scopes)), [len(scope.parts) for scope in scopes])
    numbers = np.concatenate([scope.parts for scope in scopes])
    centroids = np.concatenate([scope.segment.centroids[scope.parts] for scope in scopes])
    order = np.argsort(-(queries @ centroids.T), axis=1)
    before = np.cumsum(sizes[order], axis=1) - sizes[order]
    chosen = np.zeros(order.shape, bool)
    np.put_along_axis(chosen, order, before < wanted, axis=1)
    chosen |= np.bincount(owners)[owners] == 1
    chosen &= sizes > 0
    used = np.flatnonzero(chosen.any(axis=0))
    for number, scope in enumerate(scopes):
        scope.segment.check(numbers[used[owners[used] == number]])
    everyone = np.arange(len(queries))
    for place in used.tolist():
        number, part = int(owners[place]), int(numbers[place])
        start, stop = scopes[number].segment.starts[part : part + 2].tolist()
        yield number, slice(start, stop), everyone if len(queries) == 1 else np.flatnonzero(chosen[:, place])


class _Best:
    """The k largest similarities seen so far, and where."""

    def __init__(self, k: int, *, most: int) -> None:
        self._k, self._most = k, most
        self._scores = np.empty(0, np.float32)
        self._scopes, self._rows = np.empty(0, np.int64), np.empty(0, np.int64)
        self._offered: list[tuple[Embeddings, int, _Rows]] = []
        self._waiting = 0
        """Similarities that were offered and not looked at yet."""

    def offer(self, scores: Embeddings, number: int, rows: _Rows) -> None:
        """Consider similarities (n,) with rows of a scope; -inf is never one of the best."""
        self._offered.append((scores, number, rows))
        self._waiting += len(scores)
        if self._waiting >= self._most:
            self._settle()

    def in_order(self) -> list[tuple[float, int, int]]:
        """Similarity, number of the scope, and row, best first."""
        self._settle()
        order = np.lexsort((self._rows, self._scopes, -self._scores))
        columns = (column[order].tolist() for column in (self._scores, self._scopes, self._rows))
        return list(zip(*columns, strict=True))

    def _settle(self) -> None:
        if not self._offered:
            return
        scores = np.concatenate([one[0] for one in self._offered])
        ends = np.cumsum([len(one[0]) for one in self._offered])
        top = _largest(scores, self._k)
        top = top[np.isfinite(scores[top])]
        where = np.searchsorted(ends, top, side="right")
        within = top - np.concatenate([[0], ends])[where]
        rows, numbers = np.empty(len(top), np.int64), np.empty(len(top), np.int64)
        for place, (offer, index) in enumerate(zip(where.tolist(), within.tolist(), strict=True)):
            _, numbers[place], held = self._offered[offer]
            rows[place] = held.start + index if isinstance(held, slice) else held[index]
        merged = np.concatenate([self._scores, scores[top]])
        kept = _largest(merged, self._k)
        self._scores = merged[kept]
        self._rows = np.concatenate([self._rows, rows])[kept]
        self._scopes = np.concatenate([self._scopes, numbers])[kept]
        self._offered, self._waiting = [], 0


def _largest(scores: Embeddings, k: int) -> npt.NDArray[np.int64]:
    """Indices of the k largest of (n,) numbers, in no order."""
    if len(scores) <= k:
        return np.arange(len(scores))
    blocks = len(scores) // _BLOCK
    if blocks < 4 * k:
        return np.argpartition(-scores, k - 1)[:k]
    # The k-th largest of the blocks' maxima is no larger than the k-th largest of all: few reach it.
    peaks = scores[: blocks * _BLOCK].reshape(blocks, _BLOCK).max(axis=1)
    reached = np.flatnonzero(scores >= np.partition(peaks, -k)[-k])
    return reached[np.argpartition(-scores[reached], k - 1)[:k]] if len(reached) > k else reached
