"""Make the tables of a paper again on a corpus of yours."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from voiceface.cli.component_commands import add_components, component_help
from voiceface.cli.options import Flag, Given, changed, heading, keyword_options, with_options
from voiceface.cli.terminal import answer, say, shown
from voiceface.components import load_component

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.evaluation.paper_table import Table

__all__ = ["add_to"]

PAPERS = "voiceface.papers"

_ABOUT = """Make a paper's tables again, ours beside the printed ones.

voiceface tables PAPER --corpus CORPUS
voiceface tables PAPER --help shows what is trained for them"""

_OPTIONS_HELP = """Args:
    corpus: the prepared corpus
    out: folder for the tables, figures and trainings: new, or one to go on with; by default runs/tables-PAPER
    record: append every figure that has an interval to the records of experiments
    results: folder of the records
    json: print JSON
"""


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command with the paper that is named, or the list of all."""
    tables = App(name="tables", help=_ABOUT, group=heading("Measure"), version_flags=[])
    app.command(tables)
    add_components(tables, tokens, PAPERS, _command)


def _command(name: str) -> Callable[..., int]:
    module = load_component(PAPERS, name)
    options = keyword_options(module.tables, title=f"Options of {name}")

    def command(
        *,
        corpus: Path,
        out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
        record: Flag = False,
        results: Path = Path("results"),
        json: Flag = False,
        given: Given,
    ) -> int:
        """Placeholder; the paper's own card stands here."""
        from voiceface.corpus.corpus import Corpus
        from voiceface.evaluation.experiment_records import check_results_folder
        from voiceface.evaluation.paper_table import save_tables

        opened = Corpus.open(corpus)
        if record:
            check_results_folder(results)
        place = out or Path("runs") / f"tables-{name}"
        words = _words(name, changed(given, options))
        made: list[Table] = [
            table if table.command else replace(table, command=words)
            for table in module.tables(opened, place, **given)
        ]
        page = save_tables(made, place, name=name, title=_first_line(module))
        if record:
            _record(results, made, opened, name=name)
        if json:
            answer({"tables": [table.to_dict() for table in made], "page": str(page)})
            return 0
        for table in made:
            say(f"{table}\n")
        say(f"tables: {shown(page)}")
        return 0

    command.__doc__ = component_help(module, _OPTIONS_HELP)
    return with_options(command, {"given": options}, owner=f"tables of {name}")


def _record(results: Path, made: Sequence[Table], corpus: Corpus, *, name: str) -> None:
    from voiceface.evaluation.experiment_records import record_experiment

    for command in dict.fromkeys(table.command for table in made):
        tables = [table for table in made if table.command == command]
        figures = [(f"{table.title}: {row}", one) for table in tables for row, one in table.estimates()]
        if any(one.low == one.low for _, one in figures):
            record_experiment(
                results,
                recipe=name,
                corpus=corpus.fingerprint,
                protocol="tables of the paper",
                command=command,
                figures=figures,
            )


def _words(name: str, given: Given) -> str:
    """The command that makes them again; where the corpus lies on this machine is nobody's business."""
    words = ["voiceface", "tables", name, "--corpus", "CORPUS"]
    for option, value in given.items():
        flag = option.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, list | tuple):
            words += [word for one in value for word in (f"--{flag}", shlex.quote(str(one)))]
        else:
            words += [f"--{flag}", shlex.quote(str(value))]
    return " ".join(words)


def _first_line(module: ModuleType) -> str:
    return (inspect.getdoc(module) or "").partition("\n")[0].rstrip(".")
