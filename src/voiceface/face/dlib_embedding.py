"""Face embeddings of dlib's recogniser, a ResNet trained to bring one person's faces together.

Two embeddings closer than about 0.6 (Euclidean) are of one person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from voiceface.errors import InputError
from voiceface.face import dlib_models

if TYPE_CHECKING:
    from numpy.typing import NDArray

DLIB_FACE_SIZE = 150
"""Side in pixels of the aligned faces (template ``dlib``) that the recogniser takes."""
DIM = 128
BATCH = 16


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
    network = dlib_models.dlib_recogniser()
    embeddings = np.empty((len(pixels), DIM), dtype=np.float32)
    for start in range(0, len(pixels), BATCH):
        batch = [np.ascontiguousarray(face) for face in pixels[start : start + BATCH]]
        # One batch at a time under the lock: a long list never keeps another thread waiting for all of it.
        with dlib_models.dlib_lock:
            embeddings[start : start + len(batch)] = np.array(network.compute_face_descriptor(batch))
    return embeddings
