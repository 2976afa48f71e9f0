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
    if not (corpus / "corpus.json").is_file():
        sys.exit(f"{corpus}: is no corpus; make one with voiceface prepare")
    for part in sorted((corpus / "faces").glob("*.parquet")):
        arrays = corpus / "arrays" / "faces" / f"{part.stem}.jpegs"
        media = np.memmap(arrays if arrays.is_file() else part.with_suffix(".jpegs"), np.uint8, mode="r")
        for row in pq.read_table(part, columns=["id", "offset", "length"]).to_pylist():
            data = media[row["offset"] : row["offset"] + row["length"]].tobytes()
            yield row["id"], np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
