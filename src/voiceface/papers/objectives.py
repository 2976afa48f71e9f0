"""Objectives of the field compared: the same encoders, people, streams and budget, paired tests.

What is trained, once a fold and for every objective: the streams of training/two_stream_run.py under SVHF,
Learnable PINs, DIMNet, FOP, supervised contrast and SigLIP, and beside them the matcher; then the same with
every training person given somebody else's faces, which must end at chance. Everybody is judged by weights
that were not trained on the person. Folds that lie below the output folder are not trained again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voiceface.errors import InputError
from voiceface.evaluation.cross_validation import CrossValidation, cross_validate
from voiceface.evaluation.paper_table import Cell, Table
from voiceface.evaluation.train_with_progress import Tell, named
from voiceface.protocols.comparison_groups import DIRECTIONS
from voiceface.protocols.pair_verification import PairTrials, pair_trials
from voiceface.protocols.paired_comparison import compare
from voiceface.training.split_choice import NO_CHOICE, SplitChoice

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

OBJECTIVES: dict[str, tuple[str, dict[str, Any]]] = {
    "SVHF, of 2": ("nagrani_svhf", {"ways": 2}),
    "SVHF, of 10": ("nagrani_svhf", {"ways": 10}),
    "Learnable PINs": ("nagrani_pins", {}),
    "DIMNet, identity": ("wen_dimnet", {"covariates": "identity"}),
    "DIMNet, identity and what is known": ("wen_dimnet", {}),
    "FOP": ("saeed_fop", {}),
    "supervised contrast": ("khosla_supcon", {}),
    "SigLIP": ("zhai_siglip", {}),
}
"""Row to recipe and arguments."""
_MATCHER = "matcher (ours, closed form)"
_WRONG = "wrong labels"
_RESAMPLES = 1000
_VALIDATION = 0.1
"""Share of a fold's other people that selects."""


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What is the same for every objective."""

    corpus: Corpus
    out: Path
    folds: SplitChoice
    tell: Tell | None


def tables(
    corpus: Corpus,
    out: Path,
    choice: SplitChoice = NO_CHOICE,
    tell: Tell | None = None,
    *,
    folds: int = 5,
    steps: int = 600,
    voice_encoder: str = "student",
    face_encoder: str = "dlib_layers",
    controls: bool = True,
    seed: int = 0,
) -> list[Table]:
    """Train what is missing below ``out`` and test everybody with weights that were not trained on them.

    Args:
        corpus: voices and faces of the same people.
        out: folder of trainings.
        choice: a published split to train and test with instead of folds; people left out of every fold
        tell: is told what is trained, and how far it is
        folds: number of cross-validation folds over people
        steps: training steps of the streams
        voice_encoder: frozen voice encoder below the streams
        face_encoder: frozen face encoder below the streams
        controls: train everything also on people who were given somebody else's faces
        seed: random seed

    Raises:
        InputError: there are too few people, or an encoder is not installed.
    """
    if folds < 2:
        raise InputError("folds", f"are {folds}", "give 2 or more")
    shared: dict[str, Any] = {"voice_encoder": voice_encoder, "face_encoder": face_encoder}
    shared |= {"validation": _VALIDATION, "seed": seed}
    published = choice.by in ("authors", "file")
    divided = choice if published else replace(choice.random(), folds=folds)
    plan = _Plan(corpus=corpus, out=out, folds=divided, tell=tell)
    runs: dict[str, tuple[str, dict[str, Any]]] = {
        name: (recipe, {**shared, "steps": steps, **own}) for name, (recipe, own) in OBJECTIVES.items()
    }
    runs[_MATCHER] = ("matcher", shared)
    found = {name: _judged(plan, name, *run) for name, run in runs.items()}
    made = [_compared(found, seed=seed), _matched(found)]
    if controls:
        wrong = {
            name: _judged(plan, f"{name}, {_WRONG}", recipe, {**own, "wrong_labels": True})
            for name, (recipe, own) in runs.items()
        }
        made.append(_control(wrong))
    return made


def _judged(plan: _Plan, name: str, recipe: str, given: Mapping[str, Any]) -> CrossValidation:
    folder = plan.out / "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")
    tell = None if plan.tell is None else named(plan.tell, name)
    return cross_validate(
        recipe, given, plan.corpus, folder, folds=plan.folds, resamples=_RESAMPLES, tell=tell
    )


def _trials(found: CrossValidation) -> PairTrials:
    held = found.held
    return pair_trials(
        held.similarity,
        people=(held.voice_people, held.face_people),
        groups=(held.voice_folds, held.face_folds),
    )


def _compared(found: Mapping[str, CrossValidation], *, seed: int) -> Table:
    """AUC and EER, and each objective's AUC beside the matcher's and beside the best of the others."""
    reports = {name: one.verification for name, one in found.items()}
    aucs = {name: report.rows["all"][0].value for name, report in reports.items() if name != _MATCHER}
    best = max(aucs, key=aucs.__getitem__)
    against = {name: _trials(found[name]) for name in (best, _MATCHER)}
    rows: dict[str, list[Cell]] = {}
    for name, report in reports.items():
        cells: list[Cell] = [
            _of(report.rows.get(row), figure) for row in ("all", "same gender") for figure in ("AUC", "EER")
        ]
        own = _trials(found[name])
        for other, trials in against.items():
            cells.append("-" if other == name else _paired(own, trials, seed=seed))
        rows[name] = cells
    people = len(np.unique(next(iter(found.values())).held.voice_people))
    return Table(
        title="Verification of unknown people",
        columns=[
            "AUC",
            "EER",
            "AUC, same gender",
            "EER, same gender",
            f"AUC less {best}'s, paired",
            "AUC less the matcher's, paired",
        ],
        rows=rows,
        notes=[
            f"{people:,} people, each judged by a fold that held the person back; intervals over people",
            f"paired over the same draws of people; {best} has the best AUC of the objectives, chosen on the"
            " same people, so that what it leads by is a little flattered",
        ],
    )


def _of(row: Any, figure: str) -> Cell:  # noqa: ANN401  a row of estimates, or None
    return "not known" if row is None else next(one for one in row if one.name == figure)


def _paired(own: PairTrials, other: PairTrials, *, seed: int) -> str:
    compared = compare(
        own.scores,
        other.scores,
        own.labels,
        people=own.people,
        groups=own.groups,
        resamples=_RESAMPLES,
        seed=seed,
    )
    moved = compared.difference
    return f"{moved.value:+.3f} [{moved.low:+.3f}, {moved.high:+.3f}], p {compared.p:.3g}"


def _matched(found: Mapping[str, CrossValidation]) -> Table:
    """1:2 and R@10 both ways."""
    rows: dict[str, list[Cell]] = {}
    for name, one in found.items():
        cells: list[Cell] = [one.matching.by_size(way).get(2) for way in DIRECTIONS]
        cells += [_of(one.retrieval.rows.get(way), "R@10") for way in DIRECTIONS]
        rows[name] = cells
    return Table(
        title="Matching and retrieval of unknown people",
        columns=[f"{figure}, {way}" for figure in ("1:2", "R@10") for way in DIRECTIONS],
        rows=rows,
        notes=["galleries lie within a fold"],
    )


def _control(wrong: Mapping[str, CrossValidation]) -> Table:
    rows: dict[str, list[Cell]] = {
        name: [
            _of(one.verification.rows.get("all"), "AUC"),
            _of(one.verification.rows.get("same gender"), "AUC"),
            one.matching.by_size(DIRECTIONS[0]).get(2),
        ]
        for name, one in wrong.items()
    }
    return Table(
        title="Control: every training person with somebody else's faces",
        columns=["AUC", "AUC, same gender", f"1:2, {DIRECTIONS[0]}"],
        rows=rows,
        notes=["chance is 0.5; one wrong assignment may happen to turn a weak link round"],
    )
