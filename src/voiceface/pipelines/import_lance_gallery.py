"""Galleries of the first format, whose items lay in a table of LanceDB, become galleries of today's."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from voiceface.errors import InputError, MissingPartError
from voiceface.media.read_json import read_json
from voiceface.media.writer_lock import writer_lock
from voiceface.pipelines.gallery_folder import IN_FOLDER, read_card, write_card, write_segments
from voiceface.pipelines.gallery_items import KINDS, spellings
from voiceface.pipelines.gallery_partition import unit
from voiceface.pipelines.gallery_segment import RESTORE, SEGMENTS, item_table
from voiceface.pipelines.gallery_store import JOURNAL, Block, write_parted

_TABLE = "items.lance"
_ROWS = 100_000
"""Rows of a segment."""
_PANICS = ("PanicException", "RustPanic")


class _Removal(TypedDict):
    person: str


def is_lance_gallery(path: Path) -> bool:
    """Whether a gallery's items lie in a table of the first format, or what a kill left of one."""
    return (path / _TABLE).exists()


def import_lance_gallery(path: Path) -> None:
    """Bring a gallery of the first format into today's, in its folder; a kill leaves either.

    The old table is deleted once everything lies in segments. A removal that was killed is finished.

    Raises:
        InputError: the table is damaged, or the disk full.
        MissingPartError: LanceDB is not installed.
    """
    with writer_lock(path, wait=-1):
        card = read_card(path)
        if card["format"] < IN_FOLDER:
            (path / SEGMENTS).mkdir(exist_ok=True)
            write_segments(path, [write_parted(path, *block) for block in _blocks(path)])
            write_card(path, card | {"format": IN_FOLDER})
        if is_lance_gallery(path):
            # Whoever the journal names is in no segment; a later journal is not written before this.
            (path / JOURNAL).unlink(missing_ok=True)
            shutil.rmtree(path / _TABLE)


def _blocks(path: Path) -> Iterator[Block]:
    try:
        import lancedb
    except ImportError as error:
        fault = "was made by an older version, and the package that reads it is not installed"
        raise MissingPartError(path, fault, "pip install lancedb") from error
    gone: list[str] = []
    if (path / JOURNAL).is_file():
        gone = spellings(read_json(path / JOURNAL, _Removal, remedy="delete it")["person"])
    with _lance_errors(path):
        if not any((path / _TABLE).glob("_versions/*")):  # a kill came while the table was made
            return
        table = lancedb.connect(str(path)).open_table(_TABLE.removesuffix(".lance"))
        held: list[pa.RecordBatch] = []
        for batch in table.search().limit(None).to_batches(_ROWS):
            held.append(batch)
            if sum(len(one) for one in held) >= _ROWS:
                yield from _block(pa.Table.from_batches(held), gone)
                held = []
        if held:
            yield from _block(pa.Table.from_batches(held), gone)


def _block(rows: pa.Table, gone: list[str]) -> Iterator[Block]:
    """The rows as today's, without a person; nothing if none are left."""
    rows = rows.filter(pc.invert(pc.is_in(rows["person"], pa.array(gone, pa.string()))))
    if not len(rows):
        return
    vectors = rows["vector"].combine_chunks().flatten().to_numpy().reshape(len(rows), -1)
    kinds = np.array([KINDS.index(kind) for kind in rows["kind"].to_pylist()], np.int64)
    columns = [name for name in rows.schema.names if name not in ("id", "kind", "vector")]
    ids = [bytes.fromhex(name) for name in rows["id"].to_pylist()]
    yield unit(vectors), kinds, item_table(ids, {name: rows[name].to_pylist() for name in columns})


@contextlib.contextmanager
def _lance_errors(path: Path) -> Iterator[None]:
    """One line for whatever LanceDB raises on a damaged table.

    Raises:
        InputError: anything but an error of ours, Ctrl-C and the like.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    # Rust's panics are no Exception, and their class has no name to import.
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ not in _PANICS:
            raise
        fault = f"cannot be used ({' '.join(str(error).split())[:120]})"
        raise InputError(path, fault, RESTORE) from error
