"""Parquet files, also a stranger's: none unfolds to far more than its size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voiceface.errors import InputError
from voiceface.media.open_file import check_regular

# As in `read_npz`: rows of people and media are all different, so that they do not shrink so far.
_ALWAYS = 100_000_000
_RATIO = 100
_WIDTH = 8  # bytes of a number, at most
_TEXT = "BYTE_ARRAY"


def read_parquet(
    path: Path, *, columns: Sequence[str] | None = None, schema: pa.Schema | None = None, remedy: str
) -> pa.Table:
    """Read columns of a Parquet file that take no more than 100 times its size (or 100 MB) in memory.

    Args:
        path: the file.
        columns: their names; None for all.
        schema: what to read the file as, with nulls for columns that it lacks.
        remedy: what to do about a file that cannot be read.

    Raises:
        InputError: it is no regular or no Parquet file, cannot be read, or would take more memory.
    """
    check_regular(path)
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            size = path.stat().st_size
            if _unfolds(path, file, columns, allowed := _ALWAYS + _RATIO * size):
                fault = f"would take over {allowed:,} bytes once it is read, and is {size:,} long"
                raise InputError(path, fault, remedy)
            if schema is None:
                table = file.read(columns=columns, use_threads=False)
            else:
                table = pq.read_table(path, schema=schema)
        table.validate(full=True)  # text that is no UTF-8 is found here, not where it is used
        if columns is None or set(columns) <= set(table.column_names):
            return table
        raise InputError(path, f"lacks one of the columns {', '.join(columns)}", remedy)
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(path, "is no readable Parquet file", remedy) from error


def _unfolds(path: Path, file: pq.ParquetFile, columns: Sequence[str] | None, allowed: int) -> bool:
    """Whether the values of these columns take more bytes than are allowed."""
    facts = file.metadata
    chunks = [
        facts.row_group(group).column(number)
        for group in range(facts.num_row_groups)
        for number in range(facts.num_columns)
        if columns is None or facts.schema.column(number).path.split(".")[0] in columns
    ]
    total: int = sum(chunk.num_values * _WIDTH + chunk.total_uncompressed_size for chunk in chunks)
    # A text may be told once and repeated in every row: how long it is, only its dictionary says.
    texts = [chunk for chunk in chunks if chunk.physical_type == _TEXT]
    most: int = total + sum(chunk.num_values * chunk.total_uncompressed_size for chunk in texts)
    if total > allowed or most <= allowed:
        return total > allowed
    names = {chunk.path_in_schema for chunk in texts}
    with pq.ParquetFile(path, memory_map=False, read_dictionary=list(names)) as folded:
        for name in names:
            for column in folded.read(columns=[name], use_threads=False).columns:
                for chunk in column.chunks if pa.types.is_dictionary(column.type) else ():
                    lengths = pc.take(pc.binary_length(chunk.dictionary), chunk.indices)
                    total += pc.sum(lengths).as_py() or 0
    return total > allowed
