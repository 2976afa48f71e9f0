"""Detail for smooth faces: a U-Net that sharpens rendered portraits."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.nn.face.box_filters import blur

_SLOPE = 0.2


class DetailNet(nn.Module):
    """Adds to a picture what makes it sharp: strands of hair, edges, cloth; within the face, fine luminance.

    Inside the face nothing but luminance finer than ``fine`` pixels changes, and by no more than ``limit``:
    colours, shading and shape of a face stay what the face model made of them. Convolutions run at several
    sizes (Ronneberger et al. 2015); maps are enlarged bilinearly, which leaves no grid.

    Args:
        channels: at full size, and at each half of the one before.
        limit: largest change of luminance within the face, of a range of 2.
        fine: width in pixels of the mean that is subtracted from the change within the face.
    """

    def __init__(
        self,
        *,
        channels: Sequence[int] = (16, 32, 64, 96, 128),
        limit: float = 0.16,
        fine: int = 11,
    ) -> None:
        super().__init__()
        self.limit, self.fine = limit, fine
        self.first = nn.Conv2d(5, channels[0], 3, padding=1)
        steps = list(itertools.pairwise(channels))
        # One map more at every size: the grain, from which detail is sampled.
        self.down = nn.ModuleList(_Halving(wide + 1, narrow) for wide, narrow in steps)
        self.middle = _Residual(channels[-1])
        self.up = nn.ModuleList(_Doubling(deep, flat) for flat, deep in reversed(steps))
        self.last = nn.Conv2d(channels[0], 3, 3, padding=1)
        nn.init.normal_(self.last.weight, std=1e-3)
        self.last.bias = nn.Parameter(torch.zeros(3))

    def forward(self, pictures: Tensor, face: Tensor, grain: Tensor) -> Tensor:
        """Sharpen pictures.

        Args:
            pictures: (n, 3, h, w) in [-1, 1]; h and w divide by 16.
            face: (n, 1, h, w) share of each pixel that lies inside the face, in [0, 1].
            grain: (n, 1, h, w) standard normal numbers.

        Returns:
            (n, 3, h, w), hardly beyond [-1, 1].
        """
        maps = F.leaky_relu(self.first(torch.cat([pictures, 2 * face - 1, grain], 1)), _SLOPE)
        passed = []
        for layer in self.down:
            passed.append(maps)
            maps = layer(torch.cat([maps, grain.to(maps.dtype)], 1))
            # The mean of four numbers deviates half as far as one.
            grain = 2 * F.avg_pool2d(grain, 2)
        maps = self.middle(maps)
        for layer, beside in zip(self.up, reversed(passed), strict=True):
            maps = layer(maps, beside)
        change = self.last(maps).float()
        light = change.mean(1, keepdim=True)
        smooth = blur(light, self.fine)
        light = self.limit * torch.tanh((light - smooth) / self.limit)
        sharp: Tensor = pictures + face * light + (1 - face) * change
        return sharp


def detail_channels(width: int) -> tuple[int, ...]:
    """Channels of a `DetailNet` with ``width`` at full size.

    >>> detail_channels(16)
    (16, 32, 64, 96, 128)
    """
    return tuple(width * factor for factor in (1, 2, 4, 6, 8))


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, channels, 3, padding=1)
        self.two = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        change: Tensor = self.two(F.leaky_relu(self.one(maps), _SLOPE))
        return maps + 0.5 * change


class _Halving(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.smaller = nn.Conv2d(before, after, 4, stride=2, padding=1)
        self.more = _Residual(after)

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = self.more(F.leaky_relu(self.smaller(maps), _SLOPE))
        return found


class _Doubling(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.fewer = nn.Conv2d(before, after, 1)
        self.joined = nn.Conv2d(2 * after, after, 3, padding=1)
        self.more = _Residual(after)

    def forward(self, maps: Tensor, beside: Tensor) -> Tensor:
        large = F.interpolate(self.fewer(maps), scale_factor=2, mode="bilinear", align_corners=False)
        found: Tensor = self.more(F.leaky_relu(self.joined(torch.cat([large, beside], 1)), _SLOPE))
        return found
