"""How real a generator's faces look, and how much of a person they show, by measures it was not trained on.

    export VOICEFACE_FACERES=$PWD/vladmandic-human-3.3.6.tgz      (tools/second_recogniser.py says where from)
    python tools/face_realism.py CORPUS --model WEIGHTS [--split test] [--compare-with averages=FOLDER]
    python tools/face_realism.py CORPUS --model WEIGHTS --draws 6

Generates one face for every voice of the people tested on and prints, beside real faces of the same people
cut the same way: 1:2 matching by the second recogniser with a 95 % interval over people, within a gender too;
the kernel distance (KID) of its embeddings; sharpness; peaks of the power spectrum at the strides of
generators; the spread between people and, with ``--draws``, between the draws of one voice.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import Selection
from voiceface.media.picture import load_picture
from voiceface.metrics.bootstrap import interval
from voiceface.metrics.distribution import kernel_distance, spread
from voiceface.metrics.image import sharpness
from voiceface.metrics.regular_grid import PERIODS, regular_grid
from voiceface.models.corpus_faces import aligned_faces
from voiceface.models.generated_faces import embed_generated_faces, generate_for_selection
from voiceface.models.imaginer import ImaginerModel
from voiceface.models.model import Pictures
from voiceface.pipelines.weights import load_model
from voiceface.recipes._paired_people import split_paired

sys.path.insert(0, str(Path(__file__).parent))
from second_recogniser import FaceRes, describe_corpus, describe_faces, load_faceres  # noqa: E402

Rows = npt.NDArray[np.float32]


def main() -> None:
    """Read the command line, generate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--split", choices=("validation", "test"), default="test")
    parser.add_argument("--compare-with", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--draws", type=int, default=0, help="draws of each of 40 voices")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    corpus, model = Corpus.open(given.corpus), load_model(given.model).model
    split = split_paired(corpus, seed=0, validation=0.07, test=0.2)
    part: Selection = getattr(split, given.split)
    network = load_faceres()
    sets = {given.model: (generate_for_selection(model, part, seed=given.seed), model.face_template)}
    names = corpus.column("voices", "id")[part.voices].tolist()
    for one in given.compare_with:
        name, _, folder = one.partition("=")
        pictures = np.stack([np.asarray(load_picture(Path(folder) / f"{id}.png")) for id in names])
        sets[name] = (pictures, model.face_template)
    real = describe_corpus(network, corpus)["embeddings"]
    mean = real[split.train.faces].mean(0)
    report(corpus, part, network, sets, real, mean)
    if given.draws:
        print_draws(model, corpus, part, given.draws, given.seed)


def report(
    corpus: Corpus,
    part: Selection,
    network: FaceRes,
    sets: dict[str, tuple[Pictures, str]],
    real: Rows,
    mean: Rows,
) -> None:
    """Print a line a figure for each set of pictures, then for the real faces."""
    own = real[part.faces]
    for name, (pictures, template) in sets.items():
        found = describe_faces(network, pictures, template=template)["embeddings"]
        photographs = aligned_faces(corpus, part.faces, pictures.shape[1], template=template)
        print(f"\n{name}")
        for label, within in (("all", False), ("within a gender", True)):
            print(f"  1:2 {label}: {matching(found, own, mean, corpus, part, within)}")
        print(f"  KID {kernel_distance(found, own):.4f}; two halves of the real faces {halves(own):.4f}")
        side = pictures.shape[1]
        inner = slice(side // 3, 5 * side // 6), slice(side // 4, 3 * side // 4)
        whole, face = (
            sharpness(made).mean() / sharpness(seen).mean()
            for made, seen in ((pictures, photographs), (pictures[:, *inner], photographs[:, *inner]))
        )
        print(f"  sharpness, share of real {whole:.2f}; of the inner face {face:.2f}")
        peaks = zip(PERIODS, regular_grid(pictures), regular_grid(photographs), strict=True)
        print("  grid, decades (real): " + ", ".join(f"{p} px {a:.2f} ({b:.2f})" for p, a, b in peaks))
        share = spread(first_of(found, corpus, part, "voices")) / spread(first_of(own, corpus, part, "faces"))
        print(f"  spread, share of real: {share:.3f}")


def halves(rows: Rows) -> float:
    """KID between two random halves of the same faces."""
    order = np.random.default_rng(0).permutation(len(rows))
    return float(kernel_distance(rows[order[::2]], rows[order[1::2]]))


def first_of(rows: Rows, corpus: Corpus, part: Selection, table: str) -> Rows:
    """One row a person."""
    people = corpus.person_of(table)[getattr(part, table)]
    return rows[np.unique(people, return_index=True)[1]]


def matching(found: Rows, real: Rows, mean: Rows, corpus: Corpus, part: Selection, within: bool) -> str:
    """How often the own face is nearer than another person's, mean over people, with its interval."""
    speakers, owners = corpus.person_of("voices")[part.voices], corpus.person_of("faces")[part.faces]
    gender = {person.id: person.gender for person in corpus.people}
    genders = np.array([gender.get(str(owner), "") for owner in owners])
    scores = unit(found - mean) @ unit(real - mean).T
    wins: dict[str, list[float]] = {}
    for row, speaker in zip(scores, speakers.tolist(), strict=True):
        other = owners != speaker
        if within:
            if not gender.get(speaker):
                continue
            other &= genders == gender[speaker]
        own = row[owners == speaker]
        if len(own) and other.any():
            wins.setdefault(speaker, []).append(float((own[:, None] > row[other]).mean()))
    each = np.array([np.mean(one) for one in wins.values()])
    picked = np.random.default_rng(0).integers(len(each), size=(1000, len(each)))
    low, high = interval(each[picked].mean(axis=1, keepdims=True))
    return f"{each.mean():.3f} [{low[0]:.3f}, {high[0]:.3f}] of {len(each)} people"


def unit(rows: Rows) -> Rows:
    """Rows of length 1."""
    scaled: Rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return scaled


def print_draws(model: ImaginerModel, corpus: Corpus, part: Selection, draws: int, seed: int) -> None:
    """Print the spread of the draws of one voice, as a share of real people's, by dlib's embeddings."""
    from voiceface.models.corpus_embeddings import face_embeddings

    voices = part.voices[np.unique(corpus.person_of("voices")[part.voices], return_index=True)[1]][:40]
    few = Selection(corpus, voices=voices, faces=part.faces, clips=part.clips)
    conditions = torch.cat(list(model.corpus_conditions(few)))
    each = []
    for row in conditions:
        pictures = model.generate_from(row.expand(draws, -1), list(range(draws)), seed=seed)
        each.append(spread(embed_generated_faces(pictures, template=model.face_template)))
    real = face_embeddings(corpus)[part.faces]
    share = np.mean(each) / spread(first_of(real, corpus, part, "faces"))
    print(f"  spread between {draws} draws of one voice, share of real people's (dlib): {share:.3f}")


if __name__ == "__main__":
    main()
