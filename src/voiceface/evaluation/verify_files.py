"""Verification of what the user has: every pair of embeddings, a published list, or a table of scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.evaluation.embedding_files import NamedEmbeddings, read_named_embeddings, read_scores
from voiceface.evaluation.evaluate_files import (
    Known,
    Missing,
    excluded_trials,
    people_of,
    rows_by_name,
)
from voiceface.evaluation.saved_scores import ScoredTrials
from voiceface.evaluation.trial_lists import read_trials
from voiceface.protocols.calibration import calibration, log_odds_of
from voiceface.protocols.input_checks import as_labels, few, unit_embeddings
from voiceface.protocols.list_scoring import score_trials
from voiceface.protocols.pair_verification import VerificationReport, pair_trials, verification
from voiceface.protocols.trial_lists import TrialList

_MOST_PAIRS = 30_000_000
"""Trials whose scores, labels and people still fit into a few GB."""


def scored_trials(
    embeddings: tuple[Path | None, Path | None],
    scores: Path | None,
    trials: Path | None,
    known: Known,
    *,
    missing: Missing = "error",
) -> ScoredTrials:
    """The trials of all pairs, of a list, or of a table of scores, with their scores.

    Args:
        embeddings: The files of voices and of faces.
        scores: A CSV of scores instead.
        trials: A published list.
        known: What is known of the people.
        missing: Trials of a list whose items are missing are an error, or are left out and counted.

    Raises:
        InputError: too much or too little is given, or a file cannot be used.
    """
    voices, faces = embeddings
    if (scores is None) == (voices is None and faces is None) or (voices is None) != (faces is None):
        remedy = "give --voices v.npz and --faces f.npz, or --scores s.csv, or --model and --corpus"
        raise InputError("evaluate verification", "has nothing to evaluate", remedy)
    if trials is not None:
        return _of_list(trials, (voices, faces), scores, known, missing)
    if scores is not None:
        return _of_table(scores, known)
    assert voices is not None and faces is not None
    left, right = known.side(voices), known.side(faces)
    if len(left.names) * len(right.names) > _MOST_PAIRS:
        fault = f"{len(left.names):,} voices against {len(right.names):,} faces are too many pairs"
        raise InputError(voices, fault, "give a --list of trials")
    pairs = pair_trials(_dots(left, right), people=(people_of(left), people_of(right)))
    strata = {}
    for name, (one, other) in known.fixed(left, right).items():
        strata[name] = (one[pairs.voices] == other[pairs.faces]) & (one[pairs.voices] != "")
    return ScoredTrials(
        scores=pairs.scores.astype(np.float64),
        labels=pairs.labels,
        people=(pairs.people[0].astype(str), pairs.people[1].astype(str)),
        items=(left.names[pairs.voices], right.names[pairs.faces]),
        strata=strata,
    )


def verify(
    found: ScoredTrials, *, resamples: int, seed: int, calibrated: tuple[float, float] | None = None
) -> VerificationReport:
    """Verification of scored trials, with the calibration of their probabilities where there are any.

    Args:
        found: The trials.
        resamples: Bootstrap resamples over people.
        seed: Of the resamples.
        calibrated: Slope and offset from a score to log odds at even odds.
    """
    shared: dict[str, Any] = {"people": found.people, "resamples": resamples, "seed": seed}
    report = verification(found.scores, found.labels, strata=found.strata, **shared)
    report = replace(report, excluded=report.excluded | dict(found.excluded))
    if calibrated is not None:
        odds = calibrated[0] * np.asarray(found.scores, dtype=np.float64) + calibrated[1]
    elif found.probabilities is not None:
        odds = log_odds_of(found.probabilities)
    else:
        return report
    return replace(report, calibration=calibration(odds, found.labels, **shared))


def _of_list(
    path: Path,
    embeddings: tuple[Path | None, Path | None],
    scores: Path | None,
    known: Known,
    missing: Missing,
) -> ScoredTrials:
    listed = read_trials(path, "auto", known.vox)
    if scores is not None:
        values, kept = _listed_scores(scores, listed), np.ones(len(listed), dtype=bool)
    else:
        voices, faces = embeddings
        assert voices is not None and faces is not None
        key = known.vox.known_key if known.vox is not None else None
        left = rows_by_name(read_named_embeddings(voices), key, ".wav")
        right = rows_by_name(read_named_embeddings(faces), key, ".jpg")
        values, kept = score_trials(listed, left, right, missing=missing)
    assert listed.labels is not None
    people = listed.left_people[kept], listed.right_people[kept]
    return ScoredTrials(
        scores=values,
        labels=listed.labels[kept],
        people=people,
        items=(listed.left[kept], listed.right[kept]),
        strata=_same_masks(people, known),
        excluded=excluded_trials(kept),
    )


def _of_table(path: Path, known: Known) -> ScoredTrials:
    """A table of scores that holds its own labels."""
    table = {name: np.array(column) for name, column in read_scores(path).items()}
    pairs = [
        (table[a], table[b]) if {a, b} <= table.keys() else None
        for a, b in (("voice_person", "face_person"), ("voice", "face"))
    ]
    people = pairs[0]
    if "label" in table:
        labels: Any = table["label"]
    elif people is not None:
        labels = people[0] == people[1]
    else:
        remedy = "add a column label (1: one person), or give --list"
        raise InputError(path, "does not tell which trials are of one person", remedy)
    stated = table.get("probability")
    return ScoredTrials(
        scores=table["score"].astype(np.float64),
        labels=as_labels(labels, len(table["score"])),
        people=people,
        items=pairs[1],
        strata=_same_masks(people, known) if people is not None else {},
        probabilities=None if stated is None else stated.astype(np.float64),
    )


def _listed_scores(path: Path, trials: TrialList) -> NDArray[np.float64]:
    """The score of every trial of a list, found by its two names."""
    table = read_scores(path)
    if not {"voice", "face"} <= table.keys():
        raise InputError(path, "has no columns voice and face", "name each trial as the list does")
    found: dict[tuple[str, str], str] = {}
    for voice, face, score in zip(table["voice"], table["face"], table["score"], strict=True):
        if found.setdefault((voice, face), score) != score:
            raise InputError(path, f"scores {voice} with {face} twice, differently", "score it once")
    pairs = list(zip(trials.left.tolist(), trials.right.tolist(), strict=True))
    lost = [f"{voice} {face}" for voice, face in pairs if (voice, face) not in found]
    if lost:
        raise InputError(path, f"lacks {few(lost)} of the list's {len(pairs):,} trials", "score every trial")
    return np.array([float(found[pair]) for pair in pairs])


def _same_masks(people: tuple[Any, Any], known: Known) -> dict[str, NDArray[np.bool_]]:
    """Trials whose two people share each attribute."""
    masks = {}
    for name in known.same:
        values = known.tables.get(name) or {}
        if not values:
            raise InputError(f"--same {name}", "nothing tells it", "give --people vox1_meta.csv or --corpus")
        listed = {str(person) for side in people for person in side.tolist()}
        if listed.isdisjoint(values):
            fault = f"the people are written like {min(listed)!r}, of whom it is not known"
            raise InputError(f"--same {name}", fault, "give the --people or --corpus that they belong to")
        one, other = (np.array([values.get(str(p), "") for p in side.tolist()]) for side in people)
        masks[f"same {name}"] = (one == other) & (one != "")
    return masks


def _dots(left: NamedEmbeddings, right: NamedEmbeddings) -> NDArray[np.floating]:
    one, other = (
        unit_embeddings(left.embeddings, str(left.path)),
        unit_embeddings(right.embeddings, str(right.path)),
    )
    if one.shape[1] != other.shape[1]:
        fault = f"is {one.shape[1]} wide and {right.path} {other.shape[1]}"
        raise InputError(left.path, fault, "embed both with one model")
    return one.astype(np.float64) @ other.T.astype(np.float64)
