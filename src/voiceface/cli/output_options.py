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

__all__ = ["NO_OUTPUTS", "OutputOptions", "RecordOptions"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RecordOptions:
    """Options of commands that print figures and record them."""

    record: Annotated[Flag, Parameter(help="append the figures to the records of experiments")] = False
    results: Annotated[Path, Parameter(help="folder of the records")] = Path("results")
    json: Annotated[Flag, Parameter(help="print JSON")] = False

    @property
    def folder(self) -> Path | None:
        """The folder of records where the figures are to be recorded."""
        return self.results if self.record else None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OutputOptions(RecordOptions):
    """Options of commands that also write reports."""

    markdown: Annotated[Path | None, Parameter(help="also write a report in Markdown")] = None
    html: Annotated[Path | None, Parameter(help="also write an HTML page: curves, map, faces")] = None

    def files(self) -> ReportFiles:
        """The requested files, checked to be writable."""
        from voiceface.evaluation.report_files import ReportFiles

        files = ReportFiles(markdown=self.markdown, html=self.html, results=self.folder)
        files.check()
        return files

    def print_written(self, lines: Sequence[str]) -> None:
        """Print what was written: beside JSON on the error stream."""
        for line in lines:
            log_line(line) if self.json else print_line(printable(line))


NO_OUTPUTS = OutputOptions()
