"""Report files and the ceiling of a cross-validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voiceface.evaluation.measurement import results_table_rows
from voiceface.evaluation.report_files import ReportFiles, ReportSubject, write_reports
from voiceface.evaluation.synthetic_ceiling import ceiling_for_people

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.evaluation.cross_validation import CrossValidation
    from voiceface.evaluation.report.page import Section
    from voiceface.protocols.report import Report
    from voiceface.synthetic.ground_truth import CeilingTable


def cross_validation_reports(found: CrossValidation) -> dict[str, Report]:
    """The three reports by protocol."""
    return {"verification": found.verification, "matching": found.matching, "retrieval": found.retrieval}


def cross_validation_ceiling(found: CrossValidation, corpus: Corpus) -> CeilingTable | None:
    """The best achievable scores on synthetic people; None of others.

    They are those of the first fold: galleries lie within a fold, and folds differ by one person at most.
    """
    held = found.held
    people = held.voice_people[held.voice_folds == "0"].tolist()
    return ceiling_for_people(corpus, people, faces=int((held.face_folds == "0").sum()))


def write_cross_validation(files: ReportFiles, found: CrossValidation, *, command: str) -> list[str]:
    """Write the requested files; returns a line about each.

    Args:
        files: The requested files.
        found: The cross-validation.
        command: The command that reproduces it.
    """
    from voiceface.evaluation.report.sections import evidence_section, report_sections

    reports = cross_validation_reports(found)

    def sections(plots: bool) -> list[Section]:
        parts = [section for report in reports.values() for section in report_sections(report, plots=plots)]
        held = found.held
        if not plots or held.scores is not None:  # a model without a common space has no map of it
            return parts
        return [*parts, evidence_section(held)]

    subject = ReportSubject(
        title=f"{found.recipe}: {found.division}",
        recipe=found.recipe,
        corpus=found.corpus,
        command=command,
        protocol=found.division,
    )
    rows = [row for kind, report in reports.items() for row in results_table_rows(kind, report)]
    return write_reports(files, subject, sections, rows)
