"""Differentiable augmentation of the faces that a discriminator sees."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def augment_faces(pictures: Tensor) -> Tensor:
    """Random brightness, saturation, contrast, shift and cutout of each picture (n, 3, size, size).

    The discriminator sees nothing else, so that it cannot memorise a small corpus, and the generator does
    not learn the augmentation.

    Source: Zhao et al. 2020, Differentiable Augmentation for Data-Efficient GAN Training.
    """
    count, size = len(pictures), pictures.shape[-1]

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, 1, device=pictures.device)

    pictures = pictures + uniform(-0.2, 0.2)
    grey = pictures.mean(1, keepdim=True)
    pictures = grey + (pictures - grey) * uniform(0.5, 1.5)
    level = pictures.mean(dim=(1, 2, 3), keepdim=True)
    pictures = level + (pictures - level) * uniform(0.8, 1.2)
    margin = size // 8
    padded = F.pad(pictures, (margin,) * 4)
    shifts = torch.randint(0, 2 * margin + 1, (count, 2)).tolist()
    pictures = torch.stack(
        [one[:, y : y + size, x : x + size] for one, (y, x) in zip(padded, shifts, strict=True)]
    )
    position = torch.arange(size, device=pictures.device)
    hidden = torch.ones(count, 1, size, size, dtype=torch.bool, device=pictures.device)
    for axis in (2, 3):
        middle = uniform(0, size)
        shape = (1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1)
        hidden = hidden & ((position.view(shape) - middle).abs() < size / 6)
    return pictures.masked_fill(hidden, 0.0)
