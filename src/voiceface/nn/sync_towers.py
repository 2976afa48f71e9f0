"""Two small towers that embed a moving mouth and its sound in one space."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FRAMES = 5


class MouthNet(nn.Module):
    """Embeds five consecutive grey pictures of a mouth, with length 1.

    Args:
        width: channels of the first layer; the others are 2, 3 and 4 times as wide.
        dim: size of an embedding.
        size: side of the pictures in pixels, a multiple of 16.
    """

    def __init__(self, *, width: int = 32, dim: int = 128, size: int = 48) -> None:
        super().__init__()
        self.size = size
        widths = [FRAMES, width, 2 * width, 3 * width, 4 * width]
        kernels = [5, 3, 3, 3]
        self.layers = nn.Sequential(
            *(
                _layer(i, o, kernel=k, stride=(2, 2))
                for i, o, k in zip(widths, widths[1:], kernels, strict=False)
            )
        )
        self.out = nn.Linear(4 * width * (size // 16) ** 2, dim)

    def forward(self, mouths: Tensor) -> Tensor:
        """Embed windows ``(n, 5, size, size)`` of grey values, standardised here, as ``(n, dim)``."""
        mean = mouths.mean((1, 2, 3), keepdim=True)
        spread = mouths.std((1, 2, 3), keepdim=True)
        hidden = self.layers((mouths - mean) / spread.clamp_min(1e-3))
        return F.normalize(self.out(hidden.flatten(1)), dim=1)


class SoundNet(nn.Module):
    """Embeds twenty log-mel frames, with length 1.

    Args:
        width: channels of the first layer; the others are 2, 3 and 4 times as wide.
        dim: size of an embedding.
        bands: mel bands, a multiple of 8.
    """

    def __init__(self, *, width: int = 32, dim: int = 128, bands: int = 40) -> None:
        super().__init__()
        widths, strides = [1, width, 2 * width, 3 * width, 4 * width], [(2, 1), (2, 2), (2, 2), (1, 2)]
        self.layers = nn.Sequential(
            *(_layer(i, o, kernel=3, stride=s) for i, o, s in zip(widths, widths[1:], strides, strict=False))
        )
        self.out = nn.Linear(4 * width * (bands // 8) * 3, dim)

    def forward(self, mels: Tensor) -> Tensor:
        """Embed standardised windows ``(n, bands, 20)`` as ``(n, dim)``."""
        return F.normalize(self.out(self.layers(mels[:, None]).flatten(1)), dim=1)


def _layer(into: int, out: int, *, kernel: int, stride: tuple[int, int]) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(into, out, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )


def sync_nce(mouths: Tensor, sounds: Tensor, *, scale: Tensor, across: float, near: int = 1) -> Tensor:
    """Symmetric InfoNCE of mouths and sounds of several segments of clips.

    Negatives are the other windows of the same segment (which differ in timing alone) and, weighted
    ``across``, those of all segments. Windows within ``near`` frames are nearly equal and are excluded.

    Source: van den Oord et al. 2018, equation 4, both ways; in-clip negatives as in Chung, Chung & Kang
    2019 (Perfect match).

    Args:
        mouths: ``(clips, windows, dim)`` of length 1, one window per frame.
        sounds: ``(clips, windows, dim)``.
        scale: factor of the cosines.
        across: weight of the second part.
        near: frames on either side that are no negatives.
    """
    clips, windows = mouths.shape[:2]
    at = torch.arange(windows, device=mouths.device)
    apart = (at[:, None] - at[None]).abs()
    blurred = (apart > 0) & (apart <= near)
    own = (scale * mouths @ sounds.mT).masked_fill(blurred, -torch.inf)
    loss = _both_ways(own)
    if across > 0:
        every = scale * mouths.flatten(0, 1) @ sounds.flatten(0, 1).T
        same = torch.eye(clips, dtype=torch.bool, device=mouths.device)
        hidden = (same[:, None, :, None] & blurred[None, :, None, :]).reshape(clips * windows, -1)
        loss = loss + across * _both_ways(every.masked_fill(hidden, -torch.inf))
    return loss


def _both_ways(logits: Tensor) -> Tensor:
    positives = torch.diagonal(logits, dim1=-2, dim2=-1)
    return (torch.logsumexp(logits, -1) + torch.logsumexp(logits, -2) - 2 * positives).mean() / 2
