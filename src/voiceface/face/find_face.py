"""The one face of a picture file that is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from voiceface.errors import InputError
from voiceface.face.detect import HOG_LONG_SIDE, LARGE_LONG_SIDE, Detection, detect, detect_hog
from voiceface.face.quality import best_face
from voiceface.media.files import source_name
from voiceface.media.picture import load_picture


class FoundFace(NamedTuple):
    """A picture and the face in it."""

    picture: NDArray[np.uint8]
    """(height, width, 3), upright; reduced to 1,280 pixels, or to 4,096 where the face was too small then."""
    face: Detection
    """In pixels of ``picture``, with its landmarks."""
    landmarks: NDArray[np.float32]
    """(5, 2) points x, y of the face."""
    faces: int
    """Faces found; the best of them is given."""


def find_face(source: str | Path | BinaryIO | NDArray[Any] | Image.Image) -> FoundFace:
    """Find the best face of a picture.

    Args:
        source: what `load_picture` takes.

    Raises:
        InputError: the picture cannot be read, or shows no face; the file is named.
    """
    picture = np.asarray(load_picture(source, long_side=HOG_LONG_SIDE))
    faces = detect(picture)
    if not faces and max(picture.shape[:2]) == HOG_LONG_SIDE:  # it was reduced
        picture = np.asarray(load_picture(source, long_side=LARGE_LONG_SIDE))
        faces = detect_hog(picture, upsample=0, long_side=LARGE_LONG_SIDE)
    face = best_face(picture, faces)
    if face is None or face.landmarks is None:
        name = "the picture" if isinstance(source, np.ndarray | Image.Image) else source_name(source)
        fault = "shows no face, or one that is small (below 60 pixels), turned or not upright"
        raise InputError(name, fault, "crop it to one face seen from the front, upright")
    return FoundFace(picture, face, face.landmarks, len(faces))
