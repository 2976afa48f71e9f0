"""The tables of a corpus on disk: their columns, their arrays, and how a part of one is written.

A corpus is a folder::

    corpus.json                     format, package version, source, arguments, options, plans
    people/people.parquet
    items/000-00042.parquet         what became of every item of shard 42: the shard's commit
    voices/000-00042.parquet        rows of the shard
    faces/, clips/                  the same
    arrays/voices/000-00042.i16     their int16 samples, 16 kHz, little-endian
    arrays/faces/000-00042.jpegs    JPEG files end to end; 000-00042.frames the same of whole frames, if kept
    arrays/clips/000-00042.jpegs    and 000-00042.i16
    rejected/000-00042.parquet      what could not be read, and why

Only parts whose shard stands in ``items/`` count. Offsets and lengths are samples or bytes. A table's folder
holds nothing but Parquet, so that anything reads it as one; in format 1 the arrays lay beside the parts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from voiceface.media.files import atomic_path
from voiceface.media.open_file import check_regular

FORMAT = 2
"""The layout's number; a reader refuses a higher one."""

Row = dict[str, Any]

_TEXT, _INT, _REAL, _SMALL = pa.string(), pa.int64(), pa.float64(), pa.float32()


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(list(columns.items()))


_IDENTITY_COLUMNS = {"id": _TEXT, "person": _TEXT, "session": _TEXT, "source": _TEXT}
_FACE_COLUMNS = {
    **dict.fromkeys(("left", "top", "right", "bottom"), _SMALL),
    "landmarks": pa.list_(_SMALL, 10),
    "width": pa.int32(),
    "height": pa.int32(),
    **dict.fromkeys(("score", "quality", "size", "blur", "yaw", "pitch", "roll"), _SMALL),
    "others": pa.int32(),
}
_BYTES = {"content": _TEXT, "offset": _INT, "length": _INT}
_SOUND = {"level": _SMALL, "speech": _SMALL}

SCHEMAS: Mapping[str, pa.Schema] = {
    "people": _schema(
        id=_TEXT, name=_TEXT, gender=_TEXT, nationality=_TEXT, age=_REAL, ethnicity=_TEXT, split=_TEXT
    ),
    "voices": _schema(
        **_IDENTITY_COLUMNS,
        start=_REAL,
        seconds=_REAL,
        language=_TEXT,
        emotion=_TEXT,
        split=_TEXT,
        **_SOUND,
        **_BYTES,
    ),
    "faces": _schema(
        **_IDENTITY_COLUMNS,
        time=_REAL,
        split=_TEXT,
        **_FACE_COLUMNS,
        **_BYTES,
        frame_offset=_INT,
        frame_length=_INT,
        frame_box=pa.list_(_SMALL, 4),
    ),
    "clips": _schema(
        **_IDENTITY_COLUMNS,
        start=_REAL,
        seconds=_REAL,
        fps=_REAL,
        language=_TEXT,
        emotion=_TEXT,
        split=_TEXT,
        **_FACE_COLUMNS,
        **_SOUND,
        **_BYTES,
        sizes=pa.list_(pa.int32()),
        sound_offset=_INT,
        sound_length=_INT,
    ),
    "rejected": _schema(path=_TEXT, reason=_TEXT, person=_TEXT, key=_TEXT),
    "items": _schema(kind=_TEXT, key=_TEXT, path=_TEXT, voices=_INT, faces=_INT, clips=_INT),
}

ARRAYS: Mapping[str, Mapping[str, tuple[str, str, str]]] = {
    "voices": {"samples": ("i16", "offset", "length")},
    "faces": {
        "pictures": ("jpegs", "offset", "length"),
        "frames": ("frames", "frame_offset", "frame_length"),
    },
    "clips": {"pictures": ("jpegs", "offset", "length"), "samples": ("i16", "sound_offset", "sound_length")},
}
"""Of each table its arrays: name -> (file suffix, offset column, length column)."""

ARRAYS_FOLDER = "arrays"
"""The folder of the arrays, in it one a table."""

_OFFSET_COLUMNS = frozenset(
    {"offset", "length", "frame_offset", "frame_length", "sound_offset", "sound_length"}
)


def content_sum(table: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """The rows' digests added modulo 2**256: equal for equal contents in any order and any shards.

    What a row says counts, and the digest of its media (``content``), not where its bytes lie.
    """
    total = 0
    for row in rows:
        facts = [table, {name: value for name, value in sorted(row.items()) if name not in _OFFSET_COLUMNS}]
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).digest()
        total += int.from_bytes(digest, "big")
    return total % (1 << 256)


def write_table(path: Path, table: str, rows: Sequence[Row], facts: Mapping[str, Any]) -> None:
    """Write rows as one Parquet part, whole or not at all; ``facts`` (JSON) travel in its footer."""
    schema = SCHEMAS[table].with_metadata({"voiceface": json.dumps(facts, sort_keys=True)})
    # Column by column, for a list of rows is checked only against the columns of its first.
    columns = [pa.array([row[field.name] for row in rows], field.type) for field in schema]
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_arrays(columns, schema=schema), temporary, compression="zstd")


def part_facts(path: Path) -> dict[str, Any]:
    """What `write_table` put into the footer; empty for a Parquet file of somebody else's."""
    check_regular(path)
    metadata = pq.read_schema(path, memory_map=False).metadata or {}
    facts = json.loads(metadata.get(b"voiceface", b"{}"))
    return facts if isinstance(facts, dict) else {}


class PartWriter:
    """One table's part of one shard: arrays grow as rows are added, the Parquet file comes last.

    Nothing appears under a final name until the ``with`` block ends without an error. A part without
    rows leaves no file. `facts` then says what was written.
    """

    def __init__(self, corpus: Path, table: str, part: str) -> None:
        self.table, self.folder, self.part = table, corpus / table, part
        self.rows: list[Row] = []
        self.sizes: dict[str, int] = {}
        self._stack = ExitStack()
        self._files: dict[str, BinaryIO] = {}

    def __enter__(self) -> Self:
        """Nothing is opened before the first row."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit arrays, then rows; on an error remove all of it."""
        # Closes the files, then leaves their contexts, which remove them on an error and rename otherwise.
        self._stack.__exit__(kind, error, trace)
        if kind is None and self.rows:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_table(self.folder / f"{self.part}.parquet", self.table, self.rows, self.facts())

    def add(self, row: Row, arrays: Mapping[str, bytes | memoryview]) -> None:
        """Append one row and its bytes; offset and length columns are filled in here.

        An array that is not given gets length 0.
        """
        for name, (suffix, offset, length) in ARRAYS.get(self.table, {}).items():
            row[offset] = row[length] = 0
            if name in arrays:
                row[offset], row[length] = self.append(suffix, arrays[name])
        self.rows.append(row)

    def append(self, suffix: str, data: bytes | memoryview) -> tuple[int, int]:
        """Append bytes to an array; its offset and length there, in elements (2 bytes in ``i16``)."""
        if suffix not in self._files:
            folder = self.folder.parent / ARRAYS_FOLDER / self.table
            folder.mkdir(parents=True, exist_ok=True)
            final = folder / f"{self.part}.{suffix}"
            temporary = self._stack.enter_context(atomic_path(final))
            self._files[suffix] = self._stack.enter_context(temporary.open("wb"))
            self.sizes[suffix] = 0
        width = 2 if suffix == "i16" else 1
        start = self.sizes[suffix]
        self._files[suffix].write(data)
        self.sizes[suffix] += memoryview(data).nbytes
        return start // width, memoryview(data).nbytes // width

    def facts(self) -> dict[str, Any]:
        """Rows, bytes of each array and the content sum, as the commit records them."""
        total = content_sum(self.table, self.rows)
        return {"rows": len(self.rows), "arrays": dict(self.sizes), "sum": f"{total:064x}"}
