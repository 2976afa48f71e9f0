"""What no row of a corpus may say: places outside its arrays, items of nobody, landmarks that are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from voiceface.corpus.tables import ARRAYS, SCHEMAS


def _checked_columns(table: str) -> list[str]:
    places = [name for _, *columns in ARRAYS[table].values() for name in columns]
    known = SCHEMAS[table].names
    return ["id", "person", *places, *(name for name in ("landmarks", "sizes") if name in known)]


CHECKED_COLUMNS: Mapping[str, Sequence[str]] = {name: _checked_columns(name) for name in ARRAYS}
"""Of each table the columns that `row_fault` looks at."""


def row_fault(table: str, rows: pa.Table, people: pa.Array, sizes: Mapping[str, int]) -> str:
    """The first fault of one part's rows, or nothing.

    Args:
        table: ``voices``, ``faces`` or ``clips``.
        rows: The part's `CHECKED_COLUMNS`.
        people: Ids of the people table.
        sizes: Suffix to bytes of the part's arrays.
    """
    for name in rows.column_names:
        if rows[name].null_count:
            return f"has rows without {name}"
    strangers = pc.invert(pc.is_in(rows["person"], value_set=people))
    if pc.any(strangers).as_py():
        first = rows["person"].filter(strangers)[0].as_py()
        return f"has rows of {first!r}, who is not among the people"
    for suffix, offset_name, length_name in ARRAYS[table].values():
        end = sizes.get(suffix, 0) // (2 if suffix == "i16" else 1)
        offset, length = _numbers(rows[offset_name]), _numbers(rows[length_name])
        # Compared without a sum, which could run over.
        bad = (length < 0) | (length > end) | (offset < 0) | (offset > end - np.clip(length, 0, end))
        if bad.any():
            return f"has rows whose {offset_name} and {length_name} lie outside its .{suffix}"
    if "landmarks" in rows.column_names:
        points = rows["landmarks"].combine_chunks().flatten()
        if points.null_count or not pc.all(pc.is_finite(points)).as_py() and len(points):
            return "has landmarks that are no numbers"
    if "sizes" in rows.column_names:
        lists = rows["sizes"].combine_chunks()
        frames = lists.flatten()
        stops = np.concatenate([[0], np.cumsum(frames.to_numpy(zero_copy_only=False).astype(np.int64))])
        starts = lists.offsets.to_numpy() - lists.offsets[0].as_py()
        lengths = stops[starts[1:]] - stops[starts[:-1]]
        wrong = (lengths != _numbers(rows["length"])).any()
        if frames.null_count or wrong or (len(frames) and pc.min(frames).as_py() < 0):
            return "has clips whose frames are not as long as they say"
    return ""


def people_fault(ids: pa.Array) -> str:
    """What is wrong with the ids of the people table, or nothing."""
    if ids.null_count:
        return "has people without an id"
    if len(pc.unique(ids)) < len(ids):
        return "has two people of one id"
    return ""


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = column.to_numpy()
    return found
