"""Make a weights folder of files that a paper's authors published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from voiceface.cli.component_commands import add_components, component_help
from voiceface.cli.options import Flag, Given, heading, keyword_options, with_options
from voiceface.cli.terminal import answer, say, shown
from voiceface.components import load_component

__all__ = ["add_to"]

IMPORTERS = "voiceface.pipelines.importers"

_ABOUT = """Make a weights folder of files that a paper's authors published.

voiceface import-weights wen --voice V.pth --generator G.pth -o FOLDER
voiceface import-weights wen --help shows which files there are"""

_OPTIONS_HELP = """Args:
    out: the weights folder to write; an older one is replaced
    json: print JSON
"""


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command with the importer that is named, or the list of all."""
    group = App(name="import-weights", help=_ABOUT, group=heading("Learn"), version_flags=[])
    app.command(group)
    add_components(group, tokens, IMPORTERS, _command)


def _command(name: str) -> Callable[..., int]:
    module = load_component(IMPORTERS, name)
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

    command.__doc__ = component_help(module, _OPTIONS_HELP)
    return with_options(command, options, owner=f"import of {name}")
