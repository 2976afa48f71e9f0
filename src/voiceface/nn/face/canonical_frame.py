"""The frame to which faces are warped: its size, and polar coordinates around the middle of a face."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SIZE = 256
"""Pixels a side of the canonical frame."""
ANGLES = 180
"""Directions, evenly around the middle of the face; the first and the last point down."""
MIDDLE = (128.0, 140.0)
"""Pixels of the canonical frame, between the eyes."""


def angles() -> Tensor:
    """The directions in radians from straight up, clockwise: (angles,)."""
    return (torch.arange(ANGLES) + 0.5) / ANGLES * 2 * math.pi - math.pi


def pixel_places(side: int) -> Tensor:
    """Centres (side, side, 2) of pixels in the coordinates of the canonical frame."""
    line = (torch.arange(side) + 0.5) * (SIZE / side)
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)


def polar_coordinates(side: int) -> tuple[Tensor, Tensor]:
    """Distance from `MIDDLE` and direction in radians of every pixel, both (side, side)."""
    away = pixel_places(side) - torch.tensor(MIDDLE)
    return away.norm(dim=-1), torch.atan2(away[..., 0], -away[..., 1])


def at_angles(contour: Tensor, angle: Tensor) -> Tensor:
    """Values (n, side, side) of contours (n, angles) in the directions (side, side) of pixels."""
    place = (angle + math.pi) / (2 * math.pi) * ANGLES - 0.5
    low = place.floor()
    share, first = place - low, low.long() % ANGLES
    return contour[:, first] * (1 - share) + contour[:, (first + 1) % ANGLES] * share
