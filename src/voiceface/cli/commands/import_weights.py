"""Make a weights folder of files that a paper's authors published."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated

from cyclopts import App, Parameter

from voiceface.cli.docstrings import component_summaries
from voiceface.cli.options import Flag, Given, heading, keyword_options, with_options
from voiceface.cli.terminal import answer, say, shown
from voiceface.cli.text_wrapping import wrap_columns
from voiceface.components import load_component

__all__ = ["add_to"]

IMPORTS = "voiceface.pipelines.importers"

_ABOUT = """Make a weights folder of files that a paper's authors published.

voiceface import-weights wen --voice V.pth --generator G.pth -o FOLDER
voiceface import-weights wen --help shows which files there are"""

_OPTIONS_HELP = """Args:
    out: the weights folder to write; an older one is replaced
    json: print JSON
"""


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command, and below it the source that is asked for, or all by name."""
    group = App(name="import-weights", help=_ABOUT, group=heading("Learn"), version_flags=[])
    app.command(group)
    if tokens is None:
        return
    asked = tokens[0] if tokens and not tokens[0].startswith("-") else None
    if asked is None:
        for name, line in component_summaries(IMPORTS).items():
            group.command(_listed_only, name=name, help=line)
    else:
        group.command(_command(load_component(IMPORTS, asked), asked), name=asked)


def _listed_only() -> None:
    """Stands in the list of sources; never run, for one that is named is loaded."""


def _command(module: ModuleType, name: str) -> Callable[..., int]:
    options = {"given": keyword_options(module.import_weights, title=f"Files of {name}")}

    def command(
        *, out: Annotated[Path, Parameter(name=["--out", "-o"])], json: Flag = False, given: Given
    ) -> int:
        """Placeholder; the source's own card stands here."""
        folder: Path = module.import_weights(out, **given)
        if json:
            answer({"weights": str(folder)})
        else:
            say(f"weights: {shown(folder)}")
        return 0

    command.__doc__ = f"{wrap_columns(inspect.getdoc(module) or name)}\n\n{_OPTIONS_HELP}"
    return with_options(command, options, owner=f"import of {name}")
