"""The interface of face encoders: from aligned faces to embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.errors import InputError
from voiceface.models.blockwise_pca import Block

AlignedFaces = npt.NDArray[np.uint8]


class FaceEncoder:
    """The interface of ``models/face_encoders/NAME.py``: each has ``load(**options) -> FaceEncoder``."""

    name: str
    dim: int
    fingerprint: str
    """Identifies the weights: a matcher refuses embeddings of another encoder than its own."""
    size: int
    """Side in pixels of the faces it takes."""
    template: str
    """How they must be aligned (`voiceface.face.align.TEMPLATES`)."""
    blocks: Sequence[Block] = ()
    """The parts of an embedding, where there are several, and how a matcher should reduce them."""
    device: str = "cpu"
    gains_by_bf16: bool = False
    """As `VoiceEncoder.gains_by_bf16`."""

    _BATCH = 16

    def embed(self, faces: AlignedFaces, *, bf16: bool = False) -> npt.NDArray[np.float32]:
        """Embed aligned faces ``(n, size, size, 3)``, each with its mirror image, as ``(n, dim)``.

        Args:
            faces: uint8.
            bf16: compute in bf16; whatever autocast is on outside, it is float32 otherwise.

        Raises:
            InputError: another shape or type.
        """
        faces = check_aligned_faces(faces, self.size)
        embeddings = [torch.zeros(0, self.dim)]
        # A trainer's autocast and gradients must not reach the embeddings.
        kind = torch.device(self.device).type
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=bf16):
            for first in range(0, len(faces), self._BATCH):
                some = np.array(faces[first : first + self._BATCH])  # a copy: torch warns of read-only arrays
                pixels = torch.from_numpy(some).to(self.device).permute(0, 3, 1, 2).float()
                embeddings.append(self.embed_pixels(pixels).float().cpu())
        return torch.cat(embeddings).numpy()

    def embed_pixels(self, pixels: Tensor) -> Tensor:
        """Embed faces ``(n, 3, size, size)`` from 0 to 255, on the encoder's device, as ``(n, dim)``."""
        raise NotImplementedError


class NetworkFace(FaceEncoder):
    """A network's embeddings: the mean of a face's and its mirror image's, normalised to length 1.

    Args:
        name: of the encoder.
        network: takes (n, 3, size, size) and gives (n, dim).
        dim: size of an embedding.
        fingerprint: of its weights.
        size: side of the faces in pixels.
        template: how the faces are aligned.
        scale: pixels are reduced by 127.5 and divided by this before the network.
        device: where it runs.
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        *,
        dim: int,
        fingerprint: str,
        size: int,
        template: str,
        scale: float,
        device: str = "cpu",
    ) -> None:
        self.network = network.eval().requires_grad_(False).to(device)
        self.name, self.dim, self.fingerprint = name, dim, fingerprint
        self.size, self.template, self.device = size, template, device
        self._scale = scale

    def embed_pixels(self, pixels: Tensor) -> Tensor:
        """As `FaceEncoder.embed_pixels`."""
        faces = (pixels - 127.5) / self._scale
        both = [F.normalize(self.network(view), dim=1) for view in (faces, faces.flip(3))]
        return F.normalize(both[0] + both[1], dim=1)


def check_aligned_faces(faces: AlignedFaces, size: int) -> AlignedFaces:
    """Aligned faces, checked.

    Raises:
        InputError: another shape or type.
    """
    faces = np.asarray(faces)
    if faces.ndim != 4 or faces.shape[1:] != (size, size, 3) or faces.dtype != np.uint8:
        fault = f"have the shape {faces.shape} and type {faces.dtype}"
        raise InputError("aligned faces", fault, f"give (n, {size}, {size}, 3) of uint8")
    return faces
