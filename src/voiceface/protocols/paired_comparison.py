"""Is one model better than another? The same trials, the same resamples of people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from voiceface.errors import InputError
from voiceface.metrics.bootstrap import interval, resample_counts, resample_trials, two_sided_p
from voiceface.metrics.roc import SortedTrials
from voiceface.protocols.checked_trials import CheckedTrials, People
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.input_checks import few
from voiceface.protocols.pair_verification import trial_columns, trial_statistic


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two models on the same trials: first minus second, over the same resamples of people."""

    first: float
    second: float
    difference: Estimate
    p: float
    """Two-sided, of no difference; never below 2 / (resamples + 1)."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = {"first": self.first, "second": self.second, "p": self.p}
        return plain | {"difference": self.difference.to_dict()}

    def __str__(self) -> str:
        """As it is printed."""
        return f"{self.first:.3f} against {self.second:.3f}: {self.difference}, p {self.p:.3g}"


def compare(
    first: ArrayLike,
    second: ArrayLike,
    labels: ArrayLike,
    *,
    people: People,
    groups: ArrayLike | None = None,
    figure: str = "AUC",
    resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Paired bootstrap over people of two models' figure on the same trials.

    Args:
        first: (n,) scores of one model.
        second: (n,) scores of the other on the same trials in the same order.
        labels: (n,) 1 for the same person.
        people: Person of the voice and of the face of every trial.
        groups: (n,) group (fold) of each trial, as in `verification`.
        figure: ``"AUC"``, ``"EER"``, ``"minDCF"`` or any other figure of trials (`metrics.figure`).
        resamples: Resamples of people, the same for both models.
        seed: Seed of the resamples.

    Raises:
        InputError: as `verification`, or the two lists differ in length, or the figure is unknown.
    """
    names = [one.name for one in trial_columns()]
    if figure not in names:
        raise InputError(f"figure {figure!r}", "is unknown", f"choose from {few(names, len(names))}")
    column, statistic = names.index(figure), trial_statistic()
    models = [CheckedTrials(scores, labels, people, groups) for scores in (first, second)]
    counts = resample_counts(models[0].parts(), models[0].people, resamples, seed)
    values, samples = [], []
    for trials in models:
        assert trials.voice is not None and trials.face is not None
        kept, _ = trials.cut(np.ones(len(trials.scores), dtype=bool), "all")
        parts = [SortedTrials.of(trials.scores[places], trials.same[places]) for places in kept]
        sides = [(trials.voice[places], trials.face[places]) for places in kept]
        values.append(float(np.mean([statistic(*part.cumulate())[column] for part in parts])))
        samples.append(resample_trials(parts, sides, counts, statistic)[:, column])
    apart = samples[0] - samples[1]
    low, high = interval(apart[:, None])
    difference = Estimate(
        name=f"difference of {figure}",
        value=values[0] - values[1],
        low=float(low[0]),
        high=float(high[0]),
        chance=0.0,
        convention="paired bootstrap over people",
        n=len(models[0].scores),
        people=models[0].people,
        resamples=int((~np.isnan(apart)).sum()),
    )
    return Comparison(first=values[0], second=values[1], difference=difference, p=two_sided_p(apart))


PROTOCOL = compare
