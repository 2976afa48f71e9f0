"""Options that the evaluation commands share: where figures are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from voiceface.cli.options import Flag
from voiceface.cli.terminal import log_line, print_line, printable

if TYPE_CHECKING:
    from voiceface.evaluation.report_files import ReportFiles


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """Options of commands that print figures and write them to files."""

    markdown: Annotated[Path | None, Parameter(help="also write a report in Markdown")] = None
    csv: Annotated[Path | None, Parameter(help="also write every figure as a line of a CSV")] = None
    latex: Annotated[Path | None, Parameter(help="also write LaTeX tables (booktabs)")] = None
    json: Annotated[Flag, Parameter(help="print JSON")] = False

    def files(self) -> ReportFiles:
        """The requested files, checked to be writable."""
        from voiceface.evaluation.report_files import ReportFiles

        names = ("markdown", "csv", "latex", "html", "folder")
        given = {name: getattr(self, name, None) for name in names}
        files = ReportFiles(results=given.pop("folder"), **given)
        files.check()
        return files

    def print_written(self, lines: Sequence[str]) -> None:
        """Print what was written: beside JSON on the error stream."""
        for line in lines:
            log_line(line) if self.json else print_line(printable(line))


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RecordOptions(FileOptions):
    """Options of commands that also record their figures."""

    record: Annotated[Flag, Parameter(help="append the figures to the records of experiments")] = False
    results: Annotated[Path, Parameter(help="folder of the records")] = Path("results")

    @property
    def folder(self) -> Path | None:
        """The folder of records where the figures are to be recorded."""
        return self.results if self.record else None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OutputOptions(RecordOptions):
    """Options of commands that also write an HTML page."""

    html: Annotated[Path | None, Parameter(help="also write an HTML page: curves, map, faces")] = None


NO_FILES = FileOptions()
NO_RECORDS = RecordOptions()
NO_OUTPUTS = OutputOptions()
