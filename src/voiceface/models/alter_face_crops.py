"""Augmentation of the grey crops in which a mesh is looked for: light, blur, size, noise, JPEG, occlusion."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

_SMALL, _BLURRED, _COMPRESSED, _COVERED = 0.25, 0.2, 0.4, 0.15
"""Shares of the crops; none is both reduced and blurred."""


def alter_face_crops(crops: Tensor, random: torch.Generator) -> Tensor:
    """Change crops (n, 1, side, side) in [-1, 1] as cameras, codecs and hands do; 8 divides the side.

    Every crop gets another brightness (gamma), a light from aside, a contrast and noise; some are reduced
    and enlarged again, blurred, compressed as JPEG or covered by a grey rectangle.
    """
    light = _light((crops + 1) / 2, random)
    kind = torch.rand(len(crops), generator=random)
    light = _where(kind < _SMALL, light, lambda some: _reduce(some, random))
    light = _where(kind > 1 - _BLURRED, light, lambda some: _blur(some, random))
    noise = torch.randn(light.shape, generator=random)
    light = light + 0.03 * torch.randn(len(crops), 1, 1, 1, generator=random).abs() * noise
    compressed = torch.rand(len(crops), generator=random) < _COMPRESSED
    light = _where(compressed, light, lambda some: _compress(some, random))
    return _cover(light, random).clamp(0, 1) * 2 - 1


def _where(chosen: Tensor, crops: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    if not chosen.any():
        return crops
    changed = crops.clone()
    changed[chosen] = change(crops[chosen])
    return changed


def _light(crops: Tensor, random: torch.Generator) -> Tensor:
    def normal() -> Tensor:
        return torch.randn(len(crops), 1, 1, 1, generator=random)

    line = torch.linspace(-1, 1, crops.shape[-1])
    lit = crops.clamp_min(1e-3) ** torch.exp(0.35 * normal())
    lit = lit * (1 + 0.35 * normal() * line + 0.3 * normal() * line[:, None])
    return (lit - 0.5) * torch.exp(0.25 * normal()) + 0.5 + 0.08 * normal()


def _reduce(crops: Tensor, random: torch.Generator) -> Tensor:
    side = crops.shape[-1]
    fewer = int(torch.randint(side // 4, side * 2 // 3, (1,), generator=random))
    reduced = F.interpolate(crops, size=fewer, mode="bilinear", antialias=True)
    return F.interpolate(reduced, size=side, mode="bilinear")


def _blur(crops: Tensor, random: torch.Generator) -> Tensor:
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    kernel = (line[:, None] * line)[None, None]
    for _ in range(int(torch.randint(1, 4, (1,), generator=random))):
        crops = F.conv2d(F.pad(crops, (2, 2, 2, 2), mode="replicate"), kernel)
    return crops


def _compress(crops: Tensor, random: torch.Generator) -> Tensor:
    """Cosine transform of blocks of 8 pixels, rounded to steps that grow with the frequency (ITU-T T.81)."""
    count, _, side, _ = crops.shape
    order = torch.arange(8.0)
    cosines = torch.cos((2 * order + 1) * order[:, None] * math.pi / 16) / 2
    cosines[0] /= math.sqrt(2)
    blocks = crops.view(count, side // 8, 8, side // 8, 8).permute(0, 1, 3, 2, 4)
    coarse = 0.005 + 0.05 * torch.rand(count, 1, 1, 1, 1, generator=random)
    step = coarse * (1 + order[:, None] + order)
    rounded = torch.round(cosines @ blocks @ cosines.T / step) * step
    again = cosines.T @ rounded @ cosines
    return again.permute(0, 1, 3, 2, 4).reshape(count, 1, side, side)


def _cover(crops: Tensor, random: torch.Generator) -> Tensor:
    side = crops.shape[-1]
    covered = crops.clone()
    for one in covered:
        if torch.rand(1, generator=random) < _COVERED:
            height, width = torch.randint(side // 12, side // 3, (2,), generator=random).tolist()
            top, left = torch.randint(0, side, (2,), generator=random).tolist()
            one[:, top : top + height, left : left + width] = torch.rand(1, generator=random)
    return covered
