"""The outline of hair moved in and out, direction by direction, while the face stays where it is."""

from __future__ import annotations

import torch
from torch import Tensor

from voiceface.nn.face.canonical_frame import MIDDLE, SIZE, at_angles, pixel_places, polar_coordinates

_REACH = 36.0
"""Pixels beyond the face over which the change grows to its full size."""
_LARGEST = 0.18
"""Share of its distance from the middle of the face by which an outline is moved at most."""
_JAW = 182.0
"""Row of the canonical frame from which hair may fall farther or less far."""
_LONGER, _LENGTHS = 0.35, 0.45
"""Mean and deviation of the logarithm by which hair below the jaw is longer than in a style, where it ends
where half of the wearers' hair does."""
_LONGEST = 1.2


def outline_grid(change: Tensor, face: Tensor, side: int, length: Tensor | None = None) -> Tensor:
    """Where pixels of a picture with changed outlines come from.

    Args:
        change: (n, angles) share of its distance by which the outline moves out.
        face: (angles,) distance in pixels of the canonical frame at which the face ends.
        side: pixels a side of the picture, which shows the canonical frame.
        length: (n,) standard normal numbers: how far hair falls below the jaw; None: as in the picture.

    Returns:
        (n, side, side, 2) from -1 to 1, for `torch.nn.functional.grid_sample`.
    """
    radius, angle = (part.to(change) for part in polar_coordinates(side))
    start = at_angles(face[None], angle)
    share = ((radius - start) / _REACH).clamp(0, 1)
    share = share * share * (3 - 2 * share)
    moved = at_angles(change.clamp(-_LARGEST, _LARGEST), angle)
    middle = torch.tensor(MIDDLE).to(change)
    places = middle + (pixel_places(side).to(change) - middle) / (1 + share * moved)[..., None]
    if length is not None:
        shrunk = torch.exp(-(_LONGER + _LENGTHS * length).clamp(-_LONGEST, _LONGEST))[:, None, None]
        x, y = places.unbind(-1)
        places = torch.stack([x, torch.where(y > _JAW, _JAW + (y - _JAW) * shrunk, y)], -1)
    return places / (SIZE / 2) - 1


def below_jaw(side: int) -> Tensor:
    """1 below the jaw, 0 above, (side, 1)."""
    rows = pixel_places(side)[:, :1, 1]
    return ((rows - _JAW) / 8).clamp(0, 1)
