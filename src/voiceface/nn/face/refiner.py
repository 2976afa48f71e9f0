"""A painter: a blurred face and a few numbers in, the sharp face out; and the judge that looks at patches."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["FaceRefiner", "PatchDiscriminator"]


class FaceRefiner(nn.Module):
    """Adds to a blurred face what makes it sharp, coarse to fine, steered by a style.

    At 16, 32 and 64 pixels a stage sees the blurred face at that size and what the stage before made;
    its channels are scaled and shifted by the style (FiLM, Perez et al. 2018) and given noise of their
    own (Karras et al. 2019). Only two narrow layers work at the full size.

    Args:
        width: numbers of the style.
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
        # The first picture is the blurred one, enlarged.
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, blurred: Tensor, style: Tensor, *, noise: Tensor | None = None) -> Tensor:
        """The faces (batch, 3, size, size), about [-1, 1].

        Args:
            blurred: (batch, 3, size/2, size/2), about [-1, 1].
            style: (batch, width).
            noise: (batch, 1, size/2, size/2), normally distributed; None paints without.
        """
        steer = F.leaky_relu(self.style(style), 0.2)
        maps: Tensor | None = None
        for index, stage in enumerate(self.stages):
            share = 4 >> index
            seen = F.avg_pool2d(blurred, share) if share > 1 else blurred
            grain = None if noise is None else noise[..., ::share, ::share]
            maps = stage(maps, seen, steer, grain, self.place if index == 0 else None)
        assert maps is not None
        # Enlarged without a pattern: shuffled pixels leave a grid that a short training keeps.
        base, grown = (
            F.interpolate(one, scale_factor=2.0, mode="bilinear", align_corners=False)
            for one in (blurred, self.narrow(maps))
        )
        fine = F.leaky_relu(self.fine(torch.cat([F.leaky_relu(grown, 0.2), base], dim=1)), 0.2)
        added: Tensor = self.last(fine)
        return base + added


class _Stage(nn.Module):
    """Two convolutions around a shortcut, each steered by the style."""

    def __init__(self, before: int, channels: int, hidden: int) -> None:
        super().__init__()
        # Fewer channels before the size doubles: most of the work is done at the largest.
        self.narrow = nn.Conv2d(before, channels, 1) if before else None
        self.enter = nn.Conv2d((channels if before else 0) + 3, channels, 3, padding=1)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.steer = nn.Linear(hidden, 4 * channels)
        nn.init.normal_(self.steer.weight, std=0.02)
        nn.init.zeros_(self.steer.bias)
        self.grain = nn.Parameter(torch.zeros(2, channels, 1, 1))

    def forward(
        self, maps: Tensor | None, seen: Tensor, steer: Tensor, noise: Tensor | None, place: Tensor | None
    ) -> Tensor:
        scale, shift, scale2, shift2 = self.steer(steer)[..., None, None].chunk(4, dim=1)
        if maps is not None and self.narrow is not None:
            seen = torch.cat([F.interpolate(self.narrow(maps), scale_factor=2.0), seen], dim=1)
        maps = self.enter(seen)
        if place is not None:
            maps = maps + place
        if noise is not None:
            maps = maps + self.grain[0] * noise
        maps = F.leaky_relu(_normal(maps) * (1 + scale) + shift, 0.2)
        bent = self.first(maps)
        if noise is not None:
            bent = bent + self.grain[1] * noise
        return maps + F.leaky_relu(_normal(bent) * (1 + scale2) + shift2, 0.2)


def _normal(maps: Tensor) -> Tensor:
    """Each place's channels brought to a mean square of 1 (Karras et al. 2018, pixel norm)."""
    return maps * torch.rsqrt(maps.square().mean(dim=1, keepdim=True) + 1e-6)


class PatchDiscriminator(nn.Module):
    """Says of every patch, at several sizes, whether it looks photographed (Isola et al. 2017).

    Four neighbouring pixels are channels of one at first, which costs a quarter.

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
        maps, found = F.pixel_unshuffle(pictures, 2), []
        for index, layer in enumerate(self.layers):
            maps = F.leaky_relu(layer(maps), 0.2)
            if index:
                found.append(self.answers[index - 1](maps).flatten(1))
        return found
