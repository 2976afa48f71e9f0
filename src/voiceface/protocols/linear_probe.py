"""What can be read from rows by a linear probe, fitted on some items and judged on others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.roc import Floats
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.people_bootstrap import People, mean_of_items

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Of rows of mean 0 and deviation 1, a sum over items; the best on validation items is taken."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Probe:
    """Ridge regression on every class' 0 and 1; the largest answer is the class."""

    mean: Floats
    deviation: Floats
    weights: Floats
    """(d, classes)."""
    offset: Floats
    classes: NDArray[np.str_]

    def __call__(self, rows: ArrayLike) -> NDArray[np.str_]:
        """The class of every row (n, d)."""
        answers = (np.asarray(rows, dtype=np.float64) - self.mean) / self.deviation @ self.weights
        return np.asarray(self.classes[(answers + self.offset).argmax(1)])

    @classmethod
    def fit(
        cls, rows: ArrayLike, labels: ArrayLike, *, check: tuple[ArrayLike, ArrayLike] | None = None
    ) -> Probe:
        """Fit on rows (n, d) of labels (n,); the penalty is chosen on the rows and labels of ``check``.

        Raises:
            InputError: fewer than two classes.
        """
        given, named = np.asarray(rows, dtype=np.float64), np.asarray(labels).astype(str)
        classes = np.unique(named)
        if len(classes) < 2:
            raise InputError("the probe", f"has {len(classes)} classes to tell apart", "give it two or more")
        mean, deviation = given.mean(0), given.std(0)
        deviation = np.where(deviation > 1e-9, deviation, 1.0)
        placed = (given - mean) / deviation
        wanted = (named[:, None] == classes).astype(np.float64)
        offset = wanted.mean(0)
        values, axes = np.linalg.eigh(placed.T @ placed)
        answers = axes.T @ placed.T @ (wanted - offset)
        found: list[tuple[float, Probe]] = []
        for penalty in PENALTIES:
            weights = axes @ (answers / (np.maximum(values, 0.0) + penalty)[:, None])
            probe = cls(mean=mean, deviation=deviation, weights=weights, offset=offset, classes=classes)
            right = 0.0
            if check is not None and len(np.asarray(check[1])):
                right = float((probe(check[0]) == np.asarray(check[1]).astype(str)).mean())
            found.append((right, probe))
        # Of equally good ones the most cautious.
        return max(reversed(found), key=lambda one: one[0])[1]


def probed(
    name: str,
    probe: Probe,
    rows: ArrayLike,
    labels: ArrayLike,
    people: ArrayLike,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """How often the probe is right, with an interval over people.

    Chance is what a guesser reaches whose answers are as frequent but know nothing of the item: where one
    class is common, answering it is no merit.

    Args:
        name: of the figure.
        probe: fitted on other items.
        rows: (n, d).
        labels: (n,) the truth.
        people: (n,) whose items they are.
        resamples: over people.
        seed: of the resamples.
    """
    predicted, truth = probe(rows), np.asarray(labels).astype(str)
    every = np.unique(np.concatenate([predicted, truth]))
    shares = [(one[:, None] == every).mean(0) for one in (predicted, truth)]
    whose = People(people, resamples=resamples, seed=seed)
    return mean_of_items(name, predicted == truth, whose, chance=float(shares[0] @ shares[1]), share=True)
