"""What others add to a matcher, each addition paired against the recipe `matcher` as it stands.

    python benchmarks/matcher_additions.py CORPUS VOICES PORTRAITS [--encoders student ge2e] [--record]

Five folds over people, in closed form. Rows of faces: one view in place of the mean of a face and its mirror
image, the mean of three crops (one enlarged and turned, one reduced), and faces aligned by five or all
points of the face mesh in place of dlib's five. Auxiliary heads: age and gender, regressed on embeddings of
other people and put beside both sides' embeddings; VOICES has ``voices.csv`` (clip, sex, age) and CLIP.ogg,
PORTRAITS has ``portraits.csv`` (face, sex, age) and FACE.jpg. Fusion: the log odds of two encoders' matchers,
added, against the first's and against the matcher on the stack of both.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from voice_encoders import tested

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.face_landmarks import shipped_mesh_network
from voiceface.evaluation.experiment_records import record_experiment
from voiceface.evaluation.hold_out_fold import hold_out_fold
from voiceface.face.align import align, fit_similarity_transform, template_points
from voiceface.face.find_face import find_face
from voiceface.face.mesh import find_mesh, five_points_of_mesh
from voiceface.media.sound import load_sound
from voiceface.metrics.roc import auc
from voiceface.models.blockwise_pca import Block
from voiceface.models.corpus_embeddings import as_tensor, face_embeddings, voice_embeddings
from voiceface.models.encoder_loading import load_voice_encoder
from voiceface.models.face_encoders import dlib_layers
from voiceface.models.grouped_matching import GroupedMatching
from voiceface.models.matching import Matching
from voiceface.protocols.pair_verification import pair_trials
from voiceface.protocols.paired_comparison import compare
from voiceface.recipes.matcher import recipe
from voiceface.training.encoder_pairs import paired_items

FOLDS = 5
CROPS = ((1.0, 0.0), (0.94, 4.0), (1.06, -4.0))
"""Scale and degrees of each crop."""
WEIGHTS = (0.3, 1.0)
"""Deviation of the heads' answers beside an embedding, in units of the embedding's."""


class OneView(dlib_layers.DlibLayers):
    """The same numbers of the face alone, without its mirror image."""

    def embed_pixels(self, pixels):
        """As `DlibLayers.embed_pixels`."""
        return self.embed_views(pixels)


def crop_points(points, scale, degrees):
    """Five points (5, 2) that cut the face out smaller by ``scale`` and turned by ``degrees``."""
    centre, angle = points.mean(axis=0), np.radians(degrees)
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return centre + scale * (points - centre) @ turn.T


def moved(matrix, points):
    """Points (n, 2) through a (2, 3) matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def mesh_points(meshes, points, size=150):
    """Five points a face, by all points of its mesh: (n, 478, 2) and (n, 5, 2) to (n, 5, 2).

    The mean mesh, in the window that dlib's five points place, is moved onto each face's own, and the
    template's five points with it. A mesh that is NaN leaves its face as it was.
    """
    template = template_points("dlib", size)
    good = np.isfinite(meshes).all(axis=(1, 2))
    windows = [
        moved(fit_similarity_transform(five, template), mesh)
        for mesh, five in zip(meshes[good], points[good], strict=True)
    ]
    mean, found = np.mean(windows, axis=0), np.array(points)
    found[good] = [moved(fit_similarity_transform(mean, mesh), template) for mesh in meshes[good]]
    return found


def corpus_meshes(corpus):
    """(n, 478, 2) points of the mesh in every picture; NaN where none is found."""
    network, found = shipped_mesh_network(), []
    for index, face in enumerate(corpus.faces):
        mesh = find_mesh(np.asarray(corpus.picture(index)), face.landmarks, network)
        found.append(np.full((478, 2), np.nan) if mesh.fault else mesh.points)
    return np.array(found, dtype=np.float64)


def rows_at(corpus, encoder, points):
    """Rows of faces that are cut out by these points."""
    cut = (align(np.asarray(corpus.picture(k)), five, size=150) for k, five in enumerate(points))
    return np.concatenate([encoder.embed(face[None]) for face in cut])


def face_rows(corpus):
    """Rows by name: as they stand, and made in other ways."""
    encoder = dlib_layers.load()
    points = np.array([face.landmarks for face in corpus.faces], dtype=np.float64)
    rows = {"as it stands": face_embeddings(corpus, encoder), "one view": rows_at(corpus, OneView(), points)}
    print("embedded: one view", flush=True)
    crops = [rows["as it stands"]]
    for scale, degrees in CROPS[1:]:
        crops.append(rows_at(corpus, encoder, [crop_points(five, scale, degrees) for five in points]))
        print(f"embedded: {scale} {degrees}", flush=True)
    rows["three crops"] = np.mean(crops, axis=0)
    meshes = corpus_meshes(corpus)
    five = [
        own if np.isnan(mesh).any() else five_points_of_mesh(mesh)
        for mesh, own in zip(meshes, points, strict=True)
    ]
    rows["aligned by the mesh, five points"] = rows_at(corpus, encoder, five)
    rows["aligned by the mesh, all points"] = rows_at(corpus, encoder, mesh_points(meshes, points))
    return rows


def read_table(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def fitted_heads(name, rows, table):
    """Ridge regressions of gender (1 a woman) and age; how well they do on others of the same table."""
    owners = np.array([row.get("speaker", str(k)) for k, row in enumerate(table)])
    parts = [np.flatnonzero(np.unique(owners, return_inverse=True)[1] % 5 == k) for k in range(5)]
    folds = [(np.setdiff1d(np.arange(len(table)), part), part) for part in parts]
    targets = {"gender": [row["sex"] == "f" for row in table], "age": [float(row["age"]) for row in table]}
    heads = []
    for kind, target in targets.items():
        target = np.asarray(target, dtype=float)
        head = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 11)))
        guess = cross_val_predict(head, rows, target, cv=folds)
        said = (
            f"AUC {auc(guess, target > 0.5):.3f}"
            if kind == "gender"
            else f"r {np.corrcoef(guess, target)[0, 1]:.3f}"
        )
        print(f"{name}, {kind}: {said} on {len(table)} held out", flush=True)
        heads.append(head.fit(rows, target))
    return heads


def answers(heads, rows):
    """(n, 2), each of mean 0 and deviation 1."""
    found = np.stack([head.predict(rows) for head in heads], axis=1)
    return ((found - found.mean(0)) / found.std(0)).astype(np.float32)


def portrait_rows(folder, table):
    encoder, found = dlib_layers.load(), []
    for row in table:
        face = find_face(folder / f"{row['face']}.jpg")
        found.append(encoder.embed(align(face.picture, face.landmarks, size=150)[None]))
    return np.concatenate(found)


def fold_trials(corpus, voices, faces, blocks):
    """Scores, labels, people of both sides and fold of the trials of five folds, in closed form."""
    run, found, left, right = recipe(), [], as_tensor(voices), as_tensor(faces)
    for fold in range(FOLDS):
        split = hold_out_fold(run, fold, FOLDS).split(corpus)
        pairs = []
        for own, other in paired_items(split.train, wrong_labels=None):
            count = max(len(own), len(other))
            pairs += zip(np.resize(own, count), np.resize(other, count), strict=True)
        first, second = torch.tensor(pairs).T
        link = Matching(voice_width=left.shape[1], face_width=sum(block.kept for block in blocks), heads=0)
        model = GroupedMatching(link, blocks=blocks).eval()
        model.start(left[first], right[second], ridge=5.0)
        test = split.test
        scores = model.project_voices(voices[test.voices]) @ model.project_faces(faces[test.faces]).T
        people = test.person_of("voices"), test.person_of("faces")
        trials = pair_trials(scores.astype(np.float64), people=people)
        found.append((trials.scores, trials.labels, *trials.people, np.full(len(trials.scores), fold)))
    return [np.concatenate(column) for column in zip(*found, strict=True)]


def head_rows(corpus, given, encoder, faces):
    """Voices, faces and blocks by name, with the answers of the heads beside them."""
    spoken, drawn = read_table(given.voices / "voices.csv"), read_table(given.portraits / "portraits.csv")
    loaded = load_voice_encoder(encoder)
    known = np.concatenate([loaded.embed([load_sound(given.voices / f"{r['clip']}.ogg")]) for r in spoken])
    own = voice_embeddings(corpus, loaded)
    left = answers(fitted_heads(encoder, known, spoken), own)
    right = answers(fitted_heads("faces", portrait_rows(given.portraits, drawn), drawn), faces)
    length = np.sqrt(np.square(own - own.mean(0)).sum(1).mean() / 2)
    return {
        f"age and gender, weight {weight}": (
            np.hstack([own, left * np.float32(weight * length)]),
            np.hstack([faces, right]),
            (*dlib_layers.BLOCKS, Block(2, 2, weight)),
        )
        for weight in WEIGHTS
    }


def fusion(corpus, encoders, told):
    """Figures of two matchers' added log odds, less the first's and less those of the stack."""
    one, other = (tested(corpus, voice_encoder=name)[1] for name in encoders)
    stack = tested(corpus, voice_encoder="+".join(encoders))
    labels, voice, face, groups = stack[2:]
    for name, base in ((encoders[0], one), ("stack", stack[1])):
        seen = compare(one + other, base, labels, people=(voice, face), groups=groups, **told)
        yield f"{' and '.join(encoders)} fused less {name}", seen


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("voices", type=Path)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--encoders", nargs=2, default=["student", "ge2e"], help="the first one's matcher")
    parser.add_argument("--resamples", type=int, default=300)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    corpus, told = Corpus.open(given.corpus), {"resamples": given.resamples}
    voices, figures = voice_embeddings(corpus, load_voice_encoder(given.encoders[0])), []

    def show(name, seen):
        print(f"{name}: {seen}", flush=True)
        figures.append((name, seen.difference))

    for name, seen in fusion(corpus, given.encoders, told):
        show(name, seen)
    faces = face_embeddings(corpus, dlib_layers.load())
    kinds = head_rows(corpus, given, given.encoders[0], faces)
    first, labels, voice, face, groups = fold_trials(corpus, voices, faces, dlib_layers.BLOCKS)
    paired = {"people": (voice, face), "groups": groups} | told
    for name, kind in kinds.items():
        show(name, compare(fold_trials(corpus, *kind)[0], first, labels, **paired))
    for name, rows in face_rows(corpus).items():
        if name != "as it stands":
            scores = fold_trials(corpus, voices, rows, dlib_layers.BLOCKS)[0]
            show(name, compare(scores, first, labels, **paired))
    if given.record:
        record_experiment(
            Path("results"),
            recipe="matcher",
            corpus=corpus.fingerprint,
            protocol=f"additions to {given.encoders[0]}, gain over the matcher as it stands, 5 folds",
            command="python benchmarks/matcher_additions.py CORPUS VOICES PORTRAITS --encoders "
            + " ".join(given.encoders),
            figures=figures,
        )


if __name__ == "__main__":
    main()
