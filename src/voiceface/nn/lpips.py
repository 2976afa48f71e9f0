"""LPIPS on AlexNet: a distance of pictures tuned to people's judgements (Zhang et al. 2018, version 0.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_WIDTHS = (64, 192, 384, 256, 256)
_POOLED = ("3", "6")
"""Layers before which the maps are halved."""
_EPSILON = 1e-10


class AlexFeatures(nn.Module):
    """The five convolutions of torchvision's AlexNet, under its names."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.ModuleDict(
            {
                "0": nn.Conv2d(3, 64, 11, stride=4, padding=2),
                "3": nn.Conv2d(64, 192, 5, padding=2),
                "6": nn.Conv2d(192, 384, 3, padding=1),
                "8": nn.Conv2d(384, 256, 3, padding=1),
                "10": nn.Conv2d(256, 256, 3, padding=1),
            }
        )

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Rectified maps of every layer for pictures (n, 3, height, width)."""
        found = []
        for name, layer in self.features.items():
            pooled = F.max_pool2d(pictures, 3, stride=2) if name in _POOLED else pictures
            pictures = layer(pooled).relu()
            found.append(pictures)
        return found


class Lpips(nn.Module):
    """Weighted squared differences of unit-length features, averaged over places and summed over layers."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.backbone = AlexFeatures()
        self.lins = nn.ModuleList(nn.Conv2d(width, 1, 1, bias=False) for width in _WIDTHS)
        self.register_buffer("mean", torch.tensor([-0.030, -0.088, -0.188])[:, None, None], persistent=False)
        self.register_buffer(
            "deviation", torch.tensor([0.458, 0.448, 0.450])[:, None, None], persistent=False
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Distances (n,) of pictures (n, 3, height, width) in [-1, 1], 31 pixels a side at least."""
        both = [self.backbone((pictures - self.mean) / self.deviation) for pictures in (first, second)]
        parts = []
        for lin, a, b in zip(self.lins, *both, strict=True):
            parts.append(lin((_unit(a) - _unit(b)) ** 2).mean(dim=(1, 2, 3)))
        return torch.stack(parts).sum(0)


def _unit(maps: Tensor) -> Tensor:
    return maps / ((maps**2).sum(1, keepdim=True).sqrt() + _EPSILON)
