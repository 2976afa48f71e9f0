"""Colours of hair that come from averages of photographs: natural ones, and how much skin shows through."""

from __future__ import annotations

import torch
from torch import Tensor

_LESS_BLUE = 0.45
"""Of Cr, by how much at least Cb of hair lies below 0."""
_TINGE = 0.3
"""Share of the colours within a hair style that is kept."""
_THIN = 5.0
"""Pixels beyond a hairline in which skin shows through; it fades out over as many."""


def plain_shading(shading: Tensor, lightest: float) -> Tensor:
    """Shading (n, 3, h, w) of hair with little colour, for that is of the photographs' clothes and walls.

    No grey level of it is above ``lightest``.
    """
    grey = shading.mean(1, keepdim=True).clamp(max=lightest)
    return grey + _TINGE * (shading - grey)


def natural_colours(hair: Tensor) -> Tensor:
    """Luminance, Cb and Cr (n, 3) of hair that is not blue, green or purple: the redder, the less blue."""
    red = hair[:, 2].clamp(min=1.5)
    return torch.stack([hair[:, 0], torch.minimum(hair[:, 1], -_LESS_BLUE * red - 0.8), red], 1)


def hair_density(difference: Tensor, between: Tensor, depth: Tensor) -> Tensor:
    """How much of each pixel (n, 1, h, w) within a hairline is hair; thin hair lets skin through.

    Args:
        difference: (n, 3, h, w) of the colours from the skin's.
        between: (n, 3, 1, 1) the same of hair.
        depth: (n, 1, h, w) pixels within the hairline; away from it all is hair.
    """
    along = (difference * between).sum(1, keepdim=True) / between.square().sum(1, keepdim=True)
    certain = (between.norm(dim=1, keepdim=True) / 60).clamp(0, 1)
    thin = (1 - ((depth - _THIN) / _THIN).clamp(0, 1)) * certain
    dense: Tensor = 1 - thin + thin * along.clamp(0, 1).sqrt()
    return dense
