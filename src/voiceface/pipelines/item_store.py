"""Where a gallery's items are kept: what any place for them has to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from voiceface.models.model import Embeddings

Columns = dict[str, str]
"""``person``, ``kind`` and ``path`` of an item, and those attributes that it has."""


class ItemStore(Protocol):
    """A place for embeddings of length 1, each with an id of 16 bytes, a kind and columns of text."""

    def __len__(self) -> int:
        """Number of items."""

    @property
    def attributes(self) -> list[str]:
        """Names of what is known of items, beside person, kind and path."""

    def refresh(self) -> None:
        """See what other processes have added and removed."""

    def counts(self, name: str) -> dict[str, int]:
        """Value to number of items of a column, sorted; items without it are left out."""

    def holds(self, ids: Sequence[bytes]) -> npt.NDArray[np.bool_]:
        """Which of these ids are there."""

    def items(self, person: str) -> list[Columns]:
        """A person's items, those added first at the front."""

    def commit(self, vectors: Embeddings, kinds: npt.NDArray[np.int64], items: pa.Table) -> int:
        """Add what is not there; how many that were.

        Args:
            vectors: (n, dim) of length 1.
            kinds: (n,) indices of kinds.
            items: n rows, from `item_table`.
        """

    def remove(self, person: str) -> int:
        """Remove a person's items; their number, 0 if there are none."""

    def nearest(
        self, queries: Embeddings, *, k: int, kind: int, where: Mapping[str, str], exact: bool
    ) -> list[list[tuple[float, Columns]]]:
        """The k items most similar to each query, best first: dot products and columns.

        Args:
            queries: (n, dim) of length 1.
            k: how many.
            kind: index of the kind that is sought.
            where: values of columns that the items must have.
            exact: compare with all of them.
        """
