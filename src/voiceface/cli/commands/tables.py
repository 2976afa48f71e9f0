"""Reproduce a paper's tables on a corpus."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from voiceface.cli.component_commands import add_components, component_help
from voiceface.cli.docstrings import summary_line
from voiceface.cli.options import OptionValues, help_group, keyword_options, non_default_values, with_options
from voiceface.cli.output_options import NO_RECORDS, RecordOptions
from voiceface.cli.split_options import DEFAULT_SPLIT, SplitOptions
from voiceface.cli.terminal import log_line, print_json, print_line, printable
from voiceface.components import load_component
from voiceface.errors import InputError

if TYPE_CHECKING:
    from voiceface.evaluation.paper_table import Table

PAPERS = "voiceface.papers"

_ABOUT = """Reproduce a paper's tables, with the published values beside ours.

voiceface tables PAPER --corpus CORPUS
voiceface tables PAPER --help shows what is trained"""

_OPTIONS_HELP = """Args:
    corpus: the prepared corpus
    out: folder for tables, plots and trainings: new, or an interrupted one; by default runs/tables-PAPER
    splits: which split is trained with
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
    takes = inspect.signature(module.tables).parameters
    trains = "choice" in takes

    def command(
        *,
        corpus: Path,
        out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
        splits: SplitOptions = DEFAULT_SPLIT,
        outputs: RecordOptions = NO_RECORDS,
        given: OptionValues,
    ) -> int:
        """Placeholder, replaced by the paper's docstring."""
        from voiceface.corpus.corpus import Corpus
        from voiceface.evaluation.paper_table import record_tables, save_tables, write_page
        from voiceface.evaluation.reproducing_command import reproducing_command
        from voiceface.training.choose_split import read_choice

        opened, files = Corpus.open(corpus), outputs.files()
        if splits != DEFAULT_SPLIT and not trains:
            raise InputError("--split and --leave-out", f"{name} trains nothing", "leave them out")
        choice = read_choice(opened, split=splits.split, leave_out=splits.leave_out)
        folder = out or Path("runs") / f"tables-{name}"
        words = reproducing_command(
            ["voiceface", "tables", name, "--corpus", "CORPUS", *splits.words()],
            non_default_values(given, options),
        )
        how = {"tell": log_line} if "tell" in takes else {}
        made: list[Table] = [
            table if table.command else replace(table, command=words)
            for table in module.tables(opened, folder, *([choice] if trains else []), **how, **given)
        ]
        title = summary_line(module.__name__).rstrip(".")
        page = save_tables(made, folder, name=name, title=title)
        if outputs.folder is not None:
            record_tables(outputs.folder, made, opened, name=name)
        if files.markdown is not None:
            write_page(files.markdown, made, title=title)
        outputs.print_written(files.write_tables(lambda: made))
        if outputs.json:
            print_json({"tables": [table.to_dict() for table in made], "page": str(page)})
            return 0
        for table in made:
            print_line(f"{table}\n")
        print_line(f"tables: {printable(page)}")
        return 0

    command.__doc__ = component_help(module, _OPTIONS_HELP)
    return with_options(command, {"given": options}, owner=f"tables of {name}")
