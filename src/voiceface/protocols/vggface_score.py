"""VGGFace score: generated faces' Inception Score by a classifier of VGGFace2's people (Bai et al. 2022)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from voiceface.errors import InputError
from voiceface.metrics.distribution import as_finite_matrix, inception_score
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.input_checks import as_names
from voiceface.protocols.report import Report

_GROUPS = 20
_STUDENT_T = 2.093
"""97.5 % of Student's t of 19 degrees."""


def vggface_score(
    posteriors: ArrayLike, *, people: ArrayLike | None = None, splits: int = 5, seed: int = 0
) -> Report:
    """How surely and how variedly generated faces are recognised, from 1 (nothing recognised, or all alike).

    The published figures are of a ResNet-50 of VGGFace2's 8,631 people and five parts. The score grows with
    the number of pictures and says nothing of whose they are: compare equal numbers, by one classifier.

    Args:
        posteriors: (n, classes) probabilities, rows adding up to 1.
        people: (n,) the speakers; of 40 or more there is an interval (jackknife, 20 groups of people).
        splits: parts whose scores are averaged
        seed: random seed of the parts and groups

    Raises:
        InputError: rows are no probabilities, fewer of them than parts, or another number of people.

    >>> print(vggface_score([[0.5, 0.5]] * 10).figure("VGGFace score"))
    VGGFace score 1.000 chance 1.000 (n 10)
    """
    given = as_finite_matrix(posteriors, "posteriors")
    value, deviation = inception_score(given, splits=splits, seed=seed)
    low = high = float("nan")
    whose = np.zeros(0, str) if people is None else as_names(people, len(given), "people").astype(str)
    names, place = np.unique(whose, return_inverse=True)
    jackknife = len(names) >= 2 * _GROUPS
    if jackknife:
        of_row = (np.random.default_rng(seed).permutation(len(names)) % _GROUPS)[place]
        if len(given) - np.bincount(of_row).max() < splits:
            raise InputError("splits", f"are {splits}, too many for the intervals", "give fewer")
        parts = [inception_score(given[of_row != g], splits=splits, seed=seed)[0] for g in range(_GROUPS)]
        reach = _STUDENT_T * float(np.sqrt((_GROUPS - 1) * np.var(parts)))
        low, high = max(1.0, value - reach), value + reach
    score = Estimate(
        name="VGGFace score",
        value=value,
        low=low,
        high=high,
        chance=1.0,
        convention=f"mean over {splits} parts",
        n=len(given),
        people=len(names),
        resamples=_GROUPS if jackknife else 0,
    )
    spread = Estimate(name="deviation over parts", value=deviation, n=len(given), people=len(names))
    return Report(rows={f"{given.shape[1]:,} classes": [score, spread]})


PROTOCOL = vggface_score
