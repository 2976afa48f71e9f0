"""Where hair runs: orientations of fine structure, and random streaks along them.

An orientation is a vector of twice the angle, so that opposite directions are one and averages are meant; its
length says how alike the structures around a pixel run (Bigün and Granlund 1987).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.nn.face.box_filters import blur

_STEPS = (1, 2, 4)
_GAIN = 4.6
"""Brings streaks back to the deviation of the numbers that they are made of."""


def orientations(light: Tensor, *, width: int) -> Tensor:
    """Orientations (n, 2, h, w) along the edges of luminance (n, 1, h, w).

    Args:
        light: in any unit.
        width: pixels over which structures are averaged, twice.
    """
    padded = F.pad(light, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    # Across the gradient: its double angle, turned by half a turn.
    tensor = torch.cat(
        [down.square() - across.square(), -2 * across * down, across.square() + down.square()], 1
    )
    tensor = blur(blur(tensor, width), width)
    return tensor[:, :2] / tensor[:, 2:].clamp_min(1e-6)


def streaks(grain: Tensor, flow: Tensor) -> Tensor:
    """Random numbers smeared along orientations: line integrals (Cabral and Leedom 1993), of growing steps.

    Args:
        grain: (n, 1, h, w) standard normal numbers.
        flow: (n, 2, h, w) orientations.

    Returns:
        (n, 1, h, w), about as far from 0 as the grain.
    """
    height, width = grain.shape[-2:]
    # Half the angle, of either sign: streaks reach both ways.
    cosine = (flow[:, 0] / flow.norm(dim=1).clamp_min(1e-6)).clamp(-1, 1)
    across = ((1 + cosine) / 2).sqrt()
    down = ((1 - cosine) / 2).sqrt() * torch.where(flow[:, 1] < 0, -1.0, 1.0)
    pixel = torch.stack([2 / width * across, 2 / height * down], -1)
    rows = (torch.arange(height).to(grain) + 0.5) * (2 / height) - 1
    columns = (torch.arange(width).to(grain) + 0.5) * (2 / width) - 1
    here = torch.stack([columns.expand(height, -1), rows[:, None].expand(-1, width)], -1)
    smeared = grain
    for step in _STEPS:
        ahead, behind = (
            F.grid_sample(smeared, here + way * pixel, padding_mode="border", align_corners=False)
            for way in (step, -step)
        )
        smeared = (smeared + ahead + behind) / 3
    return _GAIN * smeared
