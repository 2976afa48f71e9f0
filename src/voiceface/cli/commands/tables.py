"""Reproduce a paper's tables on a corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from voiceface.cli.component_commands import add_components, component_help
from voiceface.cli.docstrings import summary_line
from voiceface.cli.options import OptionValues, help_group, keyword_options, non_default_values, with_options
from voiceface.cli.output_options import RecordOptions
from voiceface.cli.terminal import print_json, print_line, printable
from voiceface.components import load_component

if TYPE_CHECKING:
    from voiceface.evaluation.paper_table import Table

__all__ = ["add_to"]

PAPERS = "voiceface.papers"
_DEFAULTS = RecordOptions()

_ABOUT = """Reproduce a paper's tables, with the published values beside ours.

voiceface tables PAPER --corpus CORPUS
voiceface tables PAPER --help shows what is trained"""

_OPTIONS_HELP = """Args:
    corpus: the prepared corpus
    out: folder for tables, plots and trainings: new, or an interrupted one; by default runs/tables-PAPER
    outputs: where figures are written
"""


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command with the paper that is named, or the list of all."""
    tables = App(name="tables", help=_ABOUT, group=help_group("Evaluation"), version_flags=[])
    app.command(tables)
    add_components(tables, tokens, PAPERS, _command)


def _command(name: str) -> Callable[..., int]:
    module = load_component(PAPERS, name)
    options = keyword_options(module.tables, title=f"Options of {name}")

    def command(
        *,
        corpus: Path,
        out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
        outputs: RecordOptions = _DEFAULTS,
        given: OptionValues,
    ) -> int:
        """Placeholder, replaced by the paper's docstring."""
        from voiceface.corpus.corpus import Corpus
        from voiceface.evaluation.experiment_records import check_results_folder
        from voiceface.evaluation.paper_table import record_tables, save_tables
        from voiceface.evaluation.reproducing_command import reproducing_command

        opened = Corpus.open(corpus)
        if outputs.folder is not None:
            check_results_folder(outputs.folder)
        folder = out or Path("runs") / f"tables-{name}"
        words = reproducing_command(
            ["voiceface", "tables", name, "--corpus", "CORPUS"], non_default_values(given, options)
        )
        made: list[Table] = [
            table if table.command else replace(table, command=words)
            for table in module.tables(opened, folder, **given)
        ]
        title = summary_line(module.__name__).rstrip(".")
        page = save_tables(made, folder, name=name, title=title)
        if outputs.folder is not None:
            record_tables(outputs.folder, made, opened, name=name)
        if outputs.json:
            print_json({"tables": [table.to_dict() for table in made], "page": str(page)})
            return 0
        for table in made:
            print_line(f"{table}\n")
        print_line(f"tables: {printable(page)}")
        return 0

    command.__doc__ = component_help(module, _OPTIONS_HELP)
    return with_options(command, {"given": options}, owner=f"tables of {name}")
