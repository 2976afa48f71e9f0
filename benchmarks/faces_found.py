"""In how many of a face generator's pictures dlib finds a face, by the step of the training.

    python benchmarks/faces_found.py CORPUS WEIGHTS CHECKPOINT... [--each 10]

A face is generated for ten test recordings of each person by each checkpoint, and looked for in the picture
as it is and after a mean of 3 x 3 pixels, which takes out a grain and leaves the features. Intervals are over
people. A training keeps its last two checkpoints: copy them while it runs.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from training_people import weights_and_split, weights_parser

from voiceface.evaluation.embed_redetected_faces import embed_redetected_faces
from voiceface.models.generated_faces import generate_for_selection
from voiceface.protocols.people_bootstrap import People, mean_of_items


def smoothed(pictures):
    """Pictures, (n, height, width, 3) uint8, each pixel the mean of the 3 x 3 around it."""
    wide = np.pad(pictures.astype(np.float32), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = pictures.shape[1:3]
    shifted = [wide[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return np.mean(shifted, axis=0).round().astype(np.uint8)


def main():
    parser = weights_parser(__doc__)
    parser.add_argument("checkpoints", type=Path, nargs="*", help="of it; by default the weights")
    parser.add_argument("--each", type=int, default=10, help="recordings of each person")
    given, corpus, loaded, split = weights_and_split(parser)
    owners = split.test.person_of("voices")
    kept = np.concatenate([np.flatnonzero(owners == person)[: given.each] for person in np.unique(owners)])
    kept.sort()
    part = replace(split.test, voices=split.test.voices[kept])
    people = People(part.person_of("voices"), resamples=1000, seed=0)
    for path in given.checkpoints or [None]:
        step = "kept"
        if path is not None:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            step = saved["step"]
            loaded.model.load_state_dict(saved["model"])
        loaded.model.eval()
        pictures = generate_for_selection(loaded.model, part)
        for name, shown in (("as it is", pictures), ("smoothed", smoothed(pictures))):
            single, index = np.unique(shown, axis=0, return_inverse=True)
            found = embed_redetected_faces(single)[1][index.reshape(-1)]
            share = mean_of_items("faces found", found.astype(float), people, share=True)
            print(f"step {step}, {name}: {share}", flush=True)


if __name__ == "__main__":
    main()
