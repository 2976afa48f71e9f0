"""How near the shipped face mesh is to its teacher's points, and how steady beside dlib's five landmarks.

    python benchmarks/face_mesh.py CORPUS POINTS [--people FILE] [--videos FOLDER] [--record]

POINTS is what tools/mesh_teacher.py makes of the corpus. ``--people`` names a file with the id of a person a
line: those that the weights were not trained on. Distances are in distances between the eyes. "error" is
that of the meshes that are not refused, its chance level that of the mean face; "moved" is
how far the five points of a face move when the picture gets noise; "jitter" the second difference of the
points over consecutive frames, over the square root of 6.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.face_landmarks import shipped_mesh_network
from voiceface.evaluation.experiment_records import record_experiment
from voiceface.face.detect import detect_hog
from voiceface.face.landmarks import five_points
from voiceface.face.mesh import find_mesh, five_points_of_mesh, points_in_picture
from voiceface.media.movie import frames
from voiceface.models.face_crops import read_mesh_points
from voiceface.protocols.estimate import Estimate

NETWORK = shipped_mesh_network()


def eyes(mesh):
    return np.linalg.norm(mesh[[33, 133]].mean(0) - mesh[[263, 362]].mean(0))


def estimate(name, values, people, chance=float("nan")):
    """Mean over faces with its interval over people."""
    _, index = np.unique(people, return_inverse=True)
    sums, counts = np.bincount(index, values), np.bincount(index)
    rows = np.random.default_rng(0).integers(0, len(sums), (2000, len(sums)))
    low, high = np.quantile(sums[rows].sum(1) / counts[rows].sum(1), [0.025, 0.975])
    facts = {"n": len(values), "people": len(sums), "resamples": 2000, "chance": chance}
    return Estimate(name=name, value=float(np.mean(values)), low=float(low), high=float(high), **facts)


def measure_faces(corpus, teacher, chosen):
    mean = NETWORK.get_buffer("mean").view(-1, 2).numpy()
    owners, random = corpus.column("faces", "person").astype(str), np.random.default_rng(0)
    people, found = [], {name: [] for name in ("found", "error", "chance", "mesh moved", "dlib moved", "ms")}
    for index, face in enumerate(corpus.faces):
        if face.id not in teacher or (chosen and owners[index] not in chosen):
            continue
        picture, target = np.asarray(corpus.picture(index)), teacher[face.id]
        five = np.asarray(face.landmarks, np.float64).reshape(5, 2)
        clock = time.process_time()
        mesh = find_mesh(picture, five, NETWORK)
        found["ms"].append(1000 * (time.process_time() - clock))
        noisy = (picture + random.normal(0, 12, picture.shape)).clip(0, 255).astype(np.uint8)
        box = face.box
        plain, again = (five_points(one, box) for one in (picture, noisy))
        other = find_mesh(noisy, again, NETWORK)
        size = eyes(target)
        people.append(owners[index])
        found["found"].append(not mesh.fault)
        found["error"].append(np.linalg.norm(mesh.points - target, axis=1).mean() / size)
        found["chance"].append(np.linalg.norm(points_in_picture(mean, five) - target, axis=1).mean() / size)
        moved = five_points_of_mesh(mesh.points) - five_points_of_mesh(other.points)
        found["mesh moved"].append(np.linalg.norm(moved, axis=1).mean() / size)
        found["dlib moved"].append(np.linalg.norm(plain - again, axis=1).mean() / size)
    print(f"one face, two passes: {np.median(found.pop('ms')):.1f} ms of one core")
    kept, owner = np.array(found["found"]), np.array(people)
    chance = float(np.mean(np.array(found.pop("chance"))[kept]))
    error = np.array(found.pop("error"))[kept]
    others = [estimate(name, np.asarray(values, float), owner) for name, values in found.items()]
    return [*others, estimate("error", error, owner[kept], chance)]


def jitter(path):
    """Of the mesh's five points and of dlib's, in the first 30 frames."""
    tracks = [], []
    for _, frame in zip(range(30), (pixels for _, pixels in frames(path)), strict=False):
        picture = np.asarray(frame)
        faces = detect_hog(picture)
        if not faces:
            continue
        five = five_points(picture, faces[0].box)
        tracks[0].append(five_points_of_mesh(find_mesh(picture, five, NETWORK).points))
        tracks[1].append(five)
    size = np.linalg.norm(np.mean(tracks[1], axis=0)[:2].mean(0) - np.mean(tracks[1], axis=0)[2:4].mean(0))
    return [np.linalg.norm(np.diff(track, 2, axis=0), axis=2).mean() / 6**0.5 / size for track in tracks]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("points")
    parser.add_argument("--people", type=Path)
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--record", action="store_true", help="append the error to results/")
    given = parser.parse_args()
    torch.set_num_threads(1)
    corpus = Corpus.open(given.corpus)
    chosen = set(given.people.read_text().split()) if given.people else set()
    estimates = measure_faces(corpus, read_mesh_points(given.points), chosen)
    for one in estimates:
        print(one)
    if given.videos:
        found = np.array([jitter(path) for path in sorted(given.videos.glob("*.mp4"))[:4]]).mean(0)
        print(f"jitter: mesh {found[0]:.4f}, dlib {found[1]:.4f}")
    if given.record:
        command = "python benchmarks/face_mesh.py CORPUS POINTS" + (" --people FILE" if chosen else "")
        rows = [("face mesh, 478 points", one) for one in estimates if one.name in ("found", "error")]
        facts = {"corpus": corpus.fingerprint, "protocol": "unknown people" if chosen else "all people"}
        record_experiment(Path("results"), recipe="face_mesh", figures=rows, command=command, **facts)


if __name__ == "__main__":
    main()
