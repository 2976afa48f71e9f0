"""The grids of generated faces in the documents: one face for each of forty voices, six for each of eight.

    python tools/face_grids.py CORPUS --model imaginer -o docs

The voices are of people outside the training set, evenly spaced among the recordings of the test people; the
face of the i-th voice is sample i of seed 0. Nothing is left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from voiceface.corpus.corpus import Corpus
from voiceface.media.origin import Origin
from voiceface.media.picture import save_png
from voiceface.pipelines.imaginer import Imaginer
from voiceface.recipes._paired_people import split_paired
from voiceface.recipes.imaginer import load_imaginer

_SIDE = 160


def main() -> None:
    """Generate and write both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--model", default="imaginer", help="weights of imaginer")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs"))
    given = parser.parse_args()
    model = load_imaginer(given.model)
    named = Imaginer.load(given.model)
    origin = Origin(
        model=named.name, fingerprint=named.fingerprint[:16], seed=0, note="many samples in a grid"
    )
    test = split_paired(Corpus.open(given.corpus), validation=0.07, test=0.2, seed=0).test
    voices = torch.cat(list(model.corpus_conditions(test)))
    forty = evenly(voices, 40)
    save(model.generate_from(forty, list(range(40))), 8, given.output / "imaginer-grid.png", origin)
    eight = evenly(voices, 8).repeat_interleave(6, 0)
    save(model.generate_from(eight, list(range(6)) * 8), 6, given.output / "imaginer-draws.png", origin)


def evenly(rows: torch.Tensor, count: int) -> torch.Tensor:
    """``count`` of the rows, evenly spaced."""
    return rows[torch.arange(count) * (len(rows) // count)]


def save(pictures: np.ndarray, columns: int, path: Path, origin: Origin) -> None:
    """Write pictures (n, side, side, 3) as a grid."""
    sheet = Image.new("RGB", (columns * _SIDE, len(pictures) // columns * _SIDE))
    for index, picture in enumerate(pictures):
        place = (index % columns * _SIDE, index // columns * _SIDE)
        sheet.paste(Image.fromarray(picture).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), place)
    save_png(path, sheet, origin=origin)
    print(path)


if __name__ == "__main__":
    main()
