"""What the user wants of a training's split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class SplitChoice:
    """What the user wants of a training's split."""

    by: str = ""
    """``authors``, ``random`` or ``file``; blank: the authors' where the corpus has one that serves."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Of a file: person or item to part."""
    left_out: frozenset[str] = frozenset()
    """People who are in no part."""
    folds: int = 0
    """Folds of a cross-validation instead of one split."""
    file: str = ""
    """Names of the files that were given, for whoever reads the record."""

    def random(self) -> SplitChoice:
        """The same people left out of a split by the recipe, or of a fold."""
        return SplitChoice(by="random", left_out=self.left_out, file=self.file)


NO_CHOICE = SplitChoice()
"""The authors' split where it serves, else the recipe's own."""
