"""A discriminator of patches of a face."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class PatchDiscriminator(nn.Module):
    """Discriminates patches of several sizes (Isola et al. 2017).

    Four neighbouring pixels become the channels of one first, which costs a quarter.

    Args:
        channels: of the layers, each halving the size.
    """

    def __init__(self, *, channels: Sequence[int] = (64, 128, 256, 256)) -> None:
        super().__init__()
        pairs = itertools.pairwise([12, *channels])
        self.layers = nn.ModuleList(nn.Conv2d(b, c, 4, stride=2, padding=1) for b, c in pairs)
        self.answers = nn.ModuleList(nn.Conv2d(c, 1, 3, padding=1) for c in channels[1:])

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(batch, 3, size, size) to logits (batch, patches), small patches first."""
        maps, logits = F.pixel_unshuffle(pictures, 2), []
        for index, layer in enumerate(self.layers):
            maps = F.leaky_relu(layer(maps), 0.2)
            if index:
                logits.append(self.answers[index - 1](maps).flatten(1))
        return logits
