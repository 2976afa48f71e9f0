"""How far lips are apart, by the colours between them: the weights of `voiceface/nn/face/lip_gap.py`.

    python tools/lip_gap.py PICTURES [PICTURES ...]

Each folder has pictures and ``mesh.npz`` (``face``, their names without the ending, and ``points``, as
MediaPipe finds them: what is predicted). Face-mesh's own points give the places of the lips. Prints the
weights of a ridge regression and, for pictures that were held out (five folds), the mean error and the
correlation, beside those of face-mesh alone.
"""

import argparse
from pathlib import Path

import numpy as np
from mesh_pictures import mesh_pictures, upright_colours

from voiceface.corpus.face_landmarks import shipped_mesh_network
from voiceface.face.mesh import find_mesh, five_points_of_mesh
from voiceface.nn.face.lip_edges import LOWER_LIP, UPPER_LIP
from voiceface.nn.face.lip_gap import lip_features

FOLDS, RIDGE = 5, 30.0
SURE, CLOSED = 0.02, 0.02


def measure(picture: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Features of the lips, and the teacher's gap; None where face-mesh finds no face."""
    mesh = find_mesh(picture, five_points_of_mesh(points), shipped_mesh_network())
    if mesh.fault:
        return None
    shape, rotation, eyes, colours = upright_colours(picture, mesh.points.astype(np.float64))
    taught = (points[LOWER_LIP] - points[UPPER_LIP]) @ rotation.T / eyes
    return lip_features(colours, shape), float(taught[1])


def fit(features: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Constant and weights of features in their own units; the penalty is on standardised ones."""
    mean, deviation = features.mean(0), features.std(0)
    scaled = (features - mean) / deviation
    inner = scaled.T @ scaled + RIDGE * np.eye(scaled.shape[1])
    weights = np.linalg.solve(inner, scaled.T @ (target - target.mean())) / deviation
    return np.concatenate([[target.mean() - mean @ weights], weights])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, nargs="+")
    pictures = mesh_pictures(parser.parse_args().pictures)
    found = [one for picture, points in pictures if (one := measure(picture, points)) is not None]
    features, target = np.array([one for one, _ in found]), np.array([gap for _, gap in found])
    fold = np.random.default_rng(0).integers(FOLDS, size=len(found))
    held = np.zeros(len(found))
    for k in range(FOLDS):
        weights = fit(features[fold != k], target[fold != k])
        held[fold == k] = weights[0] + features[fold == k] @ weights[1:]
    for name, guess in (("by colour, held out", held), ("face-mesh alone", features[:, -2])):
        together, away = np.corrcoef(guess, target)[0, 1], np.abs(guess - target).mean()
        print(f"{name}: {len(found)} faces, error {away:.3f}, correlation {together:.3f}")
    wider = held > features[:, -2] + SURE
    missed, rest = target[wider] - features[wider, -2], (target - held)[wider]
    print(f"wider by colour by {SURE:g}: {wider.sum()} faces, by {missed.mean():.3f} in truth", end="; ")
    print(f"closed {(target[wider] < CLOSED).mean():.2f}, error {np.sqrt((rest**2).mean()):.3f}")
    print(np.array2string(fit(features, target), precision=4, separator=", ", max_line_width=100))


if __name__ == "__main__":
    main()
