"""A shard: a fixed run of sorted items, written by one task, committed by one rename."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voiceface.corpus.item import FaceItem, Item, MediaGenerator, VideoItem
from voiceface.corpus.item_limits import ItemLimits
from voiceface.corpus.options import PrepareOptions
from voiceface.corpus.tables import ARRAYS, ARRAYS_FOLDER, PartWriter, Row, write_table

JOURNAL_FOLDER = ".working"
"""Folder of the shards' journals while a preparation runs."""

_SHARDS = 256  # about so many a corpus: enough for many workers, few enough to open at once
_LEAST, _MOST = 64, 4096  # in the units below: what a kill loses stays below some minutes of one core


def item_kind(item: Item) -> str:
    """``voice``, ``face`` or ``video``."""
    return {"VoiceItem": "voice", "FaceItem": "face", "VideoItem": "video"}[type(item).__name__]


def _weight(item: Item) -> int:
    """Roughly the work in an item, in that of a recording of some seconds."""
    return 32 if isinstance(item, VideoItem) else 4 if isinstance(item, FaceItem) else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """All that a worker must know to write one shard."""

    part: str
    items: Sequence[Item]
    root: Path
    out: Path
    options: PrepareOptions
    fatal: Mapping[int, str] = field(default_factory=dict)
    """Items that ended a worker (index -> reason): rejected without being touched again."""
    generator: MediaGenerator | None = None
    limits: ItemLimits | None = None
    """For a process that does one shard at a time; without them nothing is bounded."""

    @property
    def stopped_note(self) -> Path:
        """The file that tells that an item's time was over."""
        return self.out / JOURNAL_FOLDER / f"{self.part}.stopped"


def items_digest(items: Iterable[Item]) -> str:
    """A digest of which items these are, in order."""
    names = "\n".join(f"{item_kind(item)}\t{item.key}" for item in items)
    return hashlib.sha256(names.encode()).hexdigest()


def cut_into_shards(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Cut sorted items into shards of about equal work; it depends on nothing but the items."""
    weights = [_weight(item) for item in items]
    limit = min(_MOST, max(_LEAST, -(-sum(weights) // _SHARDS)))
    start, load = 0, 0
    for index, weight in enumerate(weights):
        if load and load + weight > limit:
            yield items[start:index]
            start, load = index, 0
        load += weight
    if items:
        yield items[start:]


def remove_partial_files(out: Path, part: str) -> None:
    """Remove whatever an unfinished attempt at a shard left under final names."""
    for folder in table_folders(out):
        for path in folder.glob(f"{part}.*"):
            path.unlink(missing_ok=True)


def table_folders(out: Path) -> list[Path]:
    """The folders of a corpus that hold parts of shards."""
    return [out / table for table in (*ARRAYS, "rejected")] + [
        out / ARRAYS_FOLDER / table for table in ARRAYS
    ]


def read_journal(shard: Shard) -> int | None:
    """Which of its items a shard is at (its length once all are done), or None before the first."""
    try:
        return int((shard.out / JOURNAL_FOLDER / shard.part).read_bytes())
    except (OSError, ValueError):
        return None


def run_shard(shard: Shard) -> dict[str, dict[str, Any]]:
    """Do a shard's items and commit them; what was written, by table, as the commit records it.

    The journal says at every moment which item is at work: for the progress bar, and to name the
    one that ends the process.

    Raises:
        InputError: the corpus' disk is full or cannot be written.
        MissingPartError: a package that the work needs is not installed.
    """
    # Here: detector and decoders take a second to load, and the process that hands out shards needs none.
    from voiceface.corpus.item_processing import process_item

    remove_partial_files(shard.out, shard.part)
    if shard.limits:
        shard.limits.hold_memory()
    note = shard.out / JOURNAL_FOLDER / shard.part
    item_rows: list[Row] = []
    with ExitStack() as stack:
        names = (*ARRAYS, "rejected")
        writers = {t: stack.enter_context(PartWriter(shard.out, t, shard.part)) for t in names}
        begin = stack.enter_context(shard.limits.clock(shard.stopped_note)) if shard.limits else None
        for index, item in enumerate(shard.items):
            _note(note, index)
            row: Row = {"kind": item_kind(item), "key": item.key, "path": item.path}
            row |= dict.fromkeys(ARRAYS, 0)
            if index in shard.fatal:
                reasons = [shard.fatal[index]]
            else:
                if begin:
                    begin()
                result = process_item(item, shard.generator or shard.root, shard.options)
                reasons = result.rejected
                for table, rows in result.rows.items():
                    row[table] = len(rows)
                    for columns, media in rows:
                        writers[table].add(columns, media)
            for reason in reasons:
                refusal = {"path": item.path, "reason": reason, "person": item.person, "key": item.key}
                writers["rejected"].add(refusal, {})
            item_rows.append(row)
        _note(note, len(shard.items))
    facts = {table: writer.facts() for table, writer in writers.items() if writer.rows}
    (shard.out / "items").mkdir(exist_ok=True)
    write_table(shard.out / "items" / f"{shard.part}.parquet", "items", item_rows, {"tables": facts})
    return facts


def _note(path: Path, index: int) -> None:
    # A full disk stops the arrays, whose error says more than this one would.
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        # In place and at one go: who reads meanwhile finds the last number or this one, never none.
        file = os.open(path, os.O_CREAT | os.O_WRONLY)
        try:
            os.write(file, b"%08d" % index)
        finally:
            os.close(file)
