"""Where figures go beside the terminal: Markdown, one HTML page, and the table of results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    record: Annotated[Flag, Parameter(help="add the figures to the table of RESULTS.md (or --results)")] = (
        False
    )
    results: Annotated[Path, Parameter(help="the file to add them to")] = Path("RESULTS.md")
    json: Annotated[Flag, Parameter(help="print JSON")] = False

    def check(self) -> None:
        """Refuse what could not be written in the end.

        Raises:
            InputError: a file cannot be written.
            MissingPartError: a page is wanted and what draws it is not installed.
        """
        from voiceface.media.check_writable import check_writable

        for path in (self.markdown, self.html, self.results if self.record else None):
            if path is not None:
                check_writable(path)
        if self.html is not None:
            from voiceface.evaluation.report.drawing import require_packages

            require_packages()


@dataclass(frozen=True, kw_only=True)
class ReportSubject:
    """What was measured, in the words of the report and of the table of results."""

    title: str
    recipe: str
    """The model's name in the table of results."""
    corpus: str
    """Fingerprint of the corpus, or of the files."""
    command: str
    protocol: str = ""
    """Stands before the name of the figure: ``5 folds over people, ``."""
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
        recorded: Protocol and row, and the figure, for each row of the table of results.

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
    from voiceface.evaluation.source_commit import source_commit
    from voiceface.protocols.results import Result, record

    if any(value.low != value.low and value.value == value.value for _, value in recorded):
        remedy = "give --resamples, and tell whose the items are"
        raise InputError("--record", "the figures have no intervals over people", remedy)
    commit = source_commit(_package())
    rows: list[Any] = [
        Result(
            recipe=subject.recipe,
            corpus=subject.corpus,
            protocol=f"{subject.protocol}{protocol}",
            value=value,
            command=subject.command,
            commit=commit,
        )
        for protocol, value in recorded
        if value.value == value.value
    ]
    record(results, rows)
