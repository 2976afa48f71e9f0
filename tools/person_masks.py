"""Masks of the person in every face picture of a corpus, for `voiceface train face_model --masks`.

MediaPipe's Selfie Segmentation (Apache-2.0) is the teacher. It needs an old NumPy, so it has an environment
of its own, which needs no voiceface:

    python -m venv teacher && teacher/bin/pip install "mediapipe==0.10.21" "pyarrow<21" pillow
    teacher/bin/python tools/person_masks.py CORPUS -o masks.npz [--glasses glasses.csv]
    voiceface train face_model --corpus CORPUS --masks masks.npz

Writes ``face`` (ids), ``person`` (n, 64, 64) uint8 over the corpus' whole picture, and ``glasses`` (n,):
``--glasses`` names a table ``face,glasses`` of 0 and 1 by somebody who has looked; NaN elsewhere. A few
hundred are enough for the logistic regression that finds the others.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from corpus_pictures import corpus_pictures
from PIL import Image

SIDE = 64


def main() -> None:
    """Find and write them."""
    import mediapipe

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--glasses", type=Path, help="table of face and glasses (0 or 1)")
    given = parser.parse_args()
    worn: dict[str, float] = {}
    if given.glasses:
        with given.glasses.open(newline="", encoding="utf-8") as file:
            worn = {row["face"]: float(row["glasses"]) for row in csv.DictReader(file)}
    teacher = mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0)
    names, masks = [], []
    for name, picture in corpus_pictures(given.corpus):
        mask = Image.fromarray((teacher.process(picture).segmentation_mask * 255).astype(np.uint8))
        names.append(name)
        masks.append(np.asarray(mask.resize((SIDE, SIDE), Image.Resampling.BOX)))
    glasses = np.array([worn.get(name, np.nan) for name in names], np.float32)
    np.savez_compressed(given.out, face=np.array(names), person=np.stack(masks), glasses=glasses)
    print(f"{given.out}: {len(names)} masks; glasses known of {np.isfinite(glasses).sum()} faces")


if __name__ == "__main__":
    main()
