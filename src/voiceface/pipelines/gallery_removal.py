"""Removing a person from a gallery so that nothing of them stays on the disk, also after a kill."""

from __future__ import annotations

import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any, TypedDict

from voiceface.media.files import write_json
from voiceface.media.read_json import read_json
from voiceface.pipelines.gallery_items import equals

JOURNAL = "removing.json"
"""The file in a gallery's folder that names a person who is being removed."""


class _Removal(TypedDict):
    person: str
    items: int
    parts: list[int]
    """The fragments of the table that held them."""


def remove_person(path: Path, table: Any, person: str) -> int:  # noqa: ANN401  LanceDB ships no types
    """Remove a person's rows from the table and from the disk; their number, 0 if there are none.

    Hold the gallery's lock. A journal is written first: whoever opens the gallery after a kill finishes
    the removal (`finish_removal`).
    """
    where = equals("person", person)
    rows = table.search().where(where).with_row_id(True).select(["id"]).limit(None).to_arrow()["_rowid"]
    if not len(rows):
        return 0
    parts = sorted({row >> 32 for row in rows.to_pylist()})
    write_json(path / JOURNAL, {"person": person, "items": len(rows), "parts": parts})
    return finish_removal(path, table)[1]


def finish_removal(path: Path, table: Any) -> tuple[str, int]:  # noqa: ANN401
    """Do what the journal of a removal says, from its beginning; the person and the number of items.

    Without a journal: ``("", 0)``. Hold the gallery's lock.

    Raises:
        InputError: the journal is damaged.
    """
    journal = path / JOURNAL
    if not journal.is_file():
        return "", 0
    told = read_json(journal, _Removal, remedy="delete it and remove the person again")
    person, items, parts = told["person"], told["items"], told["parts"]
    table.delete(equals("person", person))
    # An index keeps the compressed embeddings of deleted rows; the gallery builds it anew (`Gallery.tidy`).
    for index in table.list_indices():
        if "vector" in index.columns:
            table.drop_index(index.name)
    # Deleting only marks rows. The parts that held them are written anew without them, and older versions
    # of the data deleted, before anything else that may fail.
    for part in parts:
        within = f"_rowid >= {part << 32} AND _rowid < {(part + 1) << 32}"
        table.update(where=within, values_sql={"person": "person"})
    compact(table, drop_history=True)
    journal.unlink()
    return person, items


def compact(table: Any, *, drop_history: bool = False) -> None:  # noqa: ANN401
    """Merge small parts; ``drop_history`` deletes older versions of the data from the disk at once."""
    kept = timedelta(0) if drop_history else timedelta(minutes=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that versions older than the latest go is what is meant
        table.optimize(cleanup_older_than=kept, delete_unverified=drop_history)
