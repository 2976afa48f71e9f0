"""Networks that see, from which networks that hear are taught: who is shown, and what is felt.

A teacher is one file of ``models/teachers/`` with ``load()``, found by `voiceface.models.encoder_loading`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from voiceface.errors import InputError

__all__ = ["IdentityTeacher", "Teacher", "described", "as_identity_teacher"]

_AT_ONCE = 64


class Teacher(Protocol):
    """A frozen network in eval mode."""

    name: str
    dim: int
    """Numbers of a row."""

    def describe(self, pictures: Tensor, /) -> Tensor:
        """Aligned faces ``(n, 3, side, side)`` from 0 to 255, of any side, as rows ``(n, dim)``."""
        ...


@runtime_checkable
class IdentityTeacher(Teacher, Protocol):
    """A teacher whose feature maps the generator's are judged by."""

    map_channels: tuple[int, int, int]
    """Channels of the three maps, the smallest side first."""

    def maps(self, pictures: Tensor, /) -> list[Tensor]:
        """The three maps of such faces, the smallest side first."""
        ...


def as_identity_teacher(teacher: Teacher) -> IdentityTeacher:
    """The same teacher, which has maps.

    Raises:
        InputError: it has none.
    """
    if not isinstance(teacher, IdentityTeacher):
        raise InputError(teacher.name, "has no feature maps", "give a recogniser: dlib or vggface")
    return teacher


@torch.no_grad()
def described(teacher: Teacher, pictures: Sequence[Tensor]) -> Tensor:
    """Rows ``(n, dim)`` of many faces ``(side, side, 3)`` uint8, some at a time."""
    rows = [teacher.describe(torch.stack(some).permute(0, 3, 1, 2).float()) for some in _parts(pictures)]
    return torch.cat(rows) if rows else torch.zeros(0, teacher.dim)


def _parts(pictures: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    for first in range(0, len(pictures), _AT_ONCE):
        yield list(pictures[first : first + _AT_ONCE])
