"""A recipe judged by cross-validation over people, and its record."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from voiceface.cli.component_commands import component_help
from voiceface.cli.options import Flag, Given, changed, with_options
from voiceface.cli.print_estimates import print_row, print_rows
from voiceface.cli.recipe_options import load_recipe, recipe_options
from voiceface.cli.terminal import answer, interactive, say, shown
from voiceface.errors import InputError
from voiceface.evaluation.report_files import OutputOptions, ReportSubject, write_reports
from voiceface.evaluation.synthetic_ceiling import (
    ceiling_for_people,
    ceiling_to_dict,
    print_ceiling,
    print_shares,
    shares,
)

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.evaluation.cross_validation import CrossValidation
    from voiceface.synthetic.ground_truth import CeilingTable

__all__ = ["recipe_command"]

_OPTIONS_HELP = """Args:
    corpus: the prepared corpus
    folds: parts that the people are dealt into; each is judged by a training on the others
    out: folder of the trainings: new, or one to go on with; by default runs/RECIPE-folds-N
    device: auto, cpu, cuda, cuda:N or mps
    resamples: resamples over people for the intervals
    markdown: also write a report in Markdown
    html: also write one HTML page with curves, a map and faces
    record: append the figures to the records of experiments
    results: folder of the records
    json: print JSON
"""


def recipe_command(name: str, tokens: Sequence[str]) -> Callable[..., int]:
    """The command ``evaluate NAME``, with the recipe's options."""
    module = load_recipe(name, tokens)
    options = recipe_options(module, name)

    def command(
        *,
        corpus: Path,
        folds: int = 5,
        out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
        device: str = "auto",
        resamples: int = 1000,
        markdown: Path | None = None,
        html: Path | None = None,
        record: Flag = False,
        results: Path = Path("results"),
        json: Flag = False,
        given: Given,
    ) -> int:
        """Placeholder; the recipe's own card stands here."""
        from voiceface.corpus.corpus import Corpus
        from voiceface.evaluation.cross_validation import cross_validate
        from voiceface.evaluation.fold_training import claim

        outputs = OutputOptions(markdown=markdown, html=html, record=record, results=results, json=json)
        opened = Corpus.open(corpus)
        outputs.check()
        if folds < 2:
            raise InputError("--folds", f"is {folds}", "give 2 or more")
        place = out or Path("runs") / f"{name}-folds-{folds}"
        claim(place, f"each of {folds} folds in turn", trained="fold-*")
        found = cross_validate(
            name,
            given,
            opened,
            place,
            folds=folds,
            resamples=resamples,
            device=device,
            progress=interactive(),
        )
        _report(found, _ceiling(opened, found), json=json)
        _written(outputs, found, opened, _words(name, folds, changed(given, options)))
        return 0

    command.__doc__ = component_help(module, _OPTIONS_HELP)
    return with_options(command, {"given": options}, owner=f"recipe {name}")


def _written(outputs: OutputOptions, found: CrossValidation, corpus: Corpus, words: str) -> None:
    """The report and the record, where they were asked for."""
    from voiceface.evaluation.measurement import results_table_rows
    from voiceface.evaluation.report.evidence import Evidence
    from voiceface.evaluation.report.page import Section
    from voiceface.evaluation.report.sections import evidence_section, report_sections

    reports: dict[str, Any] = {
        "verification": found.verification,
        "matching": found.matching,
        "retrieval": found.retrieval,
    }

    def sections(drawn: bool) -> list[Section]:
        parts = [section for report in reports.values() for section in report_sections(report, drawn=drawn)]
        held = found.held
        if not drawn or held.scores is not None:  # a model without a space has no map of it
            return parts
        evidence = Evidence(
            voices=held.voices,
            faces=held.faces,
            voice_people=held.voice_people,
            face_people=held.face_people,
            voice_genders=held.voice_genders,
            face_genders=held.face_genders,
            voice_groups=held.voice_folds,
            face_groups=held.face_folds,
            corpus=corpus,
            face_places=held.face_places,
        )
        return [*parts, evidence_section(evidence)]

    subject = ReportSubject(
        title=f"{found.recipe}: {found.folds} folds over people",
        recipe=found.recipe,
        corpus=found.corpus,
        command=words,
        protocol=f"{found.folds} folds over people",
    )
    rows = [row for kind, report in reports.items() for row in results_table_rows(kind, report)]
    write_reports(outputs, subject, sections, rows)
    if outputs.record and not outputs.json:
        say(f"\nrecorded in {shown(outputs.results)}")


def _words(name: str, folds: int, given: Given) -> str:
    """The command that measures this again; where the corpus lies on this machine is nobody's business."""
    words = ["voiceface", "evaluate", name, "--corpus", "CORPUS", "--folds", str(folds)]
    for option, value in given.items():
        flag = option.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", shlex.quote(str(value))]
    return " ".join(words)


def _ceiling(corpus: Corpus, found: CrossValidation) -> CeilingTable | None:
    """Of the first fold: galleries lie within a fold, and all are of one size to within a person."""
    held = found.held
    people = held.voice_people[held.voice_folds == "0"].tolist()
    return ceiling_for_people(corpus, people, faces=int((held.face_folds == "0").sum()))


def _report(found: CrossValidation, ceiling: CeilingTable | None, *, json: bool) -> None:
    reached = shares(
        ceiling,
        {
            "verification": found.verification.rows,
            "matching": found.matching.rows,
            "retrieval": found.retrieval.rows,
        },
    )
    if json:
        answer(found.to_dict() | ceiling_to_dict(ceiling) | ({"shares": reached} if reached else {}))
        return
    say(f"{found.recipe}: {found.folds} folds over people, corpus {found.corpus[:12]}")
    parts: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
        ("Verification", found.verification, ()),
        ("Matching", found.matching, ("1:2", "1:5", "1:10")),
        ("Retrieval", found.retrieval, ("R@1", "R@10", "mAP", "median rank")),
    )
    for title, report, shown_figures in parts:
        say(f"\n{title}")
        rows = {
            k: [e for e in row if not shown_figures or e.name in shown_figures]
            for k, row in report.rows.items()
        }
        print_rows(
            rows, excluded=report.excluded, notes=report.notes, gallery=getattr(report, "gallery", None)
        )
    if found.verification.calibration is not None:
        say("\nCalibration at even odds")
        print_row("all", found.verification.calibration.row)
    print_ceiling(ceiling)
    print_shares(reached)
