"""Face networks that speech networks are distilled from: whose face it is, or its emotion.

A teacher is one file of ``models/teachers/`` with ``load()``, found by `voiceface.models.encoder_loading`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from voiceface.errors import InputError

_BATCH = 64


class Teacher(Protocol):
    """A frozen network in eval mode."""

    name: str
    dim: int
    """Size of an embedding."""

    def embed(self, pictures: Tensor, /) -> Tensor:
        """Aligned faces ``(n, 3, side, side)`` from 0 to 255, of any side, as ``(n, dim)``."""
        ...


@runtime_checkable
class IdentityTeacher(Teacher, Protocol):
    """A teacher with feature maps, which a discriminator compares with the generator's."""

    map_channels: tuple[int, int, int]
    """Channels of the three maps, the smallest side first."""

    def maps(self, pictures: Tensor, /) -> list[Tensor]:
        """The three maps of such faces, the smallest side first."""
        ...


def as_identity_teacher(teacher: Teacher) -> IdentityTeacher:
    """The same teacher, checked to have maps.

    Raises:
        InputError: it has none.
    """
    if not isinstance(teacher, IdentityTeacher):
        raise InputError(teacher.name, "has no feature maps", "give a recogniser: dlib or vggface")
    return teacher


@torch.no_grad()
def embed_with_teacher(teacher: Teacher, pictures: Sequence[Tensor]) -> Tensor:
    """Embed many faces ``(side, side, 3)`` uint8 in batches: ``(n, dim)``."""
    embeddings = [torch.zeros(0, teacher.dim)]
    for first in range(0, len(pictures), _BATCH):
        batch = torch.stack(list(pictures[first : first + _BATCH]))
        embeddings.append(teacher.embed(batch.permute(0, 3, 1, 2).float()))
    return torch.cat(embeddings)
