"""Reading a corpus' tables: columns at once, records one by one, media from memory-mapped arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Generic, NotRequired, TypedDict, TypeVar, overload

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from voiceface.corpus.read_parquet import read_parquet
from voiceface.corpus.row_checks import CHECKED_COLUMNS, row_fault
from voiceface.corpus.tables import ARRAYS, ARRAYS_FOLDER, FORMAT, SCHEMAS, part_facts
from voiceface.errors import InputError
from voiceface.media.read_json import read_json

CARD = "corpus.json"
"""The file that makes a folder a corpus; written before anything else."""

SOURCE_REJECTIONS = "listed"
"""The part of ``rejected/`` with what the source itself rejected; no shard, so no commit."""

R = TypeVar("R")
_Count = Annotated[int, msgspec.Meta(ge=0)]

_AGAIN = "prepare it again, or copy the whole folder again"
_THREADS = 8


def read_card(path: Path) -> dict[str, Any]:
    """The content of ``corpus.json``.

    Raises:
        InputError: no such file, not one of ours, or of a newer format than this package reads.
    """
    card = path / CARD
    if not path.exists():
        raise InputError(path, "does not exist", "make a corpus with `voiceface prepare`")
    if not card.is_file():
        raise InputError(path, "is not a corpus (no corpus.json in it)", "name a prepared folder")
    head = read_json(card, _Head, remedy=_AGAIN)
    if head["format"] > FORMAT:
        raise InputError(
            path,
            f"is of format {head['format']}, and this version reads up to {FORMAT}",
            f"update voiceface (it was made by {head.get('version', 'a newer version')})",
        )
    facts: dict[str, Any] = read_json(card, _Card, remedy=_AGAIN)
    return facts


class _Head(TypedDict):
    format: int
    version: NotRequired[str]


class _Plan(TypedDict):
    shards: _Count
    digest: str


class _Card(_Head):
    plans: NotRequired[list[_Plan]]
    arguments: NotRequired[dict[str, Any]]
    options: NotRequired[dict[str, Any]]
    made: NotRequired[dict[str, Any]]


class _TableFacts(TypedDict):
    rows: _Count
    arrays: NotRequired[dict[str, _Count]]
    sum: NotRequired[Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]]


class _Facts(TypedDict):
    """What the footer of a commit says."""

    tables: NotRequired[dict[str, _TableFacts]]


@dataclass(frozen=True, slots=True)
class Commit:
    """What one finished shard wrote, by table: ``rows``, ``arrays`` (suffix -> bytes) and ``sum``."""

    part: str
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def rows(self, table: str) -> int:
        """Rows of a table that this shard wrote."""
        return int(self.facts.get(table, {}).get("rows", 0))


def commits(path: Path) -> list[Commit]:
    """The finished shards, in order; only they are part of the corpus.

    Raises:
        InputError: a commit cannot be read.
    """
    found = []
    for part in sorted((path / "items").glob("*.parquet")):
        if part.name.startswith("."):
            continue
        try:
            facts = part_facts(part)
            msgspec.convert(facts, _Facts)
            found.append(Commit(part.stem, facts.get("tables", {})))
        except (pa.ArrowException, OSError, ValueError, msgspec.ValidationError, RecursionError) as error:
            raise InputError(part, "is no readable Parquet file", _AGAIN) from error
    return found


class Table:
    """One table over all its parts: rows in the order of their ids, whatever shards they came from."""

    def __init__(self, corpus: Path, name: str, parts: Sequence[Commit]) -> None:
        self.folder, self.name = corpus / name, name
        self.parts = [part for part in parts if part.rows(name)]
        self._arrays: dict[tuple[int, str], npt.NDArray[Any]] = {}
        self._columns: dict[str, npt.NDArray[Any]] = {}
        self._last: tuple[int, Any] = (-1, None)

    def __len__(self) -> int:
        """Rows, known without reading the table."""
        return sum(part.rows(self.name) for part in self.parts)

    def missing(self) -> list[InputError]:
        """What of the committed parts is not there or is shorter than committed, one error a file."""
        faults = []
        for part in self.parts:
            rows = self.folder / f"{part.part}.parquet"
            if not rows.is_file():
                faults.append(InputError(rows, "is missing", _AGAIN))
            for suffix, size in part.facts[self.name]["arrays"].items():
                array = self._array_path(part, suffix)
                there = array.stat().st_size if array.is_file() else -1
                if there < 0:
                    faults.append(InputError(array, "is missing beside its table", _AGAIN))
                elif there != size:
                    faults.append(InputError(array, f"has {there} bytes instead of {size}", _AGAIN))
        return faults

    def row_fault(self, people: pa.Array) -> InputError | None:
        """The first fault in what the rows say: nobody's items, places outside the arrays (`row_fault`)."""

        def check(index: int) -> str:
            sizes = self.parts[index].facts[self.name]["arrays"]
            return row_fault(self.name, self._part(index, CHECKED_COLUMNS[self.name]), people, sizes)

        with ThreadPoolExecutor(_THREADS) as pool:
            for part, fault in zip(self.parts, pool.map(check, range(len(self.parts))), strict=True):
                if fault:
                    return InputError(self.folder / f"{part.part}.parquet", fault, _AGAIN)
        return None

    def _array_path(self, part: Commit, suffix: str) -> Path:
        """The file of an array; until format 2 it lay beside the part."""
        name = f"{part.part}.{suffix}"
        path, beside = self.folder.parent / ARRAYS_FOLDER / self.name / name, self.folder / name
        return beside if beside.is_file() and not path.is_file() else path

    def _part(self, index: int, names: Sequence[str]) -> pa.Table:
        """Some columns of one part."""
        part = self.parts[index]
        path = self.folder / f"{part.part}.parquet"
        rows = read_parquet(path, columns=names, remedy=_AGAIN)
        if rows.num_rows != part.rows(self.name):
            raise InputError(path, f"has {rows.num_rows} rows of {part.rows(self.name)}", _AGAIN)
        schema = pa.schema([SCHEMAS[self.name].field(name) for name in names])
        if not rows.schema.equals(schema):
            raise InputError(path, "has other columns than this version's", _AGAIN)
        return rows.replace_schema_metadata(None)

    def _parts(self, names: Sequence[str]) -> pa.Table:
        """Some columns of all parts, one after the other."""
        if not self.parts:
            return pa.schema([SCHEMAS[self.name].field(name) for name in names]).empty_table()
        # Reading small files is mostly waiting: Arrow releases the interpreter's lock meanwhile.
        with ThreadPoolExecutor(_THREADS) as pool:
            read = list(pool.map(lambda index: self._part(index, names), range(len(self.parts))))
        return pa.concat_tables(read).combine_chunks()

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        """Number of rows before each part, and in all."""
        return np.cumsum([0, *(part.rows(self.name) for part in self.parts)])

    @cached_property
    def _order(self) -> npt.NDArray[np.int64] | None:
        """Position among the parts' rows of each row by id; None if they are sorted already."""
        ids = self._parts(["id"])["id"].combine_chunks()
        if len(ids) < 2 or pc.all(pc.less_equal(ids.slice(0, len(ids) - 1), ids.slice(1))).as_py():
            return None
        return pc.sort_indices(ids).to_numpy().astype(np.int64)  # type: ignore[no-any-return]

    @cached_property
    def arrow(self) -> pa.Table:
        """All rows as an Arrow table, sorted by id."""
        table = self._parts(SCHEMAS[self.name].names)
        return table if self._order is None else table.take(pa.array(self._order))

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column as a read-only numpy array: strings as objects, landmarks as (rows, 10).

        Only this column is read.

        Raises:
            InputError: there is no such column.
        """
        if name not in self._columns:
            if name not in SCHEMAS[self.name].names:
                names = ", ".join(SCHEMAS[self.name].names)
                raise InputError(f"{self.name}.{name}", "no such column", f"there are {names}")
            column = self._parts([name])[name].combine_chunks()
            if self._order is not None:
                column = column.take(pa.array(self._order))
            if pa.types.is_fixed_size_list(column.type) and not column.null_count:
                flat = column.flatten().to_numpy(zero_copy_only=False)
                values = flat.reshape(len(column), column.type.list_size)
            else:
                values = column.to_numpy(zero_copy_only=False)
            values.flags.writeable = False
            self._columns[name] = values
        return self._columns[name]

    def _part_and_row(self, index: int) -> tuple[int, int]:
        """The part that row ``index`` is in, and its number there."""
        position = index if self._order is None else int(self._order[index])
        part = int(np.searchsorted(self._starts, position, side="right")) - 1
        return part, position - int(self._starts[part])

    def row(self, index: int) -> dict[str, Any]:
        """Row ``index`` as Python values; only its part is read."""
        part, row = self._part_and_row(index)
        if self._last[0] != part:
            self._last = part, self._part(part, SCHEMAS[self.name].names)
        return self._last[1].slice(row, 1).to_pylist()[0]  # type: ignore[no-any-return]

    def media(self, array: str, index: int) -> npt.NDArray[Any]:
        """What row ``index`` points to in one of the table's arrays: a read-only memory-mapped slice.

        int16 samples, or the uint8 bytes of an encoded picture.
        """
        suffix, offset_name, length_name = ARRAYS[self.name][array]
        part, _ = self._part_and_row(index)
        offset, length = int(self.column(offset_name)[index]), int(self.column(length_name)[index])
        dtype = np.dtype("<i2") if suffix == "i16" else np.dtype(np.uint8)
        if not length:
            return np.zeros(0, dtype)
        whole = self._arrays.get((part, suffix))
        if whole is None:
            path = self._array_path(self.parts[part], suffix)
            try:
                whole = np.memmap(path, dtype=dtype, mode="r")
            except (OSError, ValueError) as error:
                raise InputError(path, "is missing beside its table", _AGAIN) from error
            self._arrays[part, suffix] = whole
        if offset < 0 or length < 0 or offset + length > len(whole):
            path = self._array_path(self.parts[part], suffix)
            raise InputError(path, f"ends before row {index} of {self.name}", _AGAIN)
        return whole[offset : offset + length]


class Records(Sequence[R], Generic[R]):
    """A table as a sequence of records, each built when it is asked for."""

    def __init__(self, table: Table, build: Callable[[dict[str, Any]], R]) -> None:
        self._table, self._build = table, build

    def __len__(self) -> int:
        """Rows, known without reading the table."""
        return len(self._table)

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> list[R]: ...
    def __getitem__(self, index: int | slice) -> R | list[R]:
        """Record ``index``, or a list of records for a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"{self._table.name}[{index}] of {size}")
        return self._build(self._table.row(index % size))

    def __iter__(self) -> Iterator[R]:
        """All records in order, read in blocks: far faster than one by one."""
        for batch in self._table.arrow.to_batches(max_chunksize=4096):
            yield from map(self._build, batch.to_pylist())
