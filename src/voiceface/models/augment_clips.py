"""Augmentation of faces and mouths from clips: geometry and exposure, drawn from a given generator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def augment_pictures(
    pictures: Tensor,
    size: int,
    random: torch.Generator,
    *,
    angle: float,
    scale: tuple[float, float],
    shift: float,
    gamma: float,
    mirror: float = 0.5,
) -> Tensor:
    """Rotate, scale, shift, mirror and expose every picture by itself: ``(n, channels, size, size)``.

    Args:
        pictures: ``(n, channels, side, side)`` from 0 to 255.
        size: side of the result in pixels.
        random: source of the random numbers.
        angle: largest rotation in radians.
        scale: mean of the scale, and the largest logarithm that it is multiplied by.
        shift: largest shift, in half sides.
        gamma: largest logarithm of the exponent that brightness is raised to.
        mirror: share of pictures that are mirrored.
    """
    count, channels = pictures.shape[:2]

    def uniform(limit: float) -> Tensor:
        return limit * (2 * torch.rand(count, generator=random) - 1)

    turned, scaled = uniform(angle), torch.exp(uniform(scale[1])) * scale[0]
    sides = torch.where(torch.rand(count, generator=random) < mirror, -1.0, 1.0)
    cos, sin = scaled * turned.cos(), scaled * turned.sin()
    rows = [
        torch.stack([cos * sides, -sin, uniform(shift)], 1),
        torch.stack([sin * sides, cos, uniform(shift)], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), [count, channels, size, size], align_corners=False)
    moved = F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)
    exponents = torch.exp(uniform(gamma))[:, None, None, None]
    return 255 * (moved.clamp(0, 255) / 255) ** exponents


def augment_clip(pictures: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Mirror, move, tint and expose all pictures ``(n, 3, side, side)`` uint8 of one clip alike."""

    def uniform(limit: float, count: int = 1) -> Tensor:
        return strength * limit * (2 * torch.rand(count, generator=random) - 1)

    mirror = -1.0 if float(torch.rand(1, generator=random)) < 0.5 * min(1.0, strength) else 1.0
    size, angle, shift = float(torch.exp(uniform(0.06))), float(uniform(0.05)), uniform(0.04, 2)
    matrix = torch.tensor(
        [[mirror * size, -angle, float(shift[0])], [mirror * angle, size, float(shift[1])]]
    ).expand(len(pictures), 2, 3)
    grid = F.affine_grid(matrix, list(pictures.shape), align_corners=False)
    values = F.grid_sample(pictures.float() / 255, grid, padding_mode="reflection", align_corners=False)
    values = values.clamp(0, 1) ** torch.exp(uniform(0.45))
    grey = values.mean(1, keepdim=True)
    values = grey + (values - grey) * (1 + uniform(0.5)[:, None, None])
    values = values * torch.exp(uniform(0.2, 3))[:, None, None] + uniform(0.06)[:, None, None]
    return (255 * values.clamp(0, 1)).round().to(torch.uint8)
