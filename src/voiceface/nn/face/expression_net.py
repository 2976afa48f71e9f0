"""A small network that reads the expression of an aligned face."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_HALVINGS = 4


class ExpressionNet(nn.Module):
    """Four convolutions that halve the picture, features, and a class for every emotion.

    Args:
        emotions: how many.
        width: channels of the first convolution; each further one has twice as many, four times at most.
        features: numbers before the classes.
        size: side of the pictures, a multiple of 16.
    """

    def __init__(self, *, emotions: int, width: int = 16, features: int = 64, size: int = 64) -> None:
        super().__init__()
        self.size = size
        widths = [1, width, 2 * width, 4 * width, 4 * width]
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1, bias=False)
            for before, after in zip(widths, widths[1:], strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(after) for after in widths[1:])
        self.features = nn.Linear(widths[-1] * (size // 2**_HALVINGS) ** 2, features)
        self.classes = nn.Linear(features, emotions)

    def forward(self, pictures: Tensor) -> Tensor:
        """Faces ``(n, 3, side, side)`` from 0 to 255 as features ``(n, features)``, above 0.

        Colour and brightness depend on person and place rather than on emotion: each picture is grey, with
        a mean of 0 and a deviation of 1.
        """
        grey = pictures.mean(1, keepdim=True)
        if grey.shape[-1] != self.size:
            grey = F.interpolate(grey, size=self.size, mode="bilinear", antialias=True, align_corners=False)
        deviation = grey.std((1, 2, 3), keepdim=True, correction=0).clamp_min(1e-3)
        maps = (grey - grey.mean((1, 2, 3), keepdim=True)) / deviation
        for conv, norm in zip(self.convs, self.norms, strict=True):
            maps = F.max_pool2d(F.relu(norm(conv(maps))), 2)
        return F.relu(self.features(maps.flatten(1)))

    def logits(self, features: Tensor) -> Tensor:
        """Features ``(n, features)`` as scores ``(n, emotions)``."""
        scores: Tensor = self.classes(F.dropout(features, 0.3, self.training))
        return scores

    @torch.no_grad()
    def probabilities(self, pictures: Tensor) -> Tensor:
        """Probabilities ``(n, emotions)`` of faces, without gradients."""
        return self.logits(self(pictures)).softmax(1)
