"""Generated faces detected and aligned like photographs; a picture without a face has no embedding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError
from voiceface.face.align import align
from voiceface.face.detect import detect_hog
from voiceface.face.dlib_embedding import DIM, DLIB_FACE_SIZE
from voiceface.face.landmarks import five_points
from voiceface.models.corpus_embeddings import embed_aligned_faces

_MARGIN = 0.25
"""Of a picture's side, its edge repeated around it: templates are tighter than detectors expect."""


def embed_redetected_faces(
    pictures: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Detect the frontal face in each picture, align it by its own landmarks and embed it.

    Source: Agarwal et al. 2019, IV-C, who align generated faces again before they are recognised.

    Args:
        pictures: (n, height, width, 3) uint8, a face in the middle of each.

    Returns:
        (n, 128) embeddings as `embed_aligned_faces` gives them, zeros where no face was found; (n,) found.

    Raises:
        InputError: pictures of another shape or type.
    """
    if pictures.ndim != 4 or pictures.shape[3] != 3 or pictures.dtype != np.uint8:
        fault = f"are {pictures.dtype} of the shape {pictures.shape}"
        raise InputError("pictures", fault, "give (n, height, width, 3) of uint8")
    embeddings = np.zeros((len(pictures), DIM), np.float32)
    found = np.zeros(len(pictures), dtype=bool)
    aligned = []
    for index, picture in enumerate(pictures):
        padded = pad_face(picture)
        # The frontal detector alone: the slower one takes longest where there is no face.
        faces = detect_hog(padded, upsample=1)
        if faces:
            found[index] = True
            points = five_points(padded, faces[0].box)
            aligned.append(align(padded, points, size=DLIB_FACE_SIZE, template="dlib", border="edge"))
    if aligned:
        embeddings[found] = embed_aligned_faces(np.stack(aligned))
    return embeddings, found


def pad_face(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """An aligned face with the margin around it that detectors expect, the edge repeated."""
    margin = round(_MARGIN * max(picture.shape[:2]))
    return np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
