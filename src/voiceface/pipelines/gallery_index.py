"""The index of a large gallery: how it is built, and how much of it a search looks at."""

from __future__ import annotations

from typing import Any

REFINE_FACTOR = 1600
"""How many times k candidates are compared exactly: the codes alone order a matcher's embeddings, which vary
in few directions, too roughly (docs/gallery.md has recall against this number)."""
_PROBED_SHARE = 1 / 6
"""Share of the partitions that a search looks into."""
_CODE_WIDTH = 8
"""Numbers of a vector that share a code, about."""
_ITERATIONS, _SAMPLE = 20, 64
"""Iterations of k-means for the partitions, and vectors a partition that it runs on."""


def build_index(table: Any, *, dim: int) -> None:  # noqa: ANN401  LanceDB ships no types
    """Index the vectors by partitions with product quantisation, and their kind."""
    from lancedb.index import Bitmap, IvfPq

    config = IvfPq(
        distance_type="cosine",
        num_partitions=_partition_count(table.count_rows()),
        num_sub_vectors=sub_vectors(dim),
        max_iterations=_ITERATIONS,
        sample_rate=_SAMPLE,
    )
    # Every search is of one kind: without this it would read that column of all rows. It comes first, so
    # that a kill in between leaves no gallery that is taken for indexed.
    table.create_index("kind", config=Bitmap())
    table.create_index("vector", config=config)


def sub_vectors(dim: int) -> int:
    """Codes of a vector: the divisor of its width (LanceDB refuses others) nearest to one per 8 numbers.

    >>> sub_vectors(70), sub_vectors(64)
    (10, 8)
    """
    divisors = [count for count in range(1, dim + 1) if dim % count == 0]
    return min(divisors, key=lambda count: abs(count - dim / _CODE_WIDTH))


def probed_partitions(rows: int) -> int:
    """Partitions that a search of so many vectors looks into.

    >>> probed_partitions(1_000_000)
    167
    """
    return max(20, round(_PROBED_SHARE * _partition_count(rows)))


def _partition_count(rows: int) -> int:
    return max(1, round(float(rows**0.5)))
