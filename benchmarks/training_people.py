"""Whether a face generator learns its training people: AUC of its faces on them and on unknown people.

    python benchmarks/training_people.py CORPUS WEIGHTS [--most 150]

The generated face is the probe, embedded like photographs by dlib's recogniser and compared by centred cosine
with the real faces of as many training people as unknown ones. Far apart: it remembers people; both near
chance: it has not learnt them.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from voiceface.corpus.corpus import Corpus
from voiceface.evaluation.training_split import training_split
from voiceface.models.corpus_embeddings import face_embeddings
from voiceface.models.generated_faces import embed_generated_faces, generate_for_selection
from voiceface.pipelines.weights import load_model
from voiceface.protocols.pair_verification import pair_trials, verification


def weights_parser(doc):
    """Arguments of a benchmark of trained weights: their corpus, and the weights."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("weights", type=Path)
    return parser


def weights_and_split(parser):
    """The arguments, the corpus and weights they name, and how the people were divided; one thread."""
    given = parser.parse_args()
    torch.set_num_threads(1)
    corpus, loaded = Corpus.open(given.corpus), load_model(given.weights)
    split = training_split(given.weights, loaded, corpus)
    if split is None:
        parser.error("these weights were not trained on this corpus")
    return given, corpus, loaded, split


def main():
    parser = weights_parser(__doc__)
    parser.add_argument("--most", type=int, default=150, help="people of each kind")
    given, corpus, loaded, split = weights_and_split(parser)
    real = face_embeddings(corpus)
    for name, part in (("training people", split.train), ("unknown people", split.test)):
        people = np.intersect1d(part.person_of("voices"), part.person_of("faces"))
        chosen = np.random.default_rng(0).permutation(people)[: given.most]
        part = part.restrict(sorted(chosen.tolist()))
        pictures = generate_for_selection(loaded.model, part)
        generated = embed_generated_faces(pictures, template=loaded.model.face_template)
        sides = [side - side.mean(0) for side in (generated, real[part.faces])]
        sides = [side / np.linalg.norm(side, axis=1, keepdims=True).clip(1e-9) for side in sides]
        owners = part.person_of("voices"), part.person_of("faces")
        trials = pair_trials(sides[0].astype(np.float64) @ sides[1].T, people=owners)
        found = verification(trials.scores, trials.labels, people=trials.people)
        print(f"{name}: {found.auc}", flush=True)


if __name__ == "__main__":
    main()
