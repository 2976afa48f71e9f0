"""Calibration: do the stated probabilities come true? Reliability, ECE and Cllr, intervals over people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.bootstrap import Statistic, interval, resample_counts, resample_trials
from voiceface.metrics.calibration import Reliability, probabilities_of, reliability
from voiceface.metrics.figure import figures
from voiceface.metrics.roc import Floats, SortedTrials
from voiceface.protocols.checked_trials import CheckedTrials
from voiceface.protocols.estimate import Column, Estimate, estimate_row, number

_MIN_PROBABILITY = 1e-9
"""How near to 0 or 1 a stated probability is taken to be when it says 0 or 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What `calibration` found: two figures, and the reliability table they come from."""

    title: ClassVar[str] = "Calibration"
    question: ClassVar[str] = (
        "Do the stated probabilities come true? ECE: their mean distance from the share found; "
        "Cllr: what deciding by them costs, in bits."
    )

    row: list[Estimate]
    """ECE and Cllr."""
    edges: tuple[float, ...]
    """(bins + 1,) from 0 to 1."""
    stated: tuple[float, ...]
    """Mean probability of each bin; NaN where it is empty."""
    found: tuple[float, ...]
    """Share of positives in each bin, weighed by the prior."""
    weight: tuple[float, ...]
    """Share of all trials in each bin, weighed by the prior."""
    prior: float

    def __str__(self) -> str:
        """As it is printed."""
        lines = [str(one) for one in self.row]
        lines += ["| stated | found | share |", "|---|---|---|"]
        for stated, found, weight in zip(self.stated, self.found, self.weight, strict=True):
            if weight > 0:
                lines.append(f"| {number(stated)} | {number(found)} | {number(weight)} |")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; None for an empty bin."""
        table = {
            name: [None if x != x else round(x, 7) for x in getattr(self, name)]
            for name in ("edges", "stated", "found", "weight")
        }
        return {"row": [e.to_dict() for e in self.row], "prior": self.prior} | table


def log_odds_of(probabilities: ArrayLike) -> Floats:
    """Natural log odds of probabilities (n,); 0 and 1 are taken as 1e-9 away from it.

    Raises:
        InputError: a probability is no number or lies outside [0, 1].
    """
    try:
        stated = np.asarray(probabilities, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("probabilities", "are not a list of numbers", "give one a trial") from None
    bad = np.flatnonzero(~((stated >= 0) & (stated <= 1)).ravel())
    if len(bad):
        fault = f"{len(bad):,} (first: {bad[0]}) of {stated.size:,} do not lie in [0, 1]"
        raise InputError("probabilities", fault, "give probabilities that it is one person")
    kept = np.clip(stated, _MIN_PROBABILITY, 1.0 - _MIN_PROBABILITY)
    odds: Floats = np.log(kept) - np.log1p(-kept)
    return odds


def calibration(
    log_odds: ArrayLike,
    labels: ArrayLike,
    *,
    people: tuple[ArrayLike, ArrayLike] | None = None,
    prior: float | None = 0.5,
    groups: ArrayLike | None = None,
    bins: int = 10,
    resamples: int = 1000,
    seed: int = 0,
) -> Calibration:
    """Judge stated probabilities that voice and face are one person's.

    Args:
        log_odds: (n,) natural log odds of the probabilities (`log_odds_of`).
        labels: (n,) 1 for the same person, 0 for two.
        people: Person of the voice and of the face of every trial; without them there is no interval.
        prior: Share of positives that the probabilities were stated for; positives and negatives are weighed
            to it. None: the share found among the trials.
        groups: (n,) group (fold) of each trial: people are sampled within it. Probabilities compare across
            groups, so the figures are of all trials together.
        bins: Bins of equal width of the reliability table and of the ECE.
        resamples: Resamples over people for the 95 % intervals; 0 for none.
        seed: Seed of the resamples.

    Raises:
        InputError: odds or labels missing, not finite, of one class, or contradicting the people.

    >>> print(calibration([2.0, 0.0, 0.0, -2.0], [1, 1, 0, 0], resamples=0).row[1])
    Cllr 0.592 chance 1.000 (n 4)
    """
    trials = CheckedTrials(log_odds, labels, people, groups)
    trials.cut(np.ones(len(trials.scores), dtype=bool), "all")
    share = float(trials.same.mean()) if prior is None else float(prior)
    if not 0.0 < share < 1.0:
        raise InputError("prior", f"is {share}", "give a share between 0 and 1")
    part = SortedTrials.of(trials.scores, trials.same)
    read = _statistic(part.thresholds, share, bins)
    ends, valid = None, 0
    if resamples and trials.voice is not None and trials.face is not None:
        counts = resample_counts(trials.parts(), trials.people, resamples, seed)
        samples = resample_trials([part], [(trials.voice, trials.face)], counts, read)
        ends, valid = interval(samples), int((~np.isnan(samples[:, 0])).sum())
    columns = [
        Column(one.name, one.chance_of(), one.convention.format(bins=bins, prior=share))
        for one in figures("probabilities")
    ]
    facts = {"n": len(trials.scores), "people": trials.people, "resamples": valid}
    table = _table(trials.scores, trials.same, share, bins)
    facts = {"n": len(trials.scores), "people": trials.people, "resamples": valid}
    return Calibration(
        row=estimate_row(columns, read(*part.cumulate()), ends, **facts),
        edges=tuple(table.edges.tolist()),
        stated=tuple(table.stated.tolist()),
        found=tuple(table.found.tolist()),
        weight=tuple(table.weight.tolist()),
        prior=share,
    )


def _statistic(odds: Floats, prior: float, bins: int) -> Statistic:
    """The figures (k,) of cumulated weights over falling log odds: one pass a resample."""
    prepared = [one.function(odds, prior, bins) for one in figures("probabilities")]

    def read(false: Floats, true: Floats) -> Floats:
        if not false[-1] * true[-1] > 0:
            return np.full(len(prepared), np.nan)
        same, other = np.diff(true) / true[-1], np.diff(false) / false[-1]
        return np.array([function(same, other) for function in prepared])

    return read


def _table(odds: Floats, same: NDArray[np.bool_], prior: float, bins: int) -> Reliability:
    weights = np.where(same, prior / max(1, same.sum()), (1.0 - prior) / max(1, (~same).sum()))
    return reliability(probabilities_of(odds), same, weights, bins=bins)


PROTOCOL = calibration
