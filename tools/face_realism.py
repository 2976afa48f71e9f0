"""How real a generator's faces look, and how much of a person they show, by measures it was not trained on.

    export VOICEFACE_FACERES=$PWD/vladmandic-human-3.3.6.tgz      (tools/second_recogniser.py says where from)
    python tools/face_realism.py CORPUS --model WEIGHTS [--compare-with NAME=FOLDER[:TEMPLATE]]
    python tools/face_realism.py CORPUS --model WEIGHTS --draws 6 --controls 5

Generates one face for every voice of the people tested on and prints, beside real faces of the same people
cut the same way: 1:2 matching by the second recogniser with a 95 % interval over people, within a gender too;
the kernel distance (KID) of its embeddings; sharpness; peaks of the power spectrum at the strides of
generators; the spread between people. The folder of another generator holds a picture VOICE.png for every
voice, in its template. Of an `imaginer`, ``--draws`` compares the draws of one voice and gives the share of
faces with glasses by the face model's own detector, and ``--controls`` fits it to wrong pairs of voices and
faces, whose matching by dlib's embeddings must be at chance.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.face_landmarks import shipped_mesh_network
from voiceface.corpus.splits import Selection
from voiceface.face.align import template_points
from voiceface.face.mesh import find_mesh
from voiceface.media.picture import load_picture
from voiceface.metrics.bootstrap import interval
from voiceface.metrics.distribution import kernel_distance, spread
from voiceface.metrics.image import sharpness
from voiceface.metrics.regular_grid import PERIODS, regular_grid
from voiceface.models.corpus_embeddings import face_embeddings
from voiceface.models.corpus_face_set import corpus_face_set
from voiceface.models.corpus_faces import aligned_faces
from voiceface.models.generated_faces import embed_generated_faces, generate_for_selection
from voiceface.models.imaginer import ImaginerModel
from voiceface.models.model import Pictures
from voiceface.pipelines.weights import load_model
from voiceface.recipes._paired_people import split_paired
from voiceface.recipes.face_mesh import corpus_meshes
from voiceface.recipes.imaginer import recipe

sys.path.insert(0, str(Path(__file__).parent))
from second_recogniser import FaceRes, describe_corpus, describe_faces, load_faceres  # noqa: E402

Rows = npt.NDArray[np.float32]


def main() -> None:
    """Read the command line, generate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--split", choices=("validation", "test"), default="test")
    parser.add_argument("--compare-with", action="append", default=[], metavar="NAME=FOLDER[:TEMPLATE]")
    parser.add_argument("--draws", type=int, default=0, help="draws of each of 40 voices")
    parser.add_argument("--controls", type=int, default=0, help="fits to wrong pairs")
    given = parser.parse_args()
    corpus, model = Corpus.open(given.corpus), load_model(given.model).model
    split = split_paired(corpus, seed=0, validation=0.07, test=0.2)
    part: Selection = getattr(split, given.split)
    network = load_faceres()
    real = describe_corpus(network, corpus)["embeddings"]
    own, mean = real[part.faces], real[split.train.faces].mean(0)
    print_realism(
        given.model, generate_for_selection(model, part), model.face_template, network, own, mean, part
    )
    for one in given.compare_with:
        name, _, place = one.partition("=")
        folder, _, template = place.partition(":")
        ids = corpus.column("voices", "id")[part.voices].tolist()
        pictures = np.stack([np.asarray(load_picture(Path(folder) / f"{id}.png")) for id in ids])
        print_realism(name, pictures, template or model.face_template, network, own, mean, part)
    if given.draws:
        print_draws(model, part, given.draws)
    if given.controls:
        print_controls(given.model, split.train, part, given.controls)


def print_realism(
    name: str, pictures: Pictures, template: str, network: FaceRes, own: Rows, mean: Rows, part: Selection
) -> None:
    """Print a line a figure of one set of pictures."""
    found = describe_faces(network, pictures, template=template)["embeddings"]
    photographs = aligned_faces(part.corpus, part.faces, pictures.shape[1], template=template)
    print(f"\n{name}")
    for label, within in (("all", False), ("within a gender", True)):
        print(f"  1:2 {label}: {matching(found, own, mean, part, within=within)}")
    distance, least = 1000 * kernel_distance(found, own), 1000 * halves(own)
    print(f"  KID x 1000: {distance:.2f}; two halves of the real faces {least:.2f}")
    side = pictures.shape[1]
    inner = slice(side // 3, 5 * side // 6), slice(side // 4, 3 * side // 4)
    whole, face = (
        sharpness(made).mean() / sharpness(seen).mean()
        for made, seen in ((pictures, photographs), (pictures[:, *inner], photographs[:, *inner]))
    )
    print(f"  sharpness, share of real: {whole:.2f}; of the inner face {face:.2f}")
    peaks = zip(PERIODS, regular_grid(pictures), regular_grid(photographs), strict=True)
    print("  grid, decades (real): " + ", ".join(f"{p} px {a:.2f} ({b:.2f})" for p, a, b in peaks))
    share = spread(first_of(found, part, "voices")) / spread(first_of(own, part, "faces"))
    print(f"  spread, share of real: {share:.3f}", flush=True)


def halves(rows: Rows) -> float:
    """KID between two random halves of the same faces."""
    order = np.random.default_rng(0).permutation(len(rows))
    return float(kernel_distance(rows[order[::2]], rows[order[1::2]]))


def first_of(rows: Rows, part: Selection, table: str) -> Rows:
    """One row a person."""
    return rows[np.unique(part.person_of(table), return_index=True)[1]]


def matching(found: Rows, real: Rows, mean: Rows | float, part: Selection, *, within: bool = False) -> str:
    """How often the own face is nearer than another person's, mean over people, with its interval."""
    speakers, owners = part.person_of("voices"), part.person_of("faces")
    gender = {person.id: person.gender for person in part.corpus.people}
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
            won = (own[:, None] > row[other]).mean() + 0.5 * (own[:, None] == row[other]).mean()
            wins.setdefault(speaker, []).append(float(won))
    each = np.array([np.mean(one) for one in wins.values()])
    picked = np.random.default_rng(0).integers(len(each), size=(1000, len(each)))
    low, high = interval(each[picked].mean(axis=1, keepdims=True))
    return f"{each.mean():.3f} [{low[0]:.3f}, {high[0]:.3f}] of {len(each)} people"


def unit(rows: Rows) -> Rows:
    """Rows of length 1."""
    scaled: Rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return scaled


def print_draws(model: ImaginerModel, part: Selection, draws: int) -> None:
    """Print the spread of the draws of one voice by dlib's embeddings, and the share with glasses."""
    voices = part.voices[np.unique(part.person_of("voices"), return_index=True)[1]][:40]
    few = Selection(part.corpus, voices=voices, faces=part.faces, clips=part.clips)
    made = np.concatenate(
        [
            model.generate_from(row.expand(draws, -1), list(range(draws)))
            for row in torch.cat(list(model.corpus_conditions(few)))
        ]
    )
    embeddings = embed_generated_faces(made, template=model.face_template)
    each = [spread(embeddings[first : first + draws]) for first in range(0, len(made), draws)]
    share = np.mean(each) / spread(first_of(face_embeddings(part.corpus)[part.faces], part, "faces"))
    print(f"\n  spread between {draws} draws of one voice, share of real people's (dlib): {share:.3f}")
    five = template_points(model.face_template, made.shape[1]) - 0.5
    points = np.stack([find_mesh(one, five, shipped_mesh_network()).points for one in made]) + 0.5
    photographs = corpus_face_set(part.corpus, part.faces, corpus_meshes(part, ""))
    pictures = torch.from_numpy(made).permute(0, 3, 1, 2)
    shares = [
        float((model.faces.measure(shown, where).expression[:, -1] > 0.5).float().mean())
        for shown, where in (
            (pictures, torch.from_numpy(points).float()),
            (photographs.pictures, photographs.points),
        )
    ]
    print(f"  with glasses: {shares[0]:.3f} of {len(made)} generated faces, {shares[1]:.3f} of real ones")


def print_controls(weights: str, train: Selection, part: Selection, count: int) -> None:
    """Print the matching, by dlib's embeddings, of fits to right pairs and to wrong ones."""
    loaded = load_model(weights)
    real = face_embeddings(part.corpus)
    mean = real[train.faces].mean(0)
    for seed in (None, *range(count)):
        wrong = {"wrong_labels": seed is not None, "seed": seed or 0, "face_model": weights}
        run = recipe(**(loaded.card["arguments"] | wrong))
        assert run.start is not None
        run.start(loaded.model, train, loaded.card["facts"])
        pictures = generate_for_selection(loaded.model, part)
        found = embed_generated_faces(pictures, template=loaded.model.face_template)
        label = "right pairs" if seed is None else f"wrong pairs, seed {seed}"
        print(f"  {label}: 1:2 by dlib {matching(found, real[part.faces], mean, part)}", flush=True)


if __name__ == "__main__":
    main()
