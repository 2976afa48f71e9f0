"""The baseline that the Imaginer must beat: the training faces that go best with a voice, averaged.

    python tools/nearest_averages.py CORPUS FOLDER [--count 40] [--split test]
    voiceface evaluate faces --model RUN --corpus CORPUS --compare-with averages=FOLDER

Splits the corpus as `voiceface train imaginer` does, and writes one blurred face for each voice of the people
tested on. The pictures are made of real people's faces: they must not be passed on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from voiceface.corpus.corpus import Corpus
from voiceface.models.corpus_embeddings import as_tensor, face_embeddings, voice_embeddings
from voiceface.models.corpus_faces import aligned_faces
from voiceface.models.encoder_loading import load_voice_encoder
from voiceface.models.face_model import TEMPLATE
from voiceface.models.matching import solve
from voiceface.recipes._paired_people import paired_indices
from voiceface.recipes.imaginer import recipe


def main() -> None:
    """Read the command line and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=40, help="faces averaged")
    parser.add_argument("--split", choices=("validation", "test"), default="test")
    asked = parser.parse_args()
    run, corpus = recipe(), Corpus.open(asked.corpus)
    split = run.split(corpus)
    size = int(run.contract["size"])
    left, right = paired_indices(split.train, wrong_labels=None)
    kept = np.unique(right)
    voices = voice_embeddings(corpus, load_voice_encoder(run.arguments["voice_encoder"]))
    faces = face_embeddings(corpus)
    found = solve(as_tensor(voices[left]), as_tensor(faces[right]), ridge=5.0, dim=64)
    pictures = torch.from_numpy(aligned_faces(corpus, kept, size, template=TEMPLATE))
    places = F.normalize((as_tensor(faces[kept]) - found.face_mean) @ found.face_map, dim=1)
    tested = getattr(split, asked.split).voices
    near = F.normalize((as_tensor(voices[tested]) - found.voice_mean) @ found.voice_map, dim=1) @ places.T
    best, indices = near.topk(min(asked.count, len(kept)), dim=1)
    weights = (best / 0.1).softmax(dim=1)
    drawn = np.stack(
        [
            torch.einsum("k,khwc->hwc", share, pictures[some].float()).round().to(torch.uint8).numpy()
            for share, some in zip(weights, indices, strict=True)
        ]
    )
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name, picture in zip(corpus.column("voices", "id")[tested], drawn, strict=True):
        Image.fromarray(picture).save(asked.folder / f"{name}.png")
    print(f"{len(drawn)} averages of {indices.shape[1]} of {len(kept)} training faces in {asked.folder}")


if __name__ == "__main__":
    main()
