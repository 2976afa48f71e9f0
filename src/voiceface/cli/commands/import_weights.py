"""Convert published weights to a weights folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from voiceface.cli.component_commands import add_components, component_help
from voiceface.cli.options import Flag, OptionValues, help_group, keyword_options, with_options
from voiceface.cli.terminal import print_json, print_line, printable
from voiceface.components import load_component

IMPORTERS = "voiceface.pipelines.importers"

_ABOUT = """Convert weights that a paper's authors published to a weights folder.

voiceface import-weights wen --voice V.pth --generator G.pth -o FOLDER
voiceface import-weights wen --help lists the files"""

_OPTIONS_HELP = """Args:
    out: the weights folder to write; an existing one is replaced
    json: print JSON
"""


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command with the importer that is named, or the list of all."""
    group = App(name="import-weights", help=_ABOUT, group=help_group("Training"), version_flags=[])
    app.command(group)
    add_components(group, tokens, IMPORTERS, _command)


def _command(name: str) -> Callable[..., int]:
    module = load_component(IMPORTERS, name)
    options = {"given": keyword_options(module.import_weights, title=f"Files of {name}")}

    def command(
        *, out: Annotated[Path, Parameter(name=["--out", "-o"])], json: Flag = False, given: OptionValues
    ) -> int:
        """Placeholder, replaced by the importer's docstring."""
        folder: Path = module.import_weights(out, **given)
        if json:
            print_json({"weights": str(folder)})
        else:
            print_line(f"weights: {printable(folder)}")
        return 0

    command.__doc__ = component_help(module, _OPTIONS_HELP)
    return with_options(command, options, owner=f"import of {name}")
