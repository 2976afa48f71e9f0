"""Networks that see, from which networks that hear are taught: who is shown, and what is felt.

A teacher is one file of ``systems/teachers/`` with a ``load(weights=None)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from voiceface.errors import InputError
from voiceface.folders import component_names, load_component

__all__ = ["IdentityTeacher", "Teacher", "described", "load_teacher", "sees_identity"]

_TEACHERS = "voiceface.systems.teachers"
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
class IdentityTeacher(Protocol):
    """A teacher whose feature maps the generator's are judged by."""

    name: str
    dim: int
    maps_width: tuple[int, int, int]
    """Channels of the three maps, the smallest side first."""

    def describe(self, pictures: Tensor, /) -> Tensor:
        """As `Teacher.describe`."""
        ...

    def maps(self, pictures: Tensor, /) -> list[Tensor]:
        """The three maps of such faces, the smallest side first."""
        ...


def load_teacher(name: str) -> Teacher:
    """A teacher by its name (``dlib``, ``vggface``), or ``name:weights`` with its weights' place.

    A folder alone is taken for weights of the recipe ``expression``.

    Raises:
        InputError: there is none of that name, or the weights do not fit.
        MissingPartError: its weights are not on this machine.
    """
    kind, _, weights = name.partition(":")
    if kind not in component_names(_TEACHERS) and Path(name).is_dir():
        kind, weights = "expression", name
    return cast(Teacher, load_component(_TEACHERS, kind).load(weights or None))


def sees_identity(teacher: Teacher) -> IdentityTeacher:
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
