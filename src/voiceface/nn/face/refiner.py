"""A refiner, which makes a blurred face sharp given a style vector, and a discriminator of patches."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FaceRefiner(nn.Module):
    """Adds the details that a blurred face lacks, coarse to fine, modulated by a style vector.

    At 16, 32 and 64 pixels a stage reads the blurred face at that size and the previous stage's output;
    its channels are scaled and shifted by the style (FiLM, Perez et al. 2018) and get noise of their own
    (Karras et al. 2019). Only two narrow layers work at full size.

    Args:
        width: dimensions of the style.
        channels: of the three stages.
        size: pixels a side of the picture, 8 times the first stage's.
        hidden: units between the style and the stages.
        fine: channels at the full size.
    """

    def __init__(
        self,
        *,
        width: int,
        channels: Sequence[int] = (160, 96, 40),
        size: int = 128,
        hidden: int = 256,
        fine: int = 12,
    ) -> None:
        super().__init__()
        first = size // 8
        self.place = nn.Parameter(0.1 * torch.randn(1, channels[0], first, first))
        self.style = nn.Sequential(nn.Linear(width, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, hidden))
        before = [0, *channels[:-1]]
        pairs = zip(before, channels, strict=True)
        self.stages = nn.ModuleList(_Stage(b, c, hidden) for b, c in pairs)
        self.narrow = nn.Conv2d(channels[-1], fine, 1)
        self.fine = nn.Conv2d(fine + 3, fine, 3, padding=1)
        self.last = nn.Conv2d(fine, 3, 3, padding=1)
        # An untrained refiner returns the blurred face, enlarged.
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, blurred: Tensor, style: Tensor, *, noise: Tensor | None = None) -> Tensor:
        """The faces (batch, 3, size, size), about [-1, 1].

        Args:
            blurred: (batch, 3, size/2, size/2), about [-1, 1].
            style: (batch, width).
            noise: (batch, 1, size/2, size/2), normally distributed; None for none.
        """
        hidden = F.leaky_relu(self.style(style), 0.2)
        maps: Tensor | None = None
        for index, stage in enumerate(self.stages):
            factor = 4 >> index
            small = F.avg_pool2d(blurred, factor) if factor > 1 else blurred
            small_noise = None if noise is None else noise[..., ::factor, ::factor]
            maps = stage(maps, small, hidden, small_noise, self.place if index == 0 else None)
        assert maps is not None
        # Bilinear, not pixel shuffle: that leaves a grid which a short training keeps.
        base, grown = (
            F.interpolate(one, scale_factor=2.0, mode="bilinear", align_corners=False)
            for one in (blurred, self.narrow(maps))
        )
        fine = F.leaky_relu(self.fine(torch.cat([F.leaky_relu(grown, 0.2), base], dim=1)), 0.2)
        added: Tensor = self.last(fine)
        return base + added


class _Stage(nn.Module):
    """Two convolutions around a shortcut, each modulated by the style."""

    def __init__(self, before: int, channels: int, hidden: int) -> None:
        super().__init__()
        # Fewer channels before the size doubles: most of the work is at the largest size.
        self.narrow = nn.Conv2d(before, channels, 1) if before else None
        self.enter = nn.Conv2d((channels if before else 0) + 3, channels, 3, padding=1)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.steer = nn.Linear(hidden, 4 * channels)
        nn.init.normal_(self.steer.weight, std=0.02)
        nn.init.zeros_(self.steer.bias)
        self.grain = nn.Parameter(torch.zeros(2, channels, 1, 1))

    def forward(
        self,
        maps: Tensor | None,
        small: Tensor,
        hidden: Tensor,
        noise: Tensor | None,
        bias_map: Tensor | None,
    ) -> Tensor:
        scale, shift, scale2, shift2 = self.steer(hidden)[..., None, None].chunk(4, dim=1)
        if maps is not None and self.narrow is not None:
            small = torch.cat([F.interpolate(self.narrow(maps), scale_factor=2.0), small], dim=1)
        maps = self.enter(small)
        if bias_map is not None:
            maps = maps + bias_map
        if noise is not None:
            maps = maps + self.grain[0] * noise
        maps = F.leaky_relu(_pixel_norm(maps) * (1 + scale) + shift, 0.2)
        added = self.first(maps)
        if noise is not None:
            added = added + self.grain[1] * noise
        return maps + F.leaky_relu(_pixel_norm(added) * (1 + scale2) + shift2, 0.2)


def _pixel_norm(maps: Tensor) -> Tensor:
    """Each pixel's channels scaled to a mean square of 1 (Karras et al. 2018)."""
    return maps * torch.rsqrt(maps.square().mean(dim=1, keepdim=True) + 1e-6)


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
