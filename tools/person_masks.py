"""Masks of the person in each picture of a corpus, as the recipe ``face_model`` takes them.

    python -m venv teacher && teacher/bin/pip install mediapipe==0.10.21 pyarrow
    voiceface prepare pairs DATA -o CORPUS
    teacher/bin/python tools/person_masks.py PICTURES -o masks.npz [--glasses glasses.csv]

MediaPipe's Selfie Segmentation (Apache-2.0) is the teacher; it needs an older NumPy than voiceface and so an
environment of its own, and reads folders of pictures: a face's id in the corpus is the name of the picture
without its suffix. ``--glasses`` names a table ``face,glasses`` of 0 and 1 that somebody has looked at; a few
hundred faces are enough for the logistic regression that finds the others.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 64
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def main() -> None:
    """Read the command line and write the masks."""
    import mediapipe  # type: ignore[import-not-found,import-untyped,unused-ignore]  # in its own environment

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pictures", type=Path, nargs="+", help="folders of pictures")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--glasses", type=Path, help="table of face and glasses (0 or 1)")
    given = parser.parse_args()
    worn: dict[str, float] = {}
    if given.glasses:
        with given.glasses.open(newline="", encoding="utf-8") as file:
            worn = {row["face"]: float(row["glasses"]) for row in csv.DictReader(file)}
    teacher = mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0)
    names, masks = [], []
    for folder in given.pictures:
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
            picture = np.asarray(Image.open(path).convert("RGB"))
            mask = Image.fromarray((teacher.process(picture).segmentation_mask * 255).astype(np.uint8))
            names.append(path.stem)
            masks.append(np.asarray(mask.resize((SIDE, SIDE), Image.Resampling.BOX)))
    np.savez_compressed(
        given.out,
        face=np.array(names),
        person=np.stack(masks),
        glasses=np.array([worn.get(name, np.nan) for name in names], np.float32),
    )
    print(f"{len(names)} masks in {given.out}; glasses known of {len(worn)}")


if __name__ == "__main__":
    main()
