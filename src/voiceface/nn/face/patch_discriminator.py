"""A discriminator of patches of a face."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class PatchDiscriminator(nn.Module):
    """Discriminates patches of several sizes (Isola et al. 2017).

    Four neighbouring pixels become the channels of one first, which costs a quarter.

    Args:
        channels: of the layers, each halving the size.
        inputs: channels of a picture.
        spectral: whether weights have spectral norm (Miyato et al. 2018).
    """

    def __init__(
        self, *, channels: Sequence[int] = (64, 128, 256, 256), inputs: int = 3, spectral: bool = False
    ) -> None:
        super().__init__()
        pairs = itertools.pairwise([4 * inputs, *channels])
        self.layers = nn.ModuleList(nn.Conv2d(b, c, 4, stride=2, padding=1) for b, c in pairs)
        self.answers = nn.ModuleList(nn.Conv2d(c, 1, 3, padding=1) for c in channels[1:])
        if spectral:
            for layer in (*self.layers, *self.answers):
                spectral_norm(layer)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(batch, inputs, size, size) to logits (batch, patches), small patches first."""
        return self.score_maps(self.maps(pictures))

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """The maps (batch, channels, side, side) of every layer."""
        maps, found = F.pixel_unshuffle(pictures, 2), []
        for layer in self.layers:
            maps = F.leaky_relu(layer(maps), 0.2)
            found.append(maps)
        return found

    def score_maps(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Logits of what `maps` gave."""
        return [answer(one).flatten(1) for answer, one in zip(self.answers, maps[1:], strict=True)]
