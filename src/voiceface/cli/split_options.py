"""The options ``--split`` and ``--leave-out`` of the commands that train."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from voiceface.cli.options import OptionValues


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """Which split a recipe is trained with."""

    split: Annotated[
        str | None,
        Parameter(
            help="authors (the default where the corpus has a published split that serves the recipe), "
            "random, or a file of lines PERSON PART or CODE RECORDING with PART train, validation or test"
        ),
    ] = None
    leave_out: Annotated[
        str | None,
        Parameter(
            help="a published list of trials or a file of people, who are in no part, to be tested on as "
            "unknown; or people separated by commas"
        ),
    ] = None

    def of_recipe(self, given: OptionValues, own: set[str]) -> tuple[OptionValues, str | None]:
        """The recipe's options, with names to leave out where it has that option itself; else those names."""
        if self.leave_out is None or Path(self.leave_out).is_file() or "leave_out" not in own:
            return given, self.leave_out
        return given | {"leave_out": self.leave_out}, None

    def words(self) -> list[str]:
        """As they are typed, files by their names."""
        named = {"--split": self.split, "--leave-out": self.leave_out}
        return [word for name, value in named.items() if value for word in (name, value.rpartition("/")[2])]


DEFAULT_SPLIT = SplitOptions()
