"""What a face encoder is to everything above it: aligned faces in, rows out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from voiceface.errors import InputError
from voiceface.models.blockwise_pca import Block

__all__ = ["FaceEncoder", "NetworkFace", "check_aligned_faces"]

AlignedFaces = npt.NDArray[np.uint8]


class FaceEncoder:
    """The interface of ``models/face_encoders/NAME.py``: each has ``load(**options) -> FaceEncoder``."""

    name: str
    dim: int
    fingerprint: str
    """Names the weights: a matcher trained on one encoder's rows refuses another's."""
    size: int
    """Side in pixels of the faces it takes."""
    template: str
    """How they must be aligned (`voiceface.face.align.TEMPLATES`)."""
    blocks: Sequence[Block] = ()
    """The kinds of numbers in a row where there are several, and how a matcher should reduce them."""

    def embed(self, chips: AlignedFaces) -> npt.NDArray[np.float32]:
        """Embed aligned faces ``(n, size, size, 3)``, as rows ``(n, dim)``: of a face and its mirror image.

        Raises:
            InputError: another shape or type.
        """
        raise NotImplementedError


class NetworkFace(FaceEncoder):
    """A network's rows, the mean of a face's and its mirror image's brought to length 1.

    Args:
        name: of the encoder.
        network: takes (n, 3, size, size) and gives (n, dim).
        dim: numbers of a row.
        fingerprint: of its weights.
        size: side of the faces in pixels.
        template: that they are aligned to.
        scale: what 127.5 is taken off of and this divided by, before the network sees them.
        device: where it runs.
    """

    _AT_ONCE = 16

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

    def embed(self, chips: AlignedFaces) -> npt.NDArray[np.float32]:
        """As `FaceEncoder.embed`."""
        chips = check_aligned_faces(chips, self.size)
        rows = [torch.zeros(0, self.dim)]
        # Neither a trainer's autocast nor its gradients must reach the rows.
        kind = torch.device(self.device).type
        with torch.inference_mode(), torch.autocast(kind, enabled=False):
            for first in range(0, len(chips), self._AT_ONCE):
                some = np.array(
                    chips[first : first + self._AT_ONCE]
                )  # a copy: torch warns of read-only arrays
                pixels = torch.from_numpy(some).to(self.device).permute(0, 3, 1, 2).float()
                faces = (pixels - 127.5) / self._scale
                both = [torch.nn.functional.normalize(self.network(f), dim=1) for f in (faces, faces.flip(3))]
                rows.append(torch.nn.functional.normalize(both[0] + both[1], dim=1).cpu())
        return torch.cat(rows).numpy()


def check_aligned_faces(chips: AlignedFaces, size: int) -> AlignedFaces:
    """Aligned faces as they must be.

    Raises:
        InputError: another shape or type.
    """
    chips = np.asarray(chips)
    if chips.ndim != 4 or chips.shape[1:] != (size, size, 3) or chips.dtype != np.uint8:
        fault = f"have the shape {chips.shape} and type {chips.dtype}"
        raise InputError("aligned faces", fault, f"give (n, {size}, {size}, 3) of uint8")
    return chips
