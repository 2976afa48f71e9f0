"""Neck and clothes below a rendered face: neither is in a voice, so both are plain."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_MIDDLE = 128.0
_COLLAR_TOP, _COLLAR_WIDE = 208.0, 52.0
"""Where an ellipse of skin above the collar is centred, and half its width, in pixels of 256."""
_SEAM = 4.5
"""Width of the band along a collar."""
_JAW = 212.0
"""Height from which skin outside the face is neck."""


class Torso(NamedTuple):
    """What lies where below a face, one share (n, 1, 256, 256) each."""

    neck: Tensor
    """Skin below the jaw, if no clothes are on it."""
    clothes: Tensor
    seam: Tensor
    """The band along the collar."""


class Clothing(NamedTuple):
    """Plain clothes of n people."""

    colours: Tensor
    """(n, 3) in [0, 255]."""
    depth: Tensor
    """(n,) how far the collar reaches, as in `torso`."""

    def to(self, like: Tensor) -> Clothing:
        """The same on the device of ``like``, of its type."""
        return Clothing(*(part.to(like) for part in self))


def plain_clothing(faces: Tensor) -> Clothing:
    """Grey, with a round collar, for faces (n, ...)."""
    colours = torch.tensor([92.0, 96.0, 104.0]).to(faces).expand(len(faces), -1)
    return Clothing(colours, torch.full((len(faces),), 42.0).to(faces))


def torso(depth: Tensor, size: int) -> Torso:
    """Divide what lies below a face into neck and clothes.

    Args:
        depth: (n,) how far collars reach below the ellipse's centre, in pixels of 256.
        size: pixels a side.
    """
    line = (torch.arange(size).to(depth) + 0.5) * (256 / size)
    y, x = line[:, None], line[None] - _MIDDLE
    deep = depth[:, None, None, None]
    # Distance from the ellipse, in pixels to first order.
    across, down = (x / _COLLAR_WIDE)[None, None], (y - _COLLAR_TOP)[None, None] / deep
    norm = (across.square() + down.square()).sqrt()
    slope = ((across / _COLLAR_WIDE).square() + (down / deep).square()).sqrt() / norm.clamp_min(1e-6)
    away = (norm - 1) / slope.clamp_min(1e-6)
    below = torch.sigmoid((y - _COLLAR_TOP).clamp(-30.0, 30.0)[None, None] / 1.5)
    # Far away the sign is enough, and a logistic of thousands warns of overflow elsewhere.
    away = away.clamp(-20.0, 20.0)
    clothes = torch.sigmoid(away / 0.8) * below
    seam = clothes * torch.sigmoid((_SEAM - away) / 0.6)
    neck = torch.sigmoid((y - _JAW) / 4).expand_as(clothes)
    return Torso(neck, clothes, seam)


def dressed_neck(skin: Tensor, shadow: Tensor, parts: Torso, clothing: Clothing) -> Tensor:
    """Colours (n, 3, 256, 256) of neck and clothes, as `neck_colours` and `cloth_colours` give them."""
    neck = neck_colours(skin, shadow)
    return neck + parts.clothes * (cloth_colours(clothing.colours, parts) - neck)


def neck_colours(skin: Tensor, shadow: Tensor) -> Tensor:
    """Skin (n, 3, 256, 256) of the colours (n, 3, 1, 1), round, and darker where the head casts its shadow.

    Args:
        skin: colours of the face.
        shadow: (n or 1, 1, 256, 256) how near a pixel is to the face, in [0, 1].
    """
    size = shadow.shape[-1]
    x = ((torch.arange(size).to(skin) + 0.5) * (256 / size) - _MIDDLE) / _COLLAR_WIDE
    light = 0.92 - 0.42 * shadow - 0.12 * x.square().clamp(max=1.5)
    return skin * light.clamp(0.4, 1.0)


def cloth_colours(colours: Tensor, parts: Torso) -> Tensor:
    """Plain cloth (n, 3, 256, 256) of the colours (n, 3), lighter in front, with a seam along the collar."""
    size = parts.clothes.shape[-1]
    x = ((torch.arange(size).to(colours) + 0.5) * (256 / size) - _MIDDLE) / _MIDDLE
    light = 1.06 - 0.3 * x.square()
    edge = 4 * parts.seam * (1 - parts.seam)
    light = light * (1 + 0.10 * parts.seam - 0.3 * edge)
    return colours[:, :, None, None] * light
