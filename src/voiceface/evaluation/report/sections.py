"""The protocols' reports as sections of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from voiceface.evaluation.report.curves import (
    cmc_figure,
    det_figure,
    gallery_size_figure,
    reliability_figure,
    roc_figure,
)
from voiceface.evaluation.report.embedding_map import map_figures
from voiceface.evaluation.report.evidence import Evidence
from voiceface.evaluation.report.faces import retrieved_faces_figure
from voiceface.evaluation.report.page import Figure, Section
from voiceface.protocols.gallery_matching import MatchingReport
from voiceface.protocols.gallery_retrieval import RetrievalReport
from voiceface.protocols.pair_verification import VerificationReport

__all__ = ["Report", "evidence_section", "report_sections"]

Report = VerificationReport | MatchingReport | RetrievalReport


def report_sections(report: Report, *, drawn: bool) -> list[Section]:
    """A protocol's report as a section; its calibration, where there is one, as a second.

    Args:
        report: What a protocol found.
        drawn: Draw its curves (matplotlib must be installed); False for words and tables alone.
    """
    if isinstance(report, VerificationReport):
        return _verification(report, drawn)
    if isinstance(report, MatchingReport):
        text = [
            "Which of N people's items goes with the probe? Every gallery of N different people counts alike."
        ]
        figures = (
            [gallery_size_figure(report)]
            if drawn and any(report.by_size(name) for name in report.rows)
            else []
        )
        text += _left_out(report.excluded, report.notes)
        return [Section(title="Matching", text=text, rows=report.rows, figures=figures)]
    text = ["Where does the first right item stand when the whole gallery is ranked for every probe?"]
    text += _left_out(report.excluded, report.notes)
    rows = {f"{name} (gallery {report.gallery[name]:,})": row for name, row in report.rows.items()}
    figures = [cmc_figure(report.cmc)] if drawn and report.cmc else []
    return [Section(title="Retrieval", text=text, rows=rows, figures=figures)]


def _verification(report: VerificationReport, drawn: bool) -> list[Section]:
    known = ", ".join(
        f"{name} {value:.4f}" for name, value in report.eer_conventions.items() if value == value
    )
    text = [
        "Are this voice and this face one person's?",
        f"{report.positives:,} positives, {report.negatives:,} negatives. "
        f"EER of all trials by convention: {known}.",
        *_left_out(report.excluded, report.notes),
    ]
    figures: list[Figure] = []
    if drawn and report.curves:
        figures = [roc_figure(report.curves), det_figure(report.curves)]
    sections = [Section(title="Verification", text=text, rows=report.rows, figures=figures)]
    if report.calibration is not None:
        words = (
            "Do the stated probabilities come true? ECE: their mean distance from the share found; "
            "Cllr: what deciding by them costs, in bits."
        )
        figures = [reliability_figure(report.calibration)] if drawn else []
        rows = {"all": report.calibration.row}
        sections.append(Section(title="Calibration", text=[words], rows=rows, figures=figures))
    return sections


def _left_out(excluded: Mapping[str, int], notes: Sequence[str]) -> list[str]:
    lost = "; ".join(f"{name}: {count:,}" for name, count in excluded.items())
    return [*([f"Left out: {lost}."] if lost else []), *notes]


def evidence_section(evidence: Evidence) -> Section:
    """Where the model puts everybody, and what it finds: the map and the faces."""
    found = retrieved_faces_figure(evidence)
    figures = [*map_figures(evidence), *([found] if found is not None else [])]
    return Section(title="A look at the space", figures=figures)
