"""The mouth of a still face animated: the picture is warped, and what the lips hid is generated."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_MAX_FLOW = 0.25
"""The largest displacement, as a share of the picture's side."""


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Backward warping with bilinear interpolation.

    Args:
        picture: ``(n, channels, height, width)``.
        flow: ``(n, 2, height, width)``: how far to the right and below each pixel is taken from, in shares of
            the picture's width and height. Beyond the picture its edge is repeated.

    >>> picture = torch.arange(4.0).reshape(1, 1, 1, 4)
    >>> flow = torch.zeros(1, 2, 1, 4)
    >>> flow[:, 0] = 0.25
    >>> warp(picture, flow)
    tensor([[[[1., 2., 3., 3.]]]])
    """
    height, width = picture.shape[-2:]
    x = (torch.arange(width, device=flow.device, dtype=flow.dtype) + 0.5) / width
    y = (torch.arange(height, device=flow.device, dtype=flow.dtype) + 0.5) / height
    position = torch.stack(torch.meshgrid(x, y, indexing="xy"))
    grid = (2 * (position + flow) - 1).permute(0, 2, 3, 1)
    return F.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=False)


class MotionNet(nn.Module):
    """From the speech features around a frame to the mouth's motion in it; a learnt rest in silence.

    Args:
        features: size of the speech features.
        motion: size of the motion.
        hidden: units of both hidden layers.
    """

    def __init__(self, *, features: int, motion: int = 32, hidden: int = 96) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, motion),
        )
        self.rest = nn.Parameter(torch.zeros(motion))

    def forward(self, features: Tensor, loudness: Tensor) -> Tensor:
        """Motions ``(n, motion)`` of ``features (n, size)``; the rest where ``loudness (n,)`` is 0."""
        moved: Tensor = self.layers(features)
        return self.rest + loudness[:, None] * (moved - self.rest)


class MouthGenerator(nn.Module):
    """Warps the lower half of a still face by a motion and generates what the lips hid.

    The still is encoded once; a frame costs the decoder alone. The result equals the still at its edge,
    so that it can be put back into the picture without a seam.

    Args:
        motion: size of the motion.
        width: channels at full resolution; 2, 3 and 4 times as many at a half, a quarter and an eighth.
        size: pixels a side of the pictures, a multiple of 8.
    """

    def __init__(self, *, motion: int = 32, width: int = 16, size: int = 64) -> None:
        super().__init__()
        widths = [width, 2 * width, 3 * width, 4 * width]
        self.enter = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip(widths, widths[1:], strict=False)
        )
        self.deep = _Modulated(widths[3], widths[3], motion)
        self.narrow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in zip(widths, widths[1:], strict=False))
        self.up = nn.ModuleList(
            [_Modulated(2 * widths[2], widths[2], motion), _Modulated(2 * widths[1], widths[1], motion)]
        )
        self.flow = nn.Conv2d(widths[1], 2, 3, padding=1)
        self.fine = nn.Conv2d(2 * width + 3, width, 3, padding=1)
        self.last = nn.Conv2d(width, 4, 3, padding=1)
        for layer in (self.flow, self.last):
            nn.init.normal_(layer.weight, std=1e-3)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            assert self.last.bias is not None
            self.last.bias[3] = -2.0  # at first pictures are warped rather than generated
        self.register_buffer("hold", _inner_weight(size), persistent=False)

    def encode(self, stills: Tensor) -> list[Tensor]:
        """Encode stills ``(n, 3, size, size)`` in [-1, 1]: themselves and four maps, for `forward`."""
        maps = [F.leaky_relu(self.enter(stills), 0.2)]
        for layer in self.down:
            maps.append(F.leaky_relu(layer(maps[-1]), 0.2))
        return [stills, *maps]

    def forward(self, still_maps: Sequence[Tensor], motion: Tensor) -> tuple[Tensor, Tensor]:
        """Frames ``(n, 3, size, size)`` and the share of them that is generated, ``(n, 1, size, size)``.

        Args:
            still_maps: the result of `encode`, one row per frame.
            motion: ``(n, motion)``.
        """
        still, full, half, quarter, eighth = still_maps
        hold: Tensor = self.get_buffer("hold")
        maps = self.deep(eighth, motion)
        for stage, narrow, beside in zip(self.up, list(self.narrow)[:0:-1], (quarter, half), strict=True):
            grown = F.interpolate(narrow(maps), scale_factor=2.0, mode="nearest")
            maps = stage(torch.cat([grown, beside], dim=1), motion)
        flow = _MAX_FLOW * torch.tanh(self.flow(maps))
        flow = hold * F.interpolate(flow, scale_factor=2.0, mode="bilinear", align_corners=False)
        moved = warp(still, flow)
        grown = F.interpolate(self.narrow[0](maps), scale_factor=2.0, mode="bilinear", align_corners=False)
        fine = F.leaky_relu(self.fine(torch.cat([grown, full, moved], dim=1)), 0.2)
        last = self.last(fine)
        share = hold * torch.sigmoid(last[:, 3:])
        colour = torch.tanh(last[:, :3])
        return moved + share * (colour - moved), share


class _Modulated(nn.Module):
    """A convolution whose channels the motion scales and shifts (FiLM, Perez et al. 2018)."""

    def __init__(self, before: int, after: int, motion: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, padding=1)
        self.steer = nn.Linear(motion, 2 * after)

    def forward(self, maps: Tensor, motion: Tensor) -> Tensor:
        scale, shift = self.steer(motion)[..., None, None].chunk(2, dim=1)
        return F.leaky_relu(self.conv(maps) * (1 + scale) + shift, 0.2)


def _inner_weight(size: int) -> Tensor:
    """(1, 1, size, size): 0 at the edge, 1 from an eighth of the side inwards."""
    steps = torch.arange(size) + 0.5
    ramp = (torch.minimum(steps, size - steps) - 0.5).div(size / 8).clamp(0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return torch.outer(ramp, ramp)[None, None]
