"""The mouth of a still face made to move: what is there is bent, what the lips hid is painted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MotionNet", "MouthGenerator", "bent"]

_REACH = 0.25
"""The farthest that a pixel comes from, as a share of the picture's side."""


def bent(picture: Tensor, flow: Tensor) -> Tensor:
    """Take every pixel from elsewhere in the picture (backward warping), between pixels linearly.

    Args:
        picture: ``(n, channels, height, width)``.
        flow: ``(n, 2, height, width)``: how far right and down each pixel comes from, in shares of the
            picture's width and height. Beyond the picture its edge is repeated.

    >>> picture = torch.arange(4.0).reshape(1, 1, 1, 4)
    >>> flow = torch.zeros(1, 2, 1, 4)
    >>> flow[:, 0] = 0.25
    >>> bent(picture, flow)
    tensor([[[[1., 2., 3., 3.]]]])
    """
    height, width = picture.shape[-2:]
    x = (torch.arange(width, device=flow.device, dtype=flow.dtype) + 0.5) / width
    y = (torch.arange(height, device=flow.device, dtype=flow.dtype) + 0.5) / height
    place = torch.stack(torch.meshgrid(x, y, indexing="xy"))
    grid = (2 * (place + flow) - 1).permute(0, 2, 3, 1)
    return F.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=False)


class MotionNet(nn.Module):
    """What is heard around a frame as the mouth's motion in it; rest where nothing is heard.

    Args:
        heard: numbers of what is heard.
        motion: numbers of the motion.
        hidden: units of both layers between.
    """

    def __init__(self, *, heard: int, motion: int = 32, hidden: int = 96) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(heard, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, motion),
        )
        self.rest = nn.Parameter(torch.zeros(motion))

    def forward(self, heard: Tensor, loud: Tensor) -> Tensor:
        """Motions ``(n, motion)`` of ``heard (n, heard)`` where ``loud (n,)`` is 1, at rest where it is 0."""
        moved: Tensor = self.layers(heard)
        return self.rest + loud[:, None] * (moved - self.rest)


class MouthGenerator(nn.Module):
    """Bends the lower half of a still face by a motion and paints what the lips hid.

    The still is looked at once; a frame costs the way back up. The result equals the still at its edge,
    so that it can be put back into the picture without a seam.

    Args:
        motion: numbers of the motion.
        width: channels at the full size; 2, 3 and 4 times as many at a half, a quarter and an eighth.
        size: pixels a side of the pictures, a multiple of 8.
    """

    def __init__(self, *, motion: int = 32, width: int = 16, size: int = 64) -> None:
        super().__init__()
        widths = [width, 2 * width, 3 * width, 4 * width]
        self.enter = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip(widths, widths[1:], strict=False)
        )
        self.deep = _Steered(widths[3], widths[3], motion)
        self.narrow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in zip(widths, widths[1:], strict=False))
        self.up = nn.ModuleList(
            [_Steered(2 * widths[2], widths[2], motion), _Steered(2 * widths[1], widths[1], motion)]
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
            self.last.bias[3] = -2.0  # the first pictures are bent rather than painted
        self.register_buffer("hold", _hold(size), persistent=False)

    def look(self, stills: Tensor) -> list[Tensor]:
        """What `forward` needs of stills ``(n, 3, size, size)`` in [-1, 1]: they and four maps."""
        maps = [F.leaky_relu(self.enter(stills), 0.2)]
        for layer in self.down:
            maps.append(F.leaky_relu(layer(maps[-1]), 0.2))
        return [stills, *maps]

    def forward(self, seen: Sequence[Tensor], motion: Tensor) -> tuple[Tensor, Tensor]:
        """Frames ``(n, 3, size, size)`` and how far they are painted ``(n, 1, size, size)``.

        Args:
            seen: what `look` gave, a row a frame.
            motion: ``(n, motion)``.
        """
        still, full, half, quarter, eighth = seen
        hold: Tensor = self.get_buffer("hold")
        maps = self.deep(eighth, motion)
        for stage, narrow, beside in zip(self.up, list(self.narrow)[:0:-1], (quarter, half), strict=True):
            grown = F.interpolate(narrow(maps), scale_factor=2.0, mode="nearest")
            maps = stage(torch.cat([grown, beside], dim=1), motion)
        flow = _REACH * torch.tanh(self.flow(maps))
        flow = hold * F.interpolate(flow, scale_factor=2.0, mode="bilinear", align_corners=False)
        moved = bent(still, flow)
        grown = F.interpolate(self.narrow[0](maps), scale_factor=2.0, mode="bilinear", align_corners=False)
        fine = F.leaky_relu(self.fine(torch.cat([grown, full, moved], dim=1)), 0.2)
        last = self.last(fine)
        share = hold * torch.sigmoid(last[:, 3:])
        colour = torch.tanh(last[:, :3])
        return moved + share * (colour - moved), share


class _Steered(nn.Module):
    """A convolution whose channels the motion scales and shifts (FiLM, Perez et al. 2018)."""

    def __init__(self, before: int, after: int, motion: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, padding=1)
        self.steer = nn.Linear(motion, 2 * after)

    def forward(self, maps: Tensor, motion: Tensor) -> Tensor:
        scale, shift = self.steer(motion)[..., None, None].chunk(2, dim=1)
        return F.leaky_relu(self.conv(maps) * (1 + scale) + shift, 0.2)


def _hold(size: int) -> Tensor:
    """(1, 1, size, size): 0 at the edge, 1 from an eighth of the side inwards."""
    steps = torch.arange(size) + 0.5
    ramp = (torch.minimum(steps, size - steps) - 0.5).div(size / 8).clamp(0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return torch.outer(ramp, ramp)[None, None]
