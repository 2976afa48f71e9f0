"""Fréchet Video Distance of two sets of clips, from the features of a network of actions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.distribution import as_finite_matrix, frechet_distance
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.input_checks import as_names

_GROUPS = 10
_STUDENT_T = 2.262
"""97.5 % of Student's t of 9 degrees."""
CONVENTION = "I3D's logits of 16 frames at 25 a second; biased upwards by few windows; lower is better"


def frechet_video_distance(
    generated: ArrayLike, real: ArrayLike, *, people: ArrayLike, still: ArrayLike | None = None, seed: int = 0
) -> list[Estimate]:
    """FVD of generated clips, and that of two halves of the real ones beside it.

    Source: Unterthiner et al. 2018. Row i of all tables is of the same moment of the same person. The
    second figure is what real clips of other people reach with half as many windows, so it is biased more.

    Args:
        generated: (n, d) features of windows of generated clips.
        real: (n, d) of the real ones.
        people: (n,) whose they are; of 20 or more there is an interval (jackknife, 10 groups of people).
        still: (n, d) of the real windows' first pictures standing still, whose distance is the chance.
        seed: of the groups and the halves.

    Raises:
        InputError: tables of different shapes, with values that are not finite, or of fewer than 2 rows.
    """
    ours, theirs = as_finite_matrix(generated, "generated clips"), as_finite_matrix(real, "real clips")
    held = None if still is None else as_finite_matrix(still, "still clips")
    if any(rows.shape != ours.shape for rows in (theirs, ours if held is None else held)):
        raise InputError("clips", f"have features {ours.shape} and {theirs.shape}", "give equal shapes")
    names, place = np.unique(as_names(people, len(ours), "people").astype(str), return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    value = frechet_distance(ours, theirs)
    low, high = _jackknife(
        ours, theirs, (order % _GROUPS)[place], many=len(names) >= 2 * _GROUPS, value=value
    )
    found = [
        Estimate(
            name="FVD",
            value=value,
            low=low,
            high=high,
            chance=float("nan") if held is None else frechet_distance(held, theirs),
            convention=CONVENTION,
            n=len(ours),
            people=len(names),
            resamples=_GROUPS if len(names) >= 2 * _GROUPS else 0,
        )
    ]
    half = (order % 2 == 0)[place]
    if min(half.sum(), (~half).sum()) >= 2:
        apart = frechet_distance(theirs[half], theirs[~half])
        found.append(
            Estimate(
                name="FVD of real halves", value=apart, convention=CONVENTION, n=len(ours), people=len(names)
            )
        )
    return found


def _jackknife(
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
    group: NDArray[np.intp],
    *,
    many: bool,
    value: float,
) -> tuple[float, float]:
    """Interval over groups of people; NaN where there are too few."""
    if not many:
        return float("nan"), float("nan")
    parts = [frechet_distance(ours[group != g], theirs[group != g]) for g in range(_GROUPS)]
    reach = _STUDENT_T * float(np.sqrt((_GROUPS - 1) * np.var(parts)))
    return max(0.0, value - reach), value + reach
