"""The pictures of a corpus' faces, for programs whose environment has no voiceface.

Needs pyarrow, NumPy and Pillow alone. A corpus of format 1 has its arrays beside the tables, later ones in
``arrays/`` (`voiceface.corpus.tables`).
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image


def corpus_pictures(corpus: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Id and picture (height, width, 3) uint8 of each face; ends the program if ``corpus`` is none."""
    for media, row in _rows(corpus, "faces", "jpegs", ["offset", "length"]):
        data = media[row["offset"] : row["offset"] + row["length"]].tobytes()
        yield row["id"], np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def clip_pictures(corpus: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The same of the frames of talking clips; frame k of clip C is called ``C#k``."""
    for media, row in _rows(corpus, "clips", "jpegs", ["offset", "sizes"]):
        at = row["offset"]
        for frame, size in enumerate(row["sizes"]):
            data = media[at : at + size].tobytes()
            yield f"{row['id']}#{frame}", np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
            at += size


def _rows(corpus: Path, table: str, suffix: str, columns: list[str]) -> Iterator[tuple[np.ndarray, dict]]:
    """The rows of a table, each with the array that its media lie in."""
    if not (corpus / "corpus.json").is_file():
        sys.exit(f"{corpus}: is no corpus; make one with voiceface prepare")
    for part in sorted((corpus / table).glob("*.parquet")):
        arrays = corpus / "arrays" / table / f"{part.stem}.{suffix}"
        media = np.memmap(arrays if arrays.is_file() else part.with_suffix(f".{suffix}"), np.uint8, mode="r")
        for row in pq.read_table(part, columns=["id", *columns]).to_pylist():
            yield media, row
