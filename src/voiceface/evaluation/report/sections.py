"""The protocols' reports as sections of a page."""

from __future__ import annotations

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
from voiceface.protocols.report import Report


def report_sections(report: Report, *, plots: bool) -> list[Section]:
    """A protocol's report as a section; its calibration, where there is one, as a second.

    Args:
        report: What a protocol found.
        plots: Include its curves (matplotlib must be installed); False for text and tables alone.
    """
    lost = "; ".join(f"{name}: {count:,}" for name, count in report.excluded.items())
    text = [report.question, *report.facts(), *([f"Left out: {lost}."] if lost else []), *report.notes]
    rows = {report.row_title(name): row for name, row in report.rows.items()}
    sections = [Section(title=report.title, text=text, rows=rows, figures=_curves(report) if plots else [])]
    found = report.calibration if isinstance(report, VerificationReport) else None
    if found is not None:
        figures = [reliability_figure(found)] if plots else []
        sections.append(
            Section(title=found.title, text=[found.question], rows={"all": found.row}, figures=figures)
        )
    return sections


def _curves(report: Report) -> list[Figure]:
    if isinstance(report, VerificationReport) and report.curves:
        return [roc_figure(report.curves), det_figure(report.curves)]
    if isinstance(report, MatchingReport) and any(report.by_size(name) for name in report.rows):
        return [gallery_size_figure(report)]
    if isinstance(report, RetrievalReport) and report.cmc:
        return [cmc_figure(report.cmc)]
    return []


def evidence_section(evidence: Evidence) -> Section:
    """Where the model puts everybody, and what it finds: the map and the faces."""
    found = retrieved_faces_figure(evidence)
    figures = [*map_figures(evidence), *([found] if found is not None else [])]
    return Section(title="A look at the space", figures=figures)
