"""Where figures go beside the terminal: Markdown, one HTML page, and the records of experiments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from voiceface.cli.options import Flag
from voiceface.cli.terminal import say, shown, tell
from voiceface.errors import InputError

if TYPE_CHECKING:
    from voiceface.evaluation.report.page import Section
    from voiceface.protocols.estimate import Estimate

__all__ = ["OutputOptions", "ReportSubject", "write_reports"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Options that several commands share: where the figures go."""

    markdown: Annotated[Path | None, Parameter(help="also write a report in Markdown")] = None
    html: Annotated[Path | None, Parameter(help="also write one HTML page with curves, a map and faces")] = (
        None
    )
    record: Annotated[Flag, Parameter(help="append the figures to the records of experiments")] = False
    results: Annotated[Path, Parameter(help="folder of the records")] = Path("results")
    json: Annotated[Flag, Parameter(help="print JSON")] = False

    def check(self) -> None:
        """Refuse what could not be written in the end.

        Raises:
            InputError: a file cannot be written.
            MissingPartError: a page is wanted and what draws it is not installed.
        """
        from voiceface.evaluation.experiment_records import check_results_folder
        from voiceface.media.check_writable import check_writable

        for path in (self.markdown, self.html):
            if path is not None:
                check_writable(path)
        if self.record:
            check_results_folder(self.results)
        if self.html is not None:
            from voiceface.evaluation.report.drawing import require_packages

            require_packages()


@dataclass(frozen=True, kw_only=True)
class ReportSubject:
    """What was measured, in the words of the report and of the record."""

    title: str
    recipe: str
    """The model's name in the record."""
    corpus: str
    """Fingerprint of the corpus, or of the files."""
    command: str
    protocol: str = ""
    """What was done, for all figures together: ``5 folds over people``."""
    warnings: Sequence[str] = ()


def write_reports(
    outputs: OutputOptions,
    subject: ReportSubject,
    sections: Callable[[bool], Sequence[Section]],
    recorded: Sequence[tuple[str, Estimate]],
) -> None:
    """Write every file that was asked for, and say so.

    Args:
        outputs: What was asked for.
        subject: What was measured.
        sections: Makes the report's sections; True with drawings.
        recorded: Row of the report and figure, for each figure to record.

    Raises:
        InputError: a file cannot be written, or a figure to record has no interval.
    """
    from voiceface.evaluation.source_commit import source_commit

    if outputs.record:
        _record(outputs.results, subject, recorded)
    if outputs.markdown is None and outputs.html is None:
        return
    commit = source_commit(_package())
    facts = [
        subject.command,
        f"data {subject.corpus[:12]}, voiceface at {commit}",
        "95 % intervals over people",
    ]
    for path, drawn in ((outputs.markdown, False), (outputs.html, True)):
        if path is None:
            continue
        parts = list(sections(drawn))
        if subject.warnings:
            parts[0] = _with_warnings(parts[0], subject.warnings)
        write = _writer(drawn)
        size = write(path, parts, title=subject.title, facts=facts)
        line = f"report in {shown(path)} ({size / 1e6:.2f} MB)"
        tell(line) if outputs.json else say(line)


def _writer(drawn: bool) -> Callable[..., int]:
    if drawn:
        from voiceface.evaluation.report.page import write_html

        return write_html
    from voiceface.evaluation.report.markdown import write_markdown

    return write_markdown


def _with_warnings(section: Section, warnings: Sequence[str]) -> Section:
    from dataclasses import replace

    return replace(section, text=[*(f"!{words}" for words in warnings), *section.text])


def _package() -> Path:
    import voiceface

    return Path(voiceface.__file__)


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
