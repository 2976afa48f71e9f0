"""Report files of an evaluation: Markdown, CSV, LaTeX, one HTML page, and a record of the experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from voiceface.errors import InputError

if TYPE_CHECKING:
    from voiceface.evaluation.paper_table import Table
    from voiceface.evaluation.report.page import Section
    from voiceface.protocols.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class ReportFiles:
    """Files to write; None for those not requested."""

    markdown: Path | None = None
    csv: Path | None = None
    latex: Path | None = None
    html: Path | None = None
    results: Path | None = None
    """Folder of the records of experiments."""

    def check(self) -> None:
        """Refuse before the work is done what could not be written after it.

        Raises:
            InputError: a file cannot be written.
            MissingPartError: an HTML page is requested and matplotlib is not installed.
        """
        from voiceface.evaluation.experiment_records import check_results_folder
        from voiceface.media.check_writable import check_writable

        for path in filter(None, (self.markdown, self.csv, self.latex, self.html)):
            check_writable(path)
        if self.results is not None:
            check_results_folder(self.results)
        if self.html is not None:
            from voiceface.evaluation.report.drawing import require_packages

            require_packages()

    def write_tables(self, tables: Callable[[], Sequence[Table]]) -> list[str]:
        """Write the requested CSV and LaTeX; returns a line about each.

        Args:
            tables: Makes the tables, where any is requested.
        """
        from voiceface.evaluation.table_files import write_csv, write_latex

        written = []
        for path, write in ((self.csv, write_csv), (self.latex, write_latex)):
            if path is not None:
                write(path, tables())
                written.append(f"tables in {path}")
        return written


@dataclass(frozen=True, kw_only=True)
class ReportSubject:
    """What was measured, for the report's title and the record."""

    title: str
    recipe: str
    """The model's name in the record."""
    corpus: str
    """Fingerprint of the corpus, or of the files."""
    command: str
    """The command that reproduces the figures."""
    protocol: str = ""
    """What was done, for all figures together: ``5 folds over people``."""
    warnings: Sequence[str] = ()


def write_reports(
    files: ReportFiles,
    subject: ReportSubject,
    sections: Callable[[bool], Sequence[Section]],
    recorded: Sequence[tuple[str, Estimate]],
) -> list[str]:
    """Write the requested files; returns a line about each.

    Args:
        files: What was requested.
        subject: What was measured.
        sections: Makes the report's sections; True with plots.
        recorded: Row of the report and figure, for each figure to record.

    Raises:
        InputError: a file cannot be written, or a figure to record has no interval.
    """
    from voiceface.evaluation.report.markdown import write_markdown
    from voiceface.evaluation.report.page import write_html
    from voiceface.evaluation.source_commit import source_commit
    from voiceface.evaluation.table_files import report_tables

    written = files.write_tables(
        lambda: [
            replace(table, command=subject.command, notes=subject.warnings)
            for section in sections(False)
            for table in report_tables(section.title, section.rows)
        ]
    )
    if files.results is not None:
        _record(files.results, subject, recorded)
        written.append(f"recorded in {files.results}")
    if files.markdown is None and files.html is None:
        return written
    facts = [subject.command, f"data {subject.corpus[:12]}, voiceface at {source_commit()}"]
    facts.append("95 % intervals over people")
    for path, plots in ((files.markdown, False), (files.html, True)):
        if path is None:
            continue
        parts = list(sections(plots))
        warnings = [f"!{line}" for line in subject.warnings]
        parts[0] = replace(parts[0], text=[*warnings, *parts[0].text])
        size = (write_html if plots else write_markdown)(path, parts, title=subject.title, facts=facts)
        written.append(f"report in {path} ({size / 1e6:.2f} MB)")
    return written


def write_figures(
    files: ReportFiles, title: str, rows: Mapping[str, Sequence[Estimate]], *, notes: Sequence[str] = ()
) -> list[str]:
    """Write a report's figures as the requested Markdown, CSV and LaTeX; returns a line about each.

    Args:
        files: What was requested.
        title: Of the report.
        rows: By stratum, direction or side.
        notes: Lines to know when reading them.

    Raises:
        InputError: a file cannot be written.
    """
    from voiceface.evaluation.report.markdown import write_markdown
    from voiceface.evaluation.report.page import Section
    from voiceface.evaluation.table_files import report_tables

    written = files.write_tables(
        lambda: [replace(table, notes=notes) for table in report_tables(title, rows)]
    )
    if files.markdown is not None:
        size = write_markdown(files.markdown, [Section(title=title, text=notes, rows=rows)])
        written.append(f"report in {files.markdown} ({size / 1e6:.2f} MB)")
    return written


def _record(results: Path, subject: ReportSubject, recorded: Sequence[tuple[str, Estimate]]) -> None:
    from voiceface.evaluation.experiment_records import record_experiment

    if any(value.low != value.low and value.value == value.value for _, value in recorded):
        remedy = "give --resamples, and name the people of the items"
        raise InputError("--record", "the figures have no intervals over people", remedy)
    record_experiment(
        results,
        recipe=subject.recipe,
        corpus=subject.corpus,
        protocol=subject.protocol,
        command=subject.command,
        figures=recorded,
    )
