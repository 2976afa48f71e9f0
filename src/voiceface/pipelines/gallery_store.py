"""A gallery's items on disk: committed, removed and read while other processes do the same."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from voiceface.errors import InputError
from voiceface.media.files import partial_files, write_json
from voiceface.media.read_json import read_json
from voiceface.media.unicode_names import in_one_form
from voiceface.media.writer_lock import writer_lock
from voiceface.models.model import Embeddings
from voiceface.pipelines.gallery_folder import read_segments, write_segments
from voiceface.pipelines.gallery_items import RESERVED_COLUMNS
from voiceface.pipelines.gallery_partition import partition
from voiceface.pipelines.gallery_search import nearest
from voiceface.pipelines.gallery_segment import RESTORE, SEGMENTS, Segment, SegmentEntry, write_segment
from voiceface.pipelines.item_store import Columns

JOURNAL = "removing.json"
"""The file in a gallery's folder that names a person who is being removed."""
LARGEST = 1_000_000
"""Rows of a segment: merging holds so many in memory, and 280 MB are written at a time."""
PARTED_FROM = 10_000
"""Rows of one kind in a segment from which they are divided into parts of near ones."""
_GROWTH = 2
"""A new segment is merged with those before it that are at most so many times as large."""


Block = tuple[Embeddings, npt.NDArray[np.int64], pa.Table]
"""Vectors, indices of kinds and columns of the same items."""


class _Removal(TypedDict):
    person: str
    items: int


class Store:
    """Segments that are never altered, and a list of those that are the gallery.

    A commit writes a new segment and then replaces the list, so that a kill leaves the gallery as it was
    before or after; files that the list does not name are deleted by the next who writes. A process that
    reads goes on with the segments it has mapped, until it asks for the newest (`refresh`).
    """

    def __init__(self, path: Path, dim: int) -> None:
        self.path, self.dim = path, dim
        self.segments: list[Segment] = []
        self.finished: tuple[str, int] = "", 0
        """The person and items of another's removal that was finished here."""
        self.refresh()

    def __len__(self) -> int:
        """Number of items."""
        return sum(len(segment) for segment in self.segments)

    @property
    def attributes(self) -> list[str]:
        """Names of what is known of items, beside person, kind and path."""
        names = {name: None for segment in self.segments for name in segment.names}
        return [name for name in names if name not in RESERVED_COLUMNS]

    def counts(self, name: str) -> dict[str, int]:
        """Value to number of items of a column now, sorted; items without it are left out."""
        self.refresh()
        if name == "kind":
            return _summed(segment.kind_counts() for segment in self.segments)
        return _summed(segment.counts(name) for segment in self.segments)

    def refresh(self) -> None:
        """See what other processes have added and removed, and finish a removal that was killed.

        Raises:
            InputError: something is damaged.
        """
        if (self.path / JOURNAL).is_file():
            with self._writing():
                return
        self._open_segments()

    def holds(self, ids: Sequence[bytes]) -> npt.NDArray[np.bool_]:
        """Which of these ids are there."""
        wanted = np.array(list(ids), "S16")
        found = np.zeros(len(wanted), bool)
        for segment in self.segments:
            found |= segment.holds(wanted)
        return found

    def items(self, person: str) -> list[Columns]:
        """A person's items, those of the oldest commits first."""
        self.refresh()
        return [
            segment.item(row)
            for segment in self.segments
            for row in np.flatnonzero(segment.matches("person", person)).tolist()
        ]

    def nearest(
        self, queries: Embeddings, *, k: int, kind: int, where: Mapping[str, str], exact: bool
    ) -> list[list[tuple[float, Columns]]]:
        """The k items most similar to each query, best first; exact below `EXACT_BELOW` items.

        Raises:
            InputError: embeddings are damaged.
        """
        found = nearest(self.segments, queries, k=k, kind=kind, where=where, exact=exact)
        return [[(score, segment.item(row)) for score, segment, row in one] for one in found]

    def commit(self, vectors: Embeddings, kinds: npt.NDArray[np.int64], items: pa.Table) -> int:
        """Add what is not there, all or nothing; how many that were.

        Args:
            vectors: (n, dim) of length 1.
            kinds: (n,) indices of kinds.
            items: n rows, from `item_table`.

        Raises:
            InputError: the disk is full or may not be written.
        """
        with self._writing():
            ids = items["id"].to_pylist()
            first = {name: k for k, name in reversed(list(enumerate(ids)))}
            there = self.holds(ids)
            new = np.array([k for k, name in enumerate(ids) if first[name] == k and not there[k]], np.int64)
            if not len(new):
                return 0
            tail = self._tail(len(new))
            blocks = [segment.contents() for segment in tail]
            merged = _joined([*blocks, (vectors[new], kinds[new], items.take(new))])
            kept = [segment.entry for segment in self.segments[: len(self.segments) - len(tail)]]
            self._replace([*kept, write_parted(self.path, *merged)])
            return len(new)

    def remove(self, person: str) -> int:
        """Remove a person's items from the gallery and from the disk; their number, 0 if there are none.

        A journal is written first: whoever opens the gallery after a kill finishes the removal.
        """
        with self._writing():
            items = sum(int(s.matches("person", person).sum()) for s in self.segments)
            if items:
                write_json(self.path / JOURNAL, {"person": person, "items": items})
                self._finish_removal()
            elif in_one_form(person) == in_one_form(self.finished[0]):
                items = self.finished[1]
            self.finished = "", 0
            self._sweep(all_of_them=True)  # what a killed commit of theirs left
        return items

    def _tail(self, new: int) -> list[Segment]:
        """The newest segments that a commit of so many rows is merged with."""
        tail: list[Segment] = []
        rows = new
        for segment in reversed(self.segments):
            if len(segment) > _GROWTH * rows or rows + len(segment) > LARGEST:
                break
            tail.insert(0, segment)
            rows += len(segment)
        return tail

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the gallery's lock, at the newest segments, with nobody half removed."""
        with writer_lock(self.path, wait=-1):
            (self.path / SEGMENTS).mkdir(exist_ok=True)  # a copy may lack it while it is empty
            self._open_segments()
            if (self.path / JOURNAL).is_file():
                self._finish_removal()
            try:
                yield
            except Exception:
                self._sweep()  # of a full disk, above all
                raise

    def _open_segments(self) -> None:
        entries = read_segments(self.path)
        while True:
            there = {segment.entry["name"]: segment for segment in self.segments}
            try:
                self.segments = [
                    there.get(entry["name"]) or Segment(self.path, entry, self.dim) for entry in entries
                ]
                return
            except FileNotFoundError as error:
                # Another process has merged or rewritten it since the list was read, or it is lost.
                entries, before = read_segments(self.path), entries
                if entries == before:
                    raise InputError(error.filename, "is gone", RESTORE) from error

    def _finish_removal(self) -> None:
        """Do what the journal of a removal says, from its beginning."""
        journal = self.path / JOURNAL
        told: _Removal = read_json(journal, _Removal, remedy="delete it and remove the person again")
        entries = []
        for segment in self.segments:
            stays = ~segment.matches("person", told["person"])
            if stays.all():
                entries.append(segment.entry)
            elif stays.any():
                vectors, kinds, items = segment.contents()
                rest = vectors[stays], kinds[stays], items.filter(pa.array(stays))
                entries.append(write_segment(self.path, *rest, segment.labels()[stays]))
        self._replace(entries)
        self._sweep(all_of_them=True)
        journal.unlink()
        self.finished = told["person"], told["items"]

    def _replace(self, entries: list[SegmentEntry]) -> None:
        write_segments(self.path, entries)
        self._open_segments()
        self._sweep()

    def _sweep(self, *, all_of_them: bool = False) -> None:
        """Delete the files of segments that are no more, and what killed writers left.

        Raises:
            InputError: with ``all_of_them``, a file cannot be deleted.
        """
        named = {entry["name"] for entry in read_segments(self.path)}
        old = [file for file in (self.path / SEGMENTS).iterdir() if file.name.partition(".")[0] not in named]
        for file in {*old, *partial_files(self.path)}:
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                if all_of_them:
                    fault = f"cannot be deleted ({error.strerror or error})"
                    raise InputError(file, fault, "close what has it open and try again") from error


def write_parted(
    gallery: Path, vectors: Embeddings, kinds: npt.NDArray[np.int64], items: pa.Table
) -> SegmentEntry:
    """Write a segment in parts of near embeddings, if it is large; as `write_segment`."""
    labels = np.zeros(len(kinds), np.int64)
    for kind in np.unique(kinds):
        rows = np.flatnonzero(kinds == kind)
        if len(rows) >= PARTED_FROM:
            labels[rows] = partition(vectors[rows], round(float(len(rows) ** 0.5)))
    return write_segment(gallery, vectors, kinds, items, labels)


def _joined(blocks: Sequence[Block]) -> Block:
    vectors, kinds, items = zip(*blocks, strict=True)
    columns = pa.concat_tables(items, promote_options="default")
    return np.concatenate(vectors), np.concatenate(kinds), columns


def _summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items()))
