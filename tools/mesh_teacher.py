"""Find the face mesh of every face of a corpus with MediaPipe, for `voiceface train face_mesh --points`.

MediaPipe is no dependency of voiceface and needs an old numpy, so it has an environment of its own, which
needs no voiceface either:

    python -m venv teacher && teacher/bin/pip install "mediapipe==0.10.21" "pyarrow<21" pillow
    teacher/bin/python tools/mesh_teacher.py CORPUS -o mesh.npz
    voiceface train face_mesh --corpus CORPUS --points mesh.npz
    teacher/bin/python tools/mesh_teacher.py CORPUS --clips -o clips.npz
    voiceface train talker --corpus CORPUS --points clips.npz

Writes ``face`` (ids; ``CLIP#FRAME`` of frames of clips) and ``points`` (n, 478, 2) float32 in pixels of the
corpus' pictures. Where it finds no face, or more than one, the face is left out.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from corpus_pictures import clip_pictures, corpus_pictures


def main() -> None:
    """Find and write them."""
    import mediapipe

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--clips", action="store_true", help="the frames of its talking clips instead")
    given = parser.parse_args()
    teacher = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, max_num_faces=2, refine_landmarks=True, min_detection_confidence=0.5
    )
    names, points, seen = [], [], 0
    for name, picture in (clip_pictures if given.clips else corpus_pictures)(given.corpus):
        seen += 1
        found = teacher.process(picture).multi_face_landmarks or []
        if len(found) == 1:
            height, width = picture.shape[:2]
            # It measures from the corner in sides of the picture; a pixel is named by its centre.
            points.append([(point.x * width - 0.5, point.y * height - 0.5) for point in found[0].landmark])
            names.append(name)
    if not names:
        sys.exit(f"{given.corpus}: the teacher found no mesh in {seen} faces")
    np.savez_compressed(given.out, face=np.array(names), points=np.array(points, dtype=np.float32))
    print(f"{given.out}: {len(names)} of {seen} faces")


if __name__ == "__main__":
    main()
