"""Face embeddings of dlib's recogniser, a ResNet trained to bring one person's faces together.

Two embeddings closer than about 0.6 (Euclidean) are of one person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from voiceface.errors import InputError
from voiceface.face.recogniser_network import recognise

if TYPE_CHECKING:
    from numpy.typing import NDArray

DLIB_FACE_SIZE = 150
"""Side in pixels of the aligned faces (template ``dlib``) that the recogniser takes."""
DIM = 128


def embed_faces(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (n, 128) float32 embeddings of (n, 150, 150, 3) uint8 faces aligned to the template ``dlib``.

    A face's embedding does not depend on the others in the batch. InputError for another shape or type.
    """
    pixels = np.asarray(faces)
    if (
        pixels.ndim != 4
        or pixels.shape[1:] != (DLIB_FACE_SIZE, DLIB_FACE_SIZE, 3)
        or pixels.dtype != np.uint8
    ):
        fault = f"have the shape {pixels.shape} and type {pixels.dtype}"
        raise InputError("aligned faces", fault, f"give (n, {DLIB_FACE_SIZE}, {DLIB_FACE_SIZE}, 3) of uint8")
    rows = [np.zeros((0, DIM), np.float32), *(recognise(face)[None] for face in pixels)]
    return np.concatenate(rows)
