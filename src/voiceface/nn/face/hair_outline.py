"""Hairlines and outlines of hair moved in and out, direction by direction, while the face stays."""

from __future__ import annotations

import torch
from torch import Tensor

from voiceface.nn.face.canonical_frame import MIDDLE, SIZE, at_angles, pixel_places, polar_coordinates

_LARGEST = (0.2, 0.18)
"""Shares of their distance from the middle of the face by which hairline and outline are moved at most."""
_BESIDE_FACE, _THINNEST = 2.0, 0.5
"""Pixels that a hairline keeps from the face, and the share of its depth that hair keeps."""
_DEPTH = 2.0
"""Pixels between a hairline and an outline at least."""
_JAW = 182.0
"""Row of the canonical frame from which hair may fall farther or less far."""
_LONGER, _LENGTHS = 0.35, 0.45
"""Mean and deviation of the logarithm by which hair below the jaw is longer than in a style, where it ends
where half of the wearers' hair does."""
_LONGEST = 1.2


def outline_grid(
    change: Tensor, contours: Tensor, face: Tensor, side: int, length: Tensor | None = None
) -> Tensor:
    """Where pixels of a picture with changed contours come from.

    Between face and hairline, and between hairline and outline, pixels move evenly; what is beyond moves with
    the outline.

    Args:
        change: (n, 2, angles) shares of their distance by which hairline and outline move out.
        contours: (n, 2, angles) distances of hairline and outline in pixels of the canonical frame.
        face: (angles,) distance at which the face ends.
        side: pixels a side of the picture, which shows the canonical frame.
        length: (n,) standard normal numbers: how far hair falls below the jaw; None: as in the picture.

    Returns:
        (n, side, side, 2) from -1 to 1, for `torch.nn.functional.grid_sample`.
    """
    radius, angle = (part.to(change) for part in polar_coordinates(side))
    hairline, outline, new_hairline, new_outline = (
        at_angles(part, angle) for part in _changed(change, contours, face)
    )
    start = at_angles(face[None].to(change), angle)
    source = radius_before(radius, start, (new_hairline, new_outline), (hairline, outline))
    scale = source / radius.clamp_min(1e-3)
    middle = torch.tensor(MIDDLE).to(change)
    places = middle + (pixel_places(side).to(change) - middle) * scale[..., None]
    if length is not None:
        shrunk = torch.exp(-(_LONGER + _LENGTHS * length).clamp(-_LONGEST, _LONGEST))[:, None, None]
        x, y = places.unbind(-1)
        places = torch.stack([x, torch.where(y > _JAW, _JAW + (y - _JAW) * shrunk, y)], -1)
    return places / (SIZE / 2) - 1


def radius_before(
    radius: Tensor, face: Tensor, new: tuple[Tensor, Tensor], old: tuple[Tensor, Tensor]
) -> Tensor:
    """Distances (n, h, w) at which pixels lay before hairlines and outlines moved.

    Args:
        radius: (h, w) distances of the pixels now.
        face: (n or 1, h, w) distance at which the face ends, within which nothing moves.
        new: hairlines and outlines now, (n or 1, h, w) each: those of the pixels' directions.
        old: the same before.
    """
    (low, high), (old_low, old_high) = new, old
    skin = face + (radius - face) * (old_low - face) / (low - face)
    hair = old_low + (radius - low) * (old_high - old_low) / (high - low)
    moved = torch.where(radius <= high, torch.where(radius <= low, skin, hair), old_high + radius - high)
    return torch.where(radius <= face, radius, moved)


def _changed(change: Tensor, contours: Tensor, face: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Hairlines and outlines before and after, all (n, angles), in the order face, hairline, outline."""
    nearest = face.to(change) + _BESIDE_FACE
    hairline = torch.maximum(contours[:, 0], nearest)
    outline = torch.maximum(contours[:, 1], hairline + _DEPTH)
    moved = [part.clamp(-most, most) for part, most in zip(change.unbind(1), _LARGEST, strict=True)]
    new_outline = torch.maximum(outline * (1 + moved[1]), nearest + _DEPTH)
    thinnest = torch.minimum(_THINNEST * (outline - hairline), new_outline - nearest).clamp_min(_DEPTH)
    new_hairline = torch.minimum(hairline * (1 + moved[0]), new_outline - thinnest)
    return hairline, outline, torch.maximum(new_hairline, nearest), new_outline


def below_jaw(side: int) -> Tensor:
    """1 below the jaw, 0 above, (side, 1)."""
    rows = pixel_places(side)[:, :1, 1]
    return ((rows - _JAW) / 8).clamp(0, 1)
