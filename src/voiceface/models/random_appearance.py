"""What no voice says of a face (skin, hair, clothes, a wall), as random numbers that go with the voice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.step_seed import numpy_generator
from voiceface.nn.face.torso import Clothing

_CLOTHS = [
    (58.0, 62.0, 72.0),
    (44.0, 58.0, 92.0),
    (196.0, 196.0, 198.0),
    (104.0, 112.0, 118.0),
    (92.0, 40.0, 48.0),
    (52.0, 78.0, 66.0),
    (124.0, 146.0, 172.0),
    (150.0, 128.0, 104.0),
]
"""Colours of plain clothes: dark and light greys, blues, red, green, brown."""
_WALL = (1, 3, 16)
"""Numbers of a wall: how light it is, its tint, what is uneven in it."""
_CLOTHING = 5
_STYLE = 1


class RandomAppearance(NamedTuple):
    """Of n faces."""

    residual: Tensor
    """(n, residuals) standard normal numbers: what voices do not predict of shape, texture and colours."""
    outline: Tensor
    """(n, outlines) standard normal numbers, by which hairline, outline and length of hair vary."""
    style: Tensor
    """(n,) from 0 to 1, by which a hair style is chosen."""
    clothing: Clothing
    background: Tensor
    """(n, 3, 4, 4) colours in [0, 255] of a wall a little darker towards the corners."""


def random_appearance(
    voices: Tensor, samples: Sequence[int], *, seed: int, residuals: int, outlines: int
) -> RandomAppearance:
    """Random numbers that a seed gives for voices: near voices get near numbers, other voices others.

    A voice's direction from the mean is multiplied by a matrix of standard normal numbers, which the seed and
    the sample choose. Over seeds the numbers of one voice are standard normal and independent; those of two
    voices at one seed are correlated as the cosine between their directions. So two recordings of one person
    get similar faces and two people different ones, of which nothing is learnt. The numbers are numpy's, the
    same on every machine and device.

    Args:
        voices: (n, width) embeddings, less their mean; where one is 0 its numbers are 0.
        samples: which of the seed's samples each takes.
        seed: of all.
        residuals: see `RandomAppearance`.
        outlines: see `RandomAppearance`.
    """
    sizes = [residuals, outlines, _STYLE, _CLOTHING, sum(_WALL)]
    directions = F.normalize(voices.detach().double().cpu(), dim=1)
    matrices = {
        sample: numpy_generator(seed, sample).standard_normal((directions.shape[1], sum(sizes)))
        for sample in set(samples)
    }
    rows = [
        direction @ torch.from_numpy(matrices[sample])
        for direction, sample in zip(directions, samples, strict=True)
    ]
    parts = torch.split(torch.stack(rows).float(), sizes, dim=1)
    return RandomAppearance(
        residual=parts[0],
        outline=parts[1],
        style=_uniform(parts[2])[:, 0],
        clothing=_clothing(_uniform(parts[3])),
        background=_background(parts[4]),
    )


def chosen_styles(shares: Tensor, style: Tensor) -> Tensor:
    """Hair styles (n,) chosen with probabilities in proportion to ``shares`` (n, styles).

    ``style`` (n,) are uniform numbers from 0 to 1.
    """
    reached = shares.cumsum(1) / shares.sum(1, keepdim=True)
    below: Tensor = (reached[:, :-1] < style.to(shares)[:, None]).sum(1)
    return below


def _uniform(normal: Tensor) -> Tensor:
    """Standard normal numbers as uniform ones from 0 to 1."""
    uniform: Tensor = torch.special.ndtr(normal)
    return uniform


def _clothing(numbers: Tensor) -> Clothing:
    """A colour of `_CLOTHS`, a little lighter or darker, and a collar, of uniform numbers (n, 5)."""
    cloths = torch.tensor(_CLOTHS)
    rows = (numbers[:, 0] * len(cloths)).long().clamp_max(len(cloths) - 1)
    colours = cloths[rows] * (0.8 + 0.4 * numbers[:, 1:2]) + 16 * (numbers[:, 2:] - 0.5)
    return Clothing(colours.clamp(12, 235), 36 + 6 * numbers[:, 4])


def _background(numbers: Tensor) -> Tensor:
    """Walls of standard normal numbers (n, 20)."""
    light, tint, uneven = torch.split(numbers, list(_WALL), dim=1)
    line = torch.linspace(-1, 1, 4)
    distance = (line.square() + line[:, None].square()) / 2
    wall: Tensor = (152 + 26 * light + 6 * tint)[:, :, None, None] * (1.06 - 0.16 * distance)
    return (wall + 4 * uneven.view(-1, 1, 4, 4)).clamp(20, 235)
