"""Verification: are this voice and this face one person's? One score a trial, intervals over people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.bootstrap import Statistic, interval, resample_counts, resample_trials
from voiceface.metrics.figure import figures
from voiceface.metrics.roc import EER_CONVENTIONS, Floats, SortedTrials, eer
from voiceface.protocols.calibration import Calibration
from voiceface.protocols.checked_trials import Bools, CheckedTrials, Ints, People
from voiceface.protocols.curves import RocPoints, roc_points
from voiceface.protocols.estimate import Column, Estimate, estimate_row
from voiceface.protocols.input_checks import as_names, index_people
from voiceface.protocols.report import Report


def trial_columns() -> list[Column]:
    """Every figure that `voiceface.metrics` declares of trials, with its chance level and convention."""
    return [Column(one.name, one.chance_of(), one.convention) for one in figures("trials")]


def trial_statistic() -> Statistic:
    """Their values (k,) of cumulated weights (`SortedTrials.cumulate`), in the order of `trial_columns`."""
    functions = [one.function for one in figures("trials")]

    def values(false: Floats, true: Floats) -> Floats:
        return np.array([function(false, true) for function in functions])

    return values


@dataclass(frozen=True, kw_only=True)
class VerificationReport(Report):
    """What `verification` found: one row of figures for all trials (``"all"``) and one for each stratum."""

    title = "Verification"
    question = "Are this voice and this face one person's?"

    eer_conventions: dict[str, float]
    """EER of all trials in each named convention; NaN where it does not exist."""
    positives: int
    negatives: int
    curves: dict[str, RocPoints] = field(default_factory=dict)
    """ROC (and DET) of each row, in at most 2,000 points; of several groups the mean one."""
    calibration: Calibration | None = None
    """Of the probabilities, where there are any: put there by whoever has them (`calibration`)."""

    @property
    def auc(self) -> Estimate:
        """Area under the ROC over all trials."""
        return self.figure("AUC", "all")

    @property
    def eer(self) -> Estimate:
        """Interpolated equal error rate over all trials."""
        return self.figure("EER", "all")

    @property
    def strata(self) -> dict[str, list[Estimate]]:
        """The rows of the strata alone."""
        return {name: row for name, row in self.rows.items() if name != "all"}

    def facts(self) -> list[str]:
        """How many trials there are, and their EER by convention."""
        known = ", ".join(f"{k} {v:.4f}" for k, v in self.eer_conventions.items() if v == v)
        return [
            f"{self.positives:,} positives, {self.negatives:,} negatives. "
            f"EER of all trials by convention: {known}."
        ]

    def __str__(self) -> str:
        """As it is printed."""
        known = ", ".join(f"{name} {value:.4f}" for name, value in self.eer_conventions.items())
        lines = [
            f"{self.positives:,} positives, {self.negatives:,} negatives",
            super().__str__(),
            f"EER by convention: {known}",
        ]
        if self.calibration is not None:
            lines.append(f"Calibration\n{self.calibration}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = super().to_dict()
        return {
            "rows": plain.pop("rows"),
            "eer_conventions": {k: None if v != v else v for k, v in self.eer_conventions.items()},
            "positives": self.positives,
            "negatives": self.negatives,
            **plain,
            "curves": {name: curve.to_dict() for name, curve in self.curves.items()},
            "calibration": None if self.calibration is None else self.calibration.to_dict(),
        }


class PairTrials(NamedTuple):
    """All voice-face pairs of a similarity matrix (within a group) as verification trials."""

    scores: NDArray[np.floating]
    labels: Bools
    people: tuple[NDArray[np.generic], NDArray[np.generic]]
    groups: NDArray[np.generic] | None
    voices: Ints
    """Row of the matrix each trial comes from."""
    faces: Ints
    """Column of the matrix each trial comes from."""


def pair_trials(similarity: ArrayLike, *, people: People, groups: People | None = None) -> PairTrials:
    """Every voice against every face, or only those of one group (a fold, a gender within a fold).

    Args:
        similarity: (voices, faces) scores, higher meaning the same person.
        people: Person of each voice and of each face.
        groups: Group of each voice and of each face; a pair is a trial if the two are equal.

    >>> trials = pair_trials([[0.9, 0.1], [0.2, 0.7]], people=(["a", "b"], ["a", "b"]))
    >>> round(verification(trials.scores, trials.labels, people=trials.people, resamples=0).auc.value, 2)
    1.0
    """
    matrix = np.asarray(similarity)
    if matrix.ndim != 2:
        raise InputError("similarity", f"has shape {matrix.shape}", "give scores (voices, faces)")
    rows, columns = matrix.shape
    voice, face, names = index_people(people[0], people[1], rows, columns)
    group: NDArray[np.generic] | None = None
    if groups is None:
        keep = np.ones((rows, columns), dtype=bool)
    else:
        left = as_names(groups[0], rows, "groups of the voices")
        right = as_names(groups[1], columns, "groups of the faces")
        keep = left[:, None] == right[None, :]
        if not keep.any():
            raise InputError(
                "groups", "no voice shares a group with a face", "name groups alike on both sides"
            )
    i, j = np.nonzero(keep)
    if groups is not None:
        group = left[i]
    return PairTrials(matrix[i, j], voice[i] == face[j], (names[voice[i]], names[face[j]]), group, i, j)


def verification(
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    people: People | None = None,
    strata: Mapping[str, ArrayLike] | None = None,
    groups: ArrayLike | None = None,
    videos: People | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> VerificationReport:
    """Judge scores of voice-face trials.

    Args:
        scores: (n,) finite, higher meaning the same person (hand in minus a distance).
        labels: (n,) 1 for the same person, 0 for two.
        people: Person of the voice and of the face of every trial; without them there is no interval.
        strata: For each name a mask (n,) of the trials in it, positives and negatives.
        groups: (n,) group (fold) of each trial: every figure is the mean over groups of the group's own
            figure, and people are sampled within their group. Only trials of one group are ever compared.
        videos: Video of the voice and of the face of every trial: positives of one video and of two are
            then reported apart (``same-video positives`` against all negatives, and so on).
        resamples: Resamples over people for the 95 % percentile intervals; 0 for none.
        seed: Seed of the resamples.

    Raises:
        InputError: scores or labels missing, not finite, of one class, or contradicting the people.

    >>> print(verification([0.9, 0.8, 0.4, 0.2], [1, 0, 1, 0]).auc)
    AUC 0.750 chance 0.500 (n 4)
    """
    trials = CheckedTrials(scores, labels, people, groups)
    n = len(trials.scores)
    masks = {"all": np.ones(n, dtype=bool)} | _masks(strata, n) | _video_masks(videos, trials.same)
    counts = None
    notes: tuple[str, ...] = ()
    if trials.voice is None:
        notes = ("no intervals: the people of the trials were not given",)
    elif resamples:
        counts = resample_counts(trials.parts(), trials.people, resamples, seed)
    rows, excluded, curves = {}, {}, {}
    for name, mask in masks.items():
        kept, lost = trials.cut(mask, name)
        if lost:
            excluded[f"trials of groups of one class in {name!r}"] = lost
        parts = [SortedTrials.of(trials.scores[places], trials.same[places]) for places in kept]
        rows[name] = _row(trials, kept, parts, counts)
        curves[name] = roc_points(parts)
    return VerificationReport(
        rows=rows,
        eer_conventions=_conventions(trials),
        positives=int(trials.same.sum()),
        negatives=int((~trials.same).sum()),
        excluded=excluded,
        notes=notes,
        curves=curves,
    )


def _masks(strata: Mapping[str, ArrayLike] | None, n: int) -> dict[str, Bools]:
    masks: dict[str, Bools] = {}
    for name, given in (strata or {}).items():
        mask = np.asarray(given)
        if mask.shape != (n,) or mask.dtype != bool:
            raise InputError(
                f"stratum {name!r}", f"is {mask.dtype} of shape {mask.shape}", f"give ({n},) True or False"
            )
        if name == "all":
            raise InputError("stratum 'all'", "is the name of the row of all trials", "choose another name")
        masks[name] = mask
    return masks


def _video_masks(videos: People | None, same: Bools) -> dict[str, Bools]:
    if videos is None:
        return {}
    n = len(same)
    one = as_names(videos[0], n, "videos of the voices") == as_names(videos[1], n, "videos of the faces")
    masks = {"same-video positives": ~same | one, "cross-video positives": ~same | ~one}
    return {name: mask for name, mask in masks.items() if (mask & same).any()}


def _row(
    trials: CheckedTrials, kept: list[Ints], parts: list[SortedTrials], counts: NDArray[np.uint16] | None
) -> list[Estimate]:
    """The figures of one stratum: the mean over its groups, with the interval over people."""
    statistic = trial_statistic()
    values = np.mean([statistic(*part.cumulate()) for part in parts], axis=0)
    ends, people, valid = None, 0, 0
    if trials.voice is not None and trials.face is not None:
        sides = [(trials.voice[places], trials.face[places]) for places in kept]
        people = len(np.unique(np.concatenate([np.concatenate(pair) for pair in sides])))
        if counts is not None:
            samples = resample_trials(parts, sides, counts, statistic)
            ends, valid = interval(samples), int((~np.isnan(samples[:, 0])).sum())
    facts = {"n": sum(map(len, kept)), "people": people, "groups": len(kept), "resamples": valid}
    return estimate_row(trial_columns(), values, ends, **facts)


def _conventions(trials: CheckedTrials) -> dict[str, float]:
    """The EER of all trials pooled, in each convention, in the list's own order."""
    found = {}
    for name in EER_CONVENTIONS:
        try:
            found[name] = eer(trials.scores, trials.same, convention=name)
        except ValueError:  # a fold of one class: this convention has no value on this list
            found[name] = float("nan")
    return found


PROTOCOL = verification
