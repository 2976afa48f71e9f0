"""A segment of a gallery: items in three files that are written once, never altered, and mapped to memory."""

from __future__ import annotations

import mmap
import os
import secrets
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypedDict

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from voiceface.errors import InputError
from voiceface.media.files import atomic_path, write_bytes
from voiceface.models.model import Embeddings
from voiceface.pipelines.gallery_items import KINDS, spellings
from voiceface.pipelines.gallery_partition import mean_direction

SEGMENTS = "segments"
"""The folder of the segments' files in a gallery's folder."""

_ITEMS, _PARTS, _VECTORS = ".items.arrow", ".parts.arrow", ".vectors.f32"
_PLAIN = ("id", "path")
"""Columns in which hardly two values are equal; all others are stored as codes of their values."""
RESTORE = "restore it, or make the gallery anew"


class SegmentEntry(TypedDict):
    """What the list of segments says of one."""

    name: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
    rows: Annotated[int, msgspec.Meta(ge=1)]
    items_crc: int
    parts_crc: int


class Segment:
    """Items of a gallery, in parts of one kind each whose embeddings lie near each other.

    Attributes:
        entry: what the list of segments says of it.
        vectors: (rows, dim) float32 of length 1, part after part.
        starts: (parts + 1,) first row of each part, and the number of rows.
        kinds: (parts,) index of each part's kind in `KINDS`; they ascend.
        centroids: (parts, dim) mean of each part, of length 1.
        names: columns of the items.
    """

    def __init__(self, gallery: Path, entry: SegmentEntry, dim: int) -> None:
        """Map a segment's files.

        Raises:
            FileNotFoundError: they are gone, as another process has rewritten the segment.
            InputError: they are damaged.
        """
        self.entry = entry
        self._stem = gallery / SEGMENTS / entry["name"]
        self._items = self._table(_ITEMS, entry["items_crc"])
        parts = self._table(_PARTS, entry["parts_crc"])
        self._vectors = self._content(_VECTORS, entry["rows"] * dim * 4)
        self.vectors: Embeddings = np.frombuffer(self._vectors, "<f4").reshape(-1, dim)
        self.starts = np.concatenate([[0], np.cumsum(parts["rows"].to_numpy())])
        self.kinds = parts["kind"].to_numpy()
        centroids: Embeddings = parts["centroid"].chunk(0).flatten().to_numpy().reshape(-1, dim)
        self.centroids = centroids
        self._crcs = parts["crc"].to_numpy()
        self._checked = np.zeros(len(self._crcs), bool)
        self.names: list[str] = self._items.schema.names
        self._codes: dict[str, npt.NDArray[np.int32]] = {}
        self._sorted_ids: npt.NDArray[np.bytes_] | None = None

    def __len__(self) -> int:
        """Number of items."""
        return int(self.entry["rows"])

    def check(self, parts: npt.NDArray[np.int64]) -> None:
        """Compare the embeddings of parts with their checksums, each once.

        Raises:
            InputError: they have changed since they were written.
        """
        for part in parts[~self._checked[parts]].tolist():
            rows = self.vectors[self.starts[part] : self.starts[part + 1]]
            if zlib.crc32(rows.data) != self._crcs[part]:
                raise self._damaged(_VECTORS)
            self._checked[part] = True

    def holds(self, ids: npt.NDArray[np.bytes_]) -> npt.NDArray[np.bool_]:
        """Which of these ids are there."""
        if self._sorted_ids is None:
            stored = self._items["id"].chunk(0)
            self._sorted_ids = np.sort(np.frombuffer(stored.buffers()[1], "S16", len(stored)))
        places = np.searchsorted(self._sorted_ids, ids)
        return np.asarray(self._sorted_ids[np.minimum(places, len(self) - 1)] == ids)

    def matches(self, name: str, value: str) -> npt.NDArray[np.bool_]:
        """Which rows have a value in a column, in whichever Unicode form."""
        if name not in self.names:
            return np.zeros(len(self), bool)
        if name not in self._codes:
            indices = self._items[name].chunk(0).indices
            self._codes[name] = indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        values = self._items[name].chunk(0).dictionary
        found = np.zeros(len(self), bool)
        for one in spellings(value):
            code = pc.index(values, pa.scalar(one, values.type)).as_py()
            if code >= 0:
                found |= self._codes[name] == code
        return found

    def counts(self, name: str) -> dict[str, int]:
        """Value to number of items, of a column other than ``id`` and ``path``; None is left out."""
        found = self._items[name].value_counts().to_pylist() if name in self.names else []
        return {one["values"]: one["counts"] for one in found if one["values"] is not None}

    def kind_counts(self) -> dict[str, int]:
        """Kind to number of items."""
        sizes = np.bincount(self.kinds, weights=np.diff(self.starts), minlength=len(KINDS))
        return dict(zip(KINDS, sizes.astype(int).tolist(), strict=True))

    def item(self, row: int) -> dict[str, str]:
        """The columns of a row but its id, with its kind; attributes that it has not are left out."""
        part = int(np.searchsorted(self.starts, row, side="right")) - 1
        told = self._items.slice(row, 1).drop_columns(["id"]).to_pylist()[0]
        return {"kind": KINDS[self.kinds[part]]} | {k: v for k, v in told.items() if v is not None}

    def contents(self) -> tuple[Embeddings, npt.NDArray[np.int64], pa.Table]:
        """Embeddings (checked), kinds as indices, and columns of text, of all rows.

        Raises:
            InputError: the embeddings are damaged.
        """
        self.check(np.arange(len(self.kinds)))
        kinds = np.repeat(self.kinds, np.diff(self.starts)).astype(np.int64)
        columns = {
            name: self._items[name] if name in _PLAIN else pc.cast(self._items[name], pa.large_string())
            for name in self.names
        }
        return self.vectors, kinds, pa.table(columns)

    def labels(self) -> npt.NDArray[np.int64]:
        """The part of each row."""
        return np.repeat(np.arange(len(self.kinds)), np.diff(self.starts))

    def _table(self, suffix: str, crc: int) -> pa.Table:
        content = self._content(suffix)
        if zlib.crc32(content) != crc:
            raise self._damaged(suffix)
        return pa.ipc.open_file(pa.py_buffer(content)).read_all()

    def _content(self, suffix: str, size: int | None = None) -> mmap.mmap | bytes:
        path = Path(f"{self._stem}{suffix}")
        try:
            with path.open("rb") as file:
                there = os.fstat(file.fileno()).st_size
                if not there or size not in (None, there):
                    raise self._damaged(suffix)
                if os.name != "posix":  # Windows removes no file that is mapped
                    return file.read()
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise InputError(path, f"cannot be read ({error.strerror or error})", RESTORE) from error

    def _damaged(self, suffix: str) -> InputError:
        return InputError(f"{self._stem}{suffix}", "is damaged", RESTORE)


def write_segment(
    gallery: Path,
    vectors: Embeddings,
    kinds: npt.NDArray[np.int64],
    items: pa.Table,
    labels: npt.NDArray[np.int64],
) -> SegmentEntry:
    """Write a segment; nobody sees it until the list of segments names it.

    Args:
        gallery: the gallery's folder.
        vectors: (n, dim) of length 1, n of 1 or more.
        kinds: (n,) indices in `KINDS`.
        items: n rows, from `item_table`.
        labels: (n,) numbers: rows of one kind and one number make a part.

    Raises:
        InputError: the disk is full or may not be written.
    """
    order = np.lexsort((labels, kinds))
    parts = np.split(order, np.flatnonzero(np.diff(kinds[order]) | np.diff(labels[order])) + 1)
    stem = gallery / SEGMENTS / secrets.token_hex(8)
    crcs, means = [], []
    with atomic_path(f"{stem}{_VECTORS}") as path, path.open("wb") as file:
        for part in parts:
            rows = np.ascontiguousarray(vectors[part], "<f4")
            crcs.append(zlib.crc32(rows.data))
            means.append(mean_direction(rows))
            file.write(rows.data)
    told = {
        "kind": pa.array([kinds[part[0]] for part in parts], pa.int8()),
        "rows": pa.array([len(part) for part in parts], pa.int64()),
        "crc": pa.array(crcs, pa.uint32()),
        "centroid": pa.FixedSizeListArray.from_arrays(np.concatenate(means), vectors.shape[1]),
    }
    columns = {name: items[name].combine_chunks() for name in items.schema.names}
    coded = {name: c if name in _PLAIN else c.dictionary_encode() for name, c in columns.items()}
    return {
        "name": stem.name,
        "rows": len(order),
        "items_crc": _write_table(f"{stem}{_ITEMS}", pa.table(coded).take(order)),
        "parts_crc": _write_table(f"{stem}{_PARTS}", pa.table(told)),
    }


def item_table(ids: list[bytes], columns: Mapping[str, Sequence[str | None]]) -> pa.Table:
    """Items as `write_segment` takes them: ids of 16 bytes, and columns of text."""
    texts = {name: pa.array(values, pa.large_string()) for name, values in columns.items()}
    return pa.table({"id": pa.array(ids, pa.binary(16)), **texts})


def _write_table(path: str, table: pa.Table) -> int:
    """Write a table as one block of Arrow's file format; its checksum."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    content = sink.getvalue()
    write_bytes(path, memoryview(content))
    return zlib.crc32(content)
