"""The index of a large gallery: how it is built, and how much of it a search looks at."""

from __future__ import annotations

from typing import Any

__all__ = ["REFINE_FACTOR", "build", "probes"]

REFINE_FACTOR = 1600
"""How many times k candidates are compared exactly: the codes alone order a matcher's rows, which lie in
few directions, too roughly (docs/gallery.md has recall against this number)."""
_PROBED_SHARE = 1 / 6
"""Share of the cells that are looked into."""
_CODE = 8
"""Numbers a code."""
_ROUNDS, _SAMPLE = 20, 64
"""Rounds of learning the cells, and rows a cell that they are learnt from."""


def build(table: Any, *, dim: int) -> None:  # noqa: ANN401  LanceDB ships no types
    """Index the rows by cells with product quantisation, and what kind they are."""
    from lancedb.index import Bitmap, IvfPq

    config = IvfPq(
        distance_type="cosine",
        num_partitions=_cells(table.count_rows()),
        num_sub_vectors=max(1, dim // _CODE),
        max_iterations=_ROUNDS,
        sample_rate=_SAMPLE,
    )
    # Every search is of one kind: without this it would read that column of all rows. It comes first, so
    # that a kill in between leaves no gallery that is taken for indexed.
    table.create_index("kind", config=Bitmap())
    table.create_index("vector", config=config)


def probes(rows: int) -> int:
    """Cells that a search of so many rows looks into.

    >>> probes(1_000_000)
    167
    """
    return max(20, round(_PROBED_SHARE * _cells(rows)))


def _cells(rows: int) -> int:
    return max(1, round(float(rows**0.5)))
