"""How mouths move in generated talking clips, beside the real clips, by MediaPipe's mesh.

    teacher/bin/python tools/mouth_motion.py REAL GENERATED       (the environment of tools/mesh_teacher.py)

Both folders hold videos of the same names (but for the ending): a real clip, and one generated from its
sound. Prints, for each group of clips (the name up to the first ``_``), means over clips with 95 % intervals:
the opening of the mouth (inner lips over the distance between the eyes, 95th percentile of frames) in both,
its correlation over time, and the share of real closures that the generated mouth makes within one frame.
"""

import argparse
import sys
from pathlib import Path

import cv2
import mediapipe
import numpy as np

CLOSED, OPEN = 0.03, 0.06
"""Openings, of the real mouth, below which it is closed, and which it must exceed before and after."""


def openings(path: Path) -> np.ndarray:
    """The opening of the mouth in every frame; NaN where no face is found."""
    mesh = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=False, max_num_faces=1, refine_landmarks=True
    )
    video, found = cv2.VideoCapture(str(path)), []
    while True:
        there, frame = video.read()
        if not there:
            break
        faces = mesh.process(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)).multi_face_landmarks
        if not faces:
            found.append(np.nan)
            continue
        height, width = frame.shape[:2]
        points = np.array([(point.x * width, point.y * height) for point in faces[0].landmark])
        eyes = np.linalg.norm(points[33] + points[133] - points[263] - points[362]) / 2
        found.append(np.linalg.norm(points[13] - points[14]) / eyes)
    mesh.close()
    return np.array(found)


def closures(real: np.ndarray, made: np.ndarray) -> list[float]:
    """1 for each closure of the real mouth between openings at which the generated one closes too, else 0.

    The generated mouth closes where it falls, within a frame, below half its own median of open frames.
    """
    threshold = np.median(made[made > np.median(made)]) / 2
    found = []
    for at in range(2, len(real) - 2):
        lowest = real[at] <= CLOSED and real[at] == real[max(0, at - 3) : at + 4].min()
        if lowest and max(real[max(0, at - 5) : at]) > OPEN and max(real[at + 1 : at + 6]) > OPEN:
            found.append(float(made[at - 1 : at + 2].min() <= threshold))
    return found


def shown(values: list[float]) -> str:
    """Mean and interval over clips."""
    each = np.array(values)
    drawn = each[np.random.default_rng(0).integers(len(each), size=(2000, len(each)))].mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{each.mean():.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path)
    parser.add_argument("generated", type=Path)
    given = parser.parse_args()
    groups: dict[str, list[tuple[float, ...]]] = {}
    met: dict[str, list[float]] = {}
    for path in sorted(given.generated.iterdir()):
        others = [one for one in given.real.iterdir() if one.stem == path.stem]
        if not others:
            sys.exit(f"{path}: {given.real} has no clip of that name")
        real, made = openings(others[0]), openings(path)
        count = min(len(real), len(made))
        real, made = real[:count], made[:count]
        seen = ~np.isnan(real) & ~np.isnan(made)
        group = path.stem.split("_")[0]
        together = float(np.corrcoef(real[seen], made[seen])[0, 1])
        row = (*(float(np.percentile(one[seen], 95)) for one in (real, made)), together, float(seen.mean()))
        groups.setdefault(group, []).append(row)
        met.setdefault(group, []).extend(closures(real[seen], made[seen]))
    for group, rows in groups.items():
        real, made, together, seen = zip(*rows, strict=True)
        print(f"{group}: {len(rows)} clips, faces found in {np.mean(seen):.3f} of frames")
        print(f"  opening: real {shown(real)}, generated {shown(made)}; correlation {shown(together)}")
        print(
            f"  closures met within a frame: {shown(met[group]) if met[group] else '-'} of {len(met[group])}"
        )


if __name__ == "__main__":
    main()
