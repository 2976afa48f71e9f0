"""What a run computes of a selection's items, once for each selection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, Generic, ParamSpec, TypeVar

from voiceface.corpus.splits import Selection

Made = TypeVar("Made")
More = ParamSpec("More")


class OncePerSelection(Generic[More, Made]):
    """A function of a selection whose results are kept, for the facts, start, data and validation of a run.

    Args:
        make: the function; its further arguments must be the same at every call for a selection.
    """

    def __init__(self, make: Callable[Concatenate[Selection, More], Made]) -> None:
        self._make = make
        self._made: dict[tuple[bytes, ...], Made] = {}

    def __call__(self, selection: Selection, *args: More.args, **kwargs: More.kwargs) -> Made:
        """The function's result for ``selection``, the same object at every call."""
        key = tuple(rows.tobytes() for rows in (selection.voices, selection.faces, selection.clips))
        if key not in self._made:
            self._made[key] = self._make(selection, *args, **kwargs)
        return self._made[key]
