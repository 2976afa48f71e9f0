"""One threshold of a distance, searched on real faces, and generated faces judged at it (Agarwal et al.)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics import decisions
from voiceface.metrics.bootstrap import interval, resample_counts
from voiceface.metrics.figure import figures
from voiceface.metrics.roc import Floats, SortedTrials
from voiceface.protocols.estimate import Column, Estimate, estimate_row
from voiceface.protocols.input_checks import as_labels, as_scores, check_people, few, index_people
from voiceface.protocols.people_bootstrap import People, mean_of_items
from voiceface.protocols.report import Report

_ACCEPTED = "accepted where distance <= threshold"


@dataclass(frozen=True, kw_only=True)
class ThresholdReport(Report):
    """The best threshold, the curves it was read off, and what was judged at it."""

    threshold: float
    """Of the highest accuracy; of several equally good ones the middle one."""
    thresholds: Floats
    """(k,) what was tried, rising."""
    accuracy: Floats
    """(k,) share of pairs judged rightly at each."""
    balanced: Floats
    """(k,) mean of the shares of one person's and of two people's pairs judged rightly."""
    f1: Floats
    """(k,) harmonic mean of precision and recall of one person's pairs."""

    def __str__(self) -> str:
        """As it is printed."""
        return f"threshold {self.threshold:.4g} ({_ACCEPTED})\n\n{super().__str__()}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; of the curve at most 201 points."""
        picked = np.unique(np.linspace(0, len(self.thresholds) - 1, 201).round().astype(int))
        curves = {"thresholds": self.thresholds, "accuracy": self.accuracy, "f1": self.f1}
        curve = {name: values[picked].tolist() for name, values in curves.items()}
        return {"threshold": self.threshold, "curve": curve, **super().to_dict()}


def threshold_search(
    distances: ArrayLike,
    same: ArrayLike,
    *,
    people: tuple[ArrayLike, ArrayLike] | None = None,
    grid: ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> ThresholdReport:
    """Search the threshold under which a distance is best read as "the same person" (Agarwal, section III-B).

    The threshold is chosen on the pairs it is reported on, as in the paper, so its accuracy is flattered a
    little; the interval holds the threshold fixed. The chance of accuracy is the share of the larger class,
    which saying "never" (or "always") earns.

    Args:
        distances: (n,) distances of pairs of real faces.
        same: (n,) 1 for one person's pair, 0 for two people's.
        people: Person of each pair's first and of its second face, for the intervals.
        grid: Thresholds to try; None: every distance that occurs, which misses none.
        resamples: Over people; 0 for none.
        seed: Of the resamples.

    Raises:
        InputError: distances or labels are missing, not finite or below 0, or of one class.

    >>> report = threshold_search([0.3, 0.5, 0.9, 1.1], [1, 1, 0, 0], resamples=0)
    >>> report.threshold, report.accuracy.max()
    (0.5, np.float64(1.0))
    """
    values = _as_distances(distances)
    labels = as_labels(same, len(values))
    trials = SortedTrials.of(-values, labels)
    wrong, right = trials.cumulate()
    tried = -trials.thresholds
    wrong, right = wrong[1:], right[1:]
    if grid is not None:
        wanted = np.unique(as_scores(grid, "grid"))
        place = np.searchsorted(tried, wanted, side="right")
        tried, wrong, right = (
            wanted,
            np.append(0.0, wrong)[place],
            np.append(0.0, right)[place],
        )
    totals = np.array([float(labels.sum()), float((~labels).sum())])
    refused = totals[1] - wrong
    accuracy = decisions.accuracy(right, refused, totals)
    balanced = decisions.balanced_accuracy(right, refused, totals)
    f1 = decisions.f1(right, refused, totals)
    best = np.flatnonzero(accuracy >= accuracy.max() - 1e-12)
    threshold = float(tried[best[(len(best) - 1) // 2]])
    return ThresholdReport(
        threshold=threshold,
        thresholds=tried,
        accuracy=accuracy,
        balanced=balanced,
        f1=f1,
        rows={"real faces": _found(values, labels, threshold, people, (resamples, seed))},
        notes=(f"best F1 {f1.max():.3f} at {tried[int(f1.argmax())]:.4g}",),
    )


def _as_distances(distances: ArrayLike) -> Floats:
    values = as_scores(distances, "distances")
    below = int((values < 0).sum())
    if below:
        raise InputError("distances", f"{below:,} are below 0", "give distances, not scores")
    return values


def generated_acceptance(
    distances: ArrayLike,
    *,
    people: tuple[ArrayLike, ArrayLike],
    threshold: float,
    found: ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Estimate]:
    """Share of generated faces within the threshold of their person's real faces, and of anybody else's.

    Each generated face earns the share of its person's real faces that accept it. Chance is what the same
    faces earn with everybody else's real faces: a generator with one face for everybody earns exactly that.

    Args:
        distances: (generated, real) distances; a row of a face that was not found is not looked at.
        people: Person of every generated and of every real face.
        threshold: As `threshold_search` found it on real faces.
        found: (generated,) whether a face was found in the generated picture; one without is a miss.
        resamples: Over people; 0 for none.
        seed: Of the resamples.

    Raises:
        InputError: shapes do not fit, a distance of a found face is not finite, or somebody has no real face.
    """
    apart = np.asarray(distances, dtype=np.float64)
    if apart.ndim != 2 or not apart.size:
        raise InputError("distances", f"have the shape {apart.shape}", "give (generated, real)")
    own, theirs, names = index_people(people[0], people[1], *apart.shape)
    seen = as_found_mask(found, len(apart))
    bad = np.flatnonzero(seen & ~np.isfinite(apart).all(axis=1))
    if len(bad):
        raise InputError("distances", f"rows {few(bad)} hold NaN or infinity", "tell which were not found")
    faces = np.bincount(theirs, minlength=len(names))
    lost = np.unique(own[faces[own] == 0])
    if len(lost):
        fault = f"{few(names[lost])} people of generated faces have none"
        raise InputError("real faces", fault, "leave these people out or give their faces")
    # (generated, people): share of each person's faces within the threshold
    order = np.argsort(theirs, kind="stable")
    there = np.flatnonzero(faces)
    starts = np.concatenate(([0], np.cumsum(faces[there])[:-1]))
    within = np.add.reduceat((apart[:, order] <= threshold).astype(np.float64), starts, axis=1) / faces[there]
    within[~seen] = 0.0
    right = within[np.arange(len(own)), np.searchsorted(there, own)]
    others = (within.sum(axis=1) - right) / max(len(there) - 1, 1)
    whose = People(np.asarray(people[0]), resamples=resamples, seed=seed)
    chance = float(others.mean()) if len(there) > 1 else float("nan")
    convention = f"distance <= {threshold:.4g} to the person's real faces; not found counts as wrong"
    return [
        mean_of_items("generated accepted", right, whose, chance=chance, convention=convention),
        mean_of_items(
            "found", seen, whose, share=True, convention="a face was found in the generated picture"
        ),
    ]


def as_found_mask(found: ArrayLike | None, count: int) -> NDArray[np.bool_]:
    """Whether each of ``count`` generated pictures holds a face; all of them where nothing is said.

    Raises:
        InputError: another length, or something else than yes and no.
    """
    if found is None:
        return np.ones(count, dtype=bool)
    given = np.asarray(found)
    if given.shape != (count,) or not np.isin(given, (0, 1)).all():
        raise InputError(
            "found", f"has the shape {given.shape}, type {given.dtype}", f"give {count} of 0 or 1"
        )
    return given.astype(bool)


def _found(
    values: Floats,
    labels: NDArray[np.bool_],
    threshold: float,
    people: tuple[ArrayLike, ArrayLike] | None,
    resampling: tuple[int, int],
) -> list[Estimate]:
    """Accuracy, balanced accuracy and F1 at the threshold."""
    accepted = values <= threshold
    declared = figures("decisions")

    def measure(hits: Floats, refused: Floats, totals: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.stack([one.function(hits, refused, totals) for one in declared], axis=1)

    hits, refused = float((accepted & labels).sum()), float((~accepted & ~labels).sum())
    totals = np.array([float(labels.sum()), float((~labels).sum())])
    value = measure(np.array([hits]), np.array([refused]), totals[:, None])[0]
    ends, count, resamples = None, 0, 0
    if people is not None:
        first, second, names = index_people(people[0], people[1], len(values), len(values))
        check_people(labels, first, second)
        count = len(names)
        if resampling[0] and count > 1:
            resamples = resampling[0]
            counts = resample_counts([np.arange(count)], count, resamples, resampling[1]).astype(np.float64)
            mine = [counts @ np.bincount(first, labels & good, count) for good in (accepted, labels)]
            theirs = []
            for good in (~accepted & ~labels, ~labels):
                pairs = np.bincount(first * count + second, good, count * count).reshape(count, count)
                theirs.append(((counts @ pairs) * counts).sum(axis=1))
            ends = interval(measure(mine[0], theirs[0], np.stack([mine[1], theirs[1]])))
    given = {"positives": float(totals[0]), "negatives": float(totals[1])}
    columns = [
        Column(one.name, one.chance_of(**given) if callable(one.chance) else one.chance, one.convention)
        for one in declared
    ]
    return estimate_row(columns, value, ends, n=len(values), people=count, resamples=resamples)


PROTOCOL = threshold_search
