"""dlib's face recogniser in PyTorch: where gradients or feature maps are needed.

He et al. 2016's residual network in dlib's form: 29 convolutions, no padding where a stride reduces,
shortcuts that average and fill up with zeros (King 2017, dlib's `dnn_face_recognition_ex.cpp`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN_COLOUR = (122.782, 117.001, 104.298)
"""What dlib takes off red, green and blue before it divides by 256."""

BLOCKS: tuple[tuple[int, bool], ...] = (
    *((32, False),) * 3,
    (64, True),
    *((64, False),) * 3,
    (128, True),
    *((128, False),) * 2,
    (256, True),
    *((256, False),) * 2,
    (256, True),
)
"""Channels of each residual block from the picture up, and whether it halves the size."""


class Residual(nn.Module):
    """Two 3×3 convolutions beside a shortcut; dlib's `add_prev` fills the smaller of the two with zeros."""

    def __init__(self, channels: int, width: int, *, halve: bool) -> None:
        super().__init__()
        self.halve = halve
        self.first = nn.Conv2d(channels, width, 3, stride=2 if halve else 1, padding=0 if halve else 1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, h, w) to (batch, width, h or h/2, w or w/2)."""
        straight = F.avg_pool2d(maps, 2) if self.halve else maps
        bent = self.second(F.relu(self.first(maps)))
        sizes = [max(a, b) for a, b in zip(straight.shape[1:], bent.shape[1:], strict=True)]
        return F.relu(_filled(straight, sizes) + _filled(bent, sizes))


class DlibResNet(nn.Module):
    """The recogniser: aligned faces (template ``dlib``) to 128 numbers, and the maps on the way.

    Args:
        blocks: channels and halving of each residual block; another choice makes another network.
        dim: numbers of an embedding.
    """

    def __init__(self, *, blocks: Sequence[tuple[int, bool]] = BLOCKS, dim: int = 128) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, blocks[0][0], 7, stride=2)
        before = [blocks[0][0], *(width for width, _ in blocks[:-1])]
        pairs = zip(before, blocks, strict=True)
        self.blocks = nn.ModuleList(Residual(c, width, halve=halve) for c, (width, halve) in pairs)
        self.last = nn.Linear(blocks[-1][0], dim, bias=False)
        self.register_buffer("colour", torch.tensor(MEAN_COLOUR).view(1, 3, 1, 1))

    def maps(self, faces: Tensor) -> list[Tensor]:
        """The feature maps after every residual block, the largest first.

        Args:
            faces: (batch, 3, 150, 150) RGB in [0, 255], aligned to the template ``dlib``.
        """
        found = F.max_pool2d(F.relu(self.stem((faces - self.get_buffer("colour")) / 256)), 3, stride=2)
        kept = []
        for block in self.blocks:
            found = block(found)
            kept.append(found)
        return kept

    def forward(self, faces: Tensor) -> Tensor:
        """Embeddings (batch, 128) of faces (batch, 3, 150, 150), RGB in [0, 255]."""
        placed: Tensor = self.last(self.maps(faces)[-1].mean(dim=(2, 3)))
        return placed


def _filled(maps: Tensor, sizes: Sequence[int]) -> Tensor:
    """Zeros behind the last channel, row and column up to these sizes."""
    lacking = [size - have for size, have in zip(sizes, maps.shape[1:], strict=True)]
    if not any(lacking):
        return maps
    return F.pad(maps, (0, lacking[2], 0, lacking[1], 0, lacking[0]))
