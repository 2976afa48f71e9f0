"""Nawaz et al. 2019 (SSNet): Tables I to VI and Figure 3, with and without the pull to the centres.

What is trained: nawaz_ssnet with λ = 0, λ = 1 and a control at λ = 1 whose people were given each other's
faces, for unknown people (unseen-unheard) and for new recordings of known people (seen-heard); with
--printed-rate also at the printed learning rate of 0.05. Everything lies below the output folder and is not
trained again when the command is given again. A corpus of people who do not exist shows the best possible
score too, and what share of it above chance was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError
from voiceface.evaluation.embedding_space import (
    AGE_NOTE,
    ATTRIBUTES,
    EmbeddedItems,
    EmbeddingSpaceReport,
    evaluate_embedding_space,
    place,
    share_of_ceiling,
)
from voiceface.evaluation.paper_plots import tsne_plot
from voiceface.evaluation.paper_table import Cell, Table
from voiceface.evaluation.report.drawing import require_packages
from voiceface.evaluation.synthetic_ceiling import ceiling_for_people
from voiceface.evaluation.train_with_progress import Tell, train_with_progress
from voiceface.pipelines.weights import load_model
from voiceface.protocols.comparison_groups import DIRECTIONS
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.pair_verification import pair_trials
from voiceface.protocols.paired_comparison import compare
from voiceface.recipes import nawaz_ssnet
from voiceface.training.choose_split import choose_split
from voiceface.training.logs import NotFiniteError
from voiceface.training.split_choice import NO_CHOICE, SplitChoice

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.synthetic.ground_truth import CeilingTable

_QUICK: dict[str, Any] = {"backbone": "small", "size": 64, "width": 0.5, "log_magnitude": True, "lr": 3e-3}
_QUICK_STEPS, _STEPS = 300, 100_000
_PRINTED_RATE = 0.05
_SHARES = {"validation": 0.1, "test": 0.2}
"""Of the people, or of everybody's recordings."""
_RESAMPLES = 1000
_WORDS = {
    "unknown": "unknown people (unseen-unheard)",
    "known": "known people, new recordings (seen-heard)",
}
_NONE, _ONE, _WRONG, _RATE = "λ = 0", "λ = 1", "λ = 1, wrong labels", "λ = 1, printed rate 0.05"
_STRATA = ("random", *ATTRIBUTES)
_SIZES = tuple(range(2, 11))
_TEN = 10
_PAPER_PAIRS: dict[str, dict[str, list[Cell]]] = {
    "unknown": {_NONE: [0.726, 0.336], _ONE: [0.788, 0.295]},
    "known": {_NONE: [0.812, 0.263], _ONE: [0.911, 0.172]},
}
_PAPER_STRATA: dict[str, dict[str, list[Cell]]] = {
    "unknown": {
        f"{_ONE}, AUC": [0.788, 0.624, 0.531, 0.735, 0.514],
        "Learnable PINs, pretrained, AUC": [0.785, 0.611, 0.772, 0.749, 0.588],
        "Learnable PINs, from scratch, AUC": [0.635, None, None, None, None],
    },
    "known": {
        f"{_ONE}, AUC": [0.912, 0.825, 0.899, 0.907, 0.818],
        "Learnable PINs, pretrained, AUC": [0.870, 0.742, 0.859, 0.866, 0.740],
        "Learnable PINs, from scratch, AUC": [0.738, None, None, None, None],
    },
}
_PAPER_MATCHING = {
    f"{_NONE}, voice->face": {2: 0.73, 4: 0.49, 6: 0.38, 8: 0.34, 10: 0.29},
    f"{_ONE}, voice->face": {2: 0.78, 4: 0.56, 6: 0.42, 8: 0.36, 10: 0.30},
    "Learnable PINs, voice->face": {2: 0.84, 4: 0.54, 6: 0.42, 8: 0.36, 10: 0.30},
    "SVHF-Net, voice->face": {2: 0.78, 4: 0.46, 6: 0.39, 8: 0.34, 10: 0.28},
}
_PAPER_RETRIEVAL: dict[str, list[Cell]] = {
    "unknown": [0.087, None, 0.132, None],
    "known": [0.3627, 0.3720, 0.50, 0.5120],
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """One setting: every training that came through, on the same test items."""

    setting: str
    reports: Mapping[str, EmbeddingSpaceReport]
    placed: Mapping[str, EmbeddedItems]
    ceiling: CeilingTable | None
    notes: Sequence[str]


def tables(
    corpus: Corpus,
    out: Path,
    choice: SplitChoice = NO_CHOICE,
    tell: Tell | None = None,
    *,
    people: Literal["both", "unknown", "known"] = "both",
    quick: bool = False,
    steps: int = 0,
    size: int = 0,
    printed_rate: bool = False,
    seed: int = 0,
) -> list[Table]:
    """Train what is missing below ``out`` and judge it on the held back people or recordings.

    Args:
        corpus: voices and faces of the same people.
        out: folder of trainings and figures.
        choice: the split that everything is trained with
        tell: is told what is trained, and how far it is
        people: both: what the corpus does not allow is left out with a word
        quick: a small network, pictures of 64 pixels and the logarithm of magnitudes: for a CPU
        steps: training steps; 0 for 100,000, or 300 where quick
        size: side of the pictures in pixels; 0 for 256, or 64 where quick
        printed_rate: train also at the rate the paper prints, to show whether it trains
        seed: random seed

    Raises:
        InputError: the corpus serves none of the settings asked for, or a drawing package is missing.
    """
    require_packages()
    given = dict(_QUICK if quick else {})
    given |= {"size": size} if size else {}
    count = steps or (_QUICK_STEPS if quick else _STEPS)
    shared = {**given, "steps": count, "every": max(1, count // 3), "seed": seed, **_SHARES}
    made: list[Table] = []
    refused: list[InputError] = []
    for setting in ("unknown", "known") if people == "both" else (people,):
        made_of = _runs(shared, known=setting == "known", printed_rate=printed_rate)
        runs = {name: replace(run, choice=choice) for name, run in made_of.items()}
        try:
            judged = _judged(corpus, out, setting, runs, seed=seed, tell=tell)
        except NotFiniteError:
            raise
        except InputError as error:
            if people != "both":
                raise
            refused.append(error)
            continue
        made += [_pairs(judged), _strata(judged), _matching(judged), _retrieval(judged)]
        made[-1] = _noted(made[-1], [_figure(judged, out, seed=seed)])
    if not made:
        raise refused[0]
    return [_noted(made[0], [f"left out: {error}" for error in refused]), *made[1:]]


def _runs(shared: Mapping[str, Any], *, known: bool, printed_rate: bool) -> dict[str, Any]:
    given = {**shared, "known": known}
    runs = {
        _NONE: nawaz_ssnet.recipe(**given, pull=0.0),
        _ONE: nawaz_ssnet.recipe(**given, pull=1.0),
        _WRONG: nawaz_ssnet.recipe(**given, pull=1.0, wrong_labels=True),
    }
    if printed_rate:
        runs[_RATE] = nawaz_ssnet.recipe(**{**given, "pull": 1.0, "lr": _PRINTED_RATE})
    return runs


_FOLDERS = {_NONE: "pull-0", _ONE: "pull-1", _WRONG: "pull-1-wrong-labels", _RATE: "pull-1-rate-0.05"}


def _judged(
    corpus: Corpus, out: Path, setting: str, runs: Mapping[str, Any], *, seed: int, tell: Tell | None
) -> Judged:
    chosen = choose_split(runs[_ONE], corpus).split.test
    reports, placed, notes = {}, {}, []
    for number, (name, run) in enumerate(runs.items(), 1):
        folder = out / f"{setting}-{_FOLDERS[name]}"
        what = f"{number} of {len(runs)}, {setting} people, {name}"
        try:
            weights = train_with_progress(run, corpus, folder, what=what, tell=tell)
        except NotFiniteError as error:
            notes.append(f"{name}: does not train: {error.what}: {error.fault}")
            continue
        loaded = load_model(weights)
        placed[name] = place(loaded, chosen)
        reports[name] = evaluate_embedding_space(placed[name], resamples=_RESAMPLES, seed=seed)
        notes.append(f"{name}: step {loaded.card['best_step']:,} of {loaded.card['steps']:,} was selected")
    one = next(iter(placed.values()))
    held = len(set(np.concatenate(one.people).tolist()))
    counted = f"{held:,} people, {len(one.voices):,} voices and {len(one.faces):,} faces were held back"
    ceiling = None
    if setting == "unknown":
        everybody = np.concatenate(one.people).tolist()
        ceiling = ceiling_for_people(corpus, everybody, faces=len(one.faces), recall=(10,))
    return Judged(setting=setting, reports=reports, placed=placed, ceiling=ceiling, notes=[counted, *notes])


def _pairs(judged: Judged) -> Table:
    """Tables I and V, and positives of one video and of two apart."""
    kinds = {"": "all", " (same video)": "same-video positives", " (two videos)": "cross-video positives"}
    columns = {f"{figure}{word}": (row, figure) for word, row in kinds.items() for figure in ("AUC", "EER")}
    rows: dict[str, Sequence[Cell]] = {
        name: [report.pair_estimate(row, figure) for row, figure in columns.values()]
        for name, report in judged.reports.items()
    }
    rows |= _beside(judged, [("verification", f, "random", "") for f in ("auc", "eer")], rows, _ONE, 4)
    paper = _PAPER_PAIRS[judged.setting].items()
    return Table(
        title=f"Tables I and V: verification, {_WORDS[judged.setting]}",
        columns=list(columns),
        rows=rows,
        paper_rows={name: [*cells, None, None, None, None] for name, cells in paper},
        notes=[
            *judged.notes,
            *_gain(judged),
            *_video_note(judged),
            "every voice with every face held back, not the lists",
        ],
    )


def _gain(judged: Judged) -> list[str]:
    """What λ = 1 gains on the same people: the two trainings' intervals alone do not tell."""
    both = [judged.placed[name] for name in (_ONE, _NONE) if name in judged.placed]
    if len(both) < 2:
        return []
    one, none = (pair_trials(p.voices.astype(np.float64) @ p.faces.T, people=p.people) for p in both)
    title = f"{_ONE} against {_NONE}, paired over people"
    given: dict[str, Any] = {"people": one.people, "resamples": _RESAMPLES}
    return [
        f"{title}, {figure}: {compare(one.scores, none.scores, one.labels, figure=figure, **given)}"
        for figure in ("AUC", "EER")
    ]


def _video_note(judged: Judged) -> list[str]:
    if next(iter(judged.placed.values())).sessions is None:
        return ["videos are not known of every item: positives of one and of two are not told apart"]
    return []


def _strata(judged: Judged) -> Table:
    """Table II, with the EER beside."""
    rows: dict[str, Sequence[Cell]] = {}
    for figure in ("AUC", "EER"):
        for name, report in judged.reports.items():
            strata = ["all" if stratum == "random" else stratum for stratum in _STRATA]
            rows[f"{name}, {figure}"] = [report.pair_estimate(stratum, figure) for stratum in strata]
        places = [("verification", figure.lower(), stratum, "") for stratum in _STRATA]
        rows |= _beside(judged, places, rows, f"{_ONE}, {figure}")
    known = _known_of(judged)
    return Table(
        title=f"Table II: verification among people alike, {_WORDS[judged.setting]}",
        columns=list(_STRATA),
        rows=rows,
        paper_rows=_PAPER_STRATA[judged.setting],
        notes=[f"strata: same gender, nationality, age ({AGE_NOTE}), and all three; known of {known}"],
    )


def _known_of(judged: Judged) -> str:
    one = next(iter(judged.placed.values()))
    owners = np.concatenate(one.people)
    everybody = len(set(owners.tolist()))
    counts = {
        name: len(set(owners[np.concatenate(sides) != ""].tolist())) for name, sides in one.attributes.items()
    }
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) + f" of {everybody:,} people"


def _matching(judged: Judged) -> Table:
    """Tables III and VI, every size and both ways."""
    rows: dict[str, Sequence[Cell]] = {}
    for direction in DIRECTIONS:
        for name, report in judged.reports.items():
            found = report.matching.by_size(direction)
            rows[f"{name}, {direction}"] = [found.get(size) for size in _SIZES]
        places = [("matching", f"1:{size}", "random", direction) for size in _SIZES]
        rows |= _beside(judged, places, rows, f"{_ONE}, {direction}")
    # The paper does not say of whom its tables are; the gain of λ is that of unknown people.
    paper = _PAPER_MATCHING if judged.setting == "unknown" else {}
    return Table(
        title=f"Tables III and VI: 1:N matching, {_WORDS[judged.setting]}",
        columns=[f"1:{size}" for size in _SIZES],
        rows=rows,
        paper_rows={name: [cells.get(size) for size in _SIZES] for name, cells in paper.items()},
        notes=[
            "ours: the exact mean over every gallery of N different people; the paper's are not published"
        ],
    )


def _retrieval(judged: Judged) -> Table:
    """Table IV: R@10 in everything held back, and within a gender."""
    columns = {f"{way}{word}": f"{way}{row}" for way in DIRECTIONS for word, row in _GALLERIES.items()}
    rows: dict[str, Sequence[Cell]] = {}
    for name, report in judged.reports.items():
        rows[name] = [_recall(report, row) for row in columns.values()]
    places = [
        ("retrieval", "R@10", "random" if not word else "G", way) for way in DIRECTIONS for word in _GALLERIES
    ]
    rows |= _beside(judged, places, rows, _ONE)
    sizes = next(iter(judged.reports.values())).retrieval.gallery
    return Table(
        title=f"Table IV: R@10, {_WORDS[judged.setting]}",
        columns=list(columns),
        rows=rows,
        paper_rows={_ONE: _PAPER_RETRIEVAL[judged.setting]},
        notes=["galleries: " + ", ".join(f"{name} {size:,}" for name, size in sizes.items())],
    )


_GALLERIES = {"": "", " (within gender)": ", within gender"}


def _recall(report: EmbeddingSpaceReport, row: str) -> Cell:
    found = report.retrieval.rows.get(row)
    return "not known" if found is None else next(one for one in found if one.name == "R@10")


def _beside(
    judged: Judged,
    places: Sequence[tuple[str, str, str, str]],
    rows: Mapping[str, Sequence[Cell]],
    name: str,
    blank: int = 0,
) -> dict[str, Sequence[Cell]]:
    """The ceiling of each column and λ = 1's share of it, where one is known."""
    if judged.ceiling is None or name not in rows:
        return {}
    best: list[float | None] = []
    for protocol, figure, stratum, direction in places:
        row = judged.ceiling.find(protocol, figure, stratum=stratum, direction=direction)
        best.append(None if row is None else row.ceiling.value)
    shares: list[Cell] = [
        share_of_ceiling(cell, top) if top is not None and isinstance(cell, Estimate) else None
        for cell, top in zip(rows[name], best, strict=False)
    ]
    empty: list[Cell] = [None] * blank
    return {f"{name}: ceiling": [*best, *empty], f"{name}: share of the ceiling": [*shares, *empty]}


def _figure(judged: Judged, out: Path, *, seed: int) -> str:
    """Figure 3: voices and faces of ten people held back, λ = 0 and λ = 1."""
    path = out / f"figure-3-{judged.setting}.png"
    panels: dict[str, tuple[npt.NDArray[np.floating], Sequence[str]]] = {}
    kinds: dict[str, Sequence[str]] = {}
    for name in (_NONE, _ONE):
        one = judged.placed.get(name)
        if one is None:
            continue
        ten = np.random.default_rng(seed).permutation(np.intersect1d(*one.people))[:_TEN]
        kept = [np.isin(side, ten) for side in one.people]
        rows = np.concatenate([one.voices[kept[0]], one.faces[kept[1]]])
        panels[name] = rows, np.concatenate([one.people[0][kept[0]], one.people[1][kept[1]]]).tolist()
        kinds[name] = ["voice"] * int(kept[0].sum()) + ["face"] * int(kept[1].sum())
    tsne_plot(path, panels, kinds=kinds, seed=seed)
    return f"Figure 3: {path.name}, t-SNE of ten of them; triangles are voices, dots are faces"


def _noted(table: Table, notes: Sequence[str]) -> Table:
    return replace(table, notes=[*table.notes, *notes])
