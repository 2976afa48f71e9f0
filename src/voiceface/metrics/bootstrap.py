"""Bootstrap over people: what another sample of people of the same kind would have given.

Trials of one person are not independent: people are resampled, not trials. With ``c`` the number of times a
person was sampled, a positive pair weighs the count of its one person and a negative the product of its two
people's counts. (Squared counts for the positives treat every copy of a person as paired with every other
and give intervals that are too wide: 99.3 % coverage for a nominal 95 in simulation, against 95.3 %.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from voiceface.metrics.roc import Floats, SortedTrials

Ints = NDArray[np.intp]
Statistic = Callable[[Floats, Floats], Floats]
"""From cumulated weights of accepted negatives and positives to the figures wanted, (k,)."""


def resample_counts(parts: Sequence[Ints], people: int, resamples: int, seed: int) -> NDArray[np.uint16]:
    """How often each person is sampled in each resample, (resamples, people).

    Args:
        parts: Disjoint sets of people; each is sampled from within itself, so that its size stays the same.
        people: How many people there are in all; one that is in no part counts 0.
        resamples: Number of resamples.
        seed: Seed; equal seeds give equal counts, which makes comparisons of two models paired.
    """
    rng = np.random.default_rng(seed)
    counts = np.zeros((resamples, people), dtype=np.uint16)
    for row in counts:
        for part in parts:
            row[part] = np.bincount(rng.integers(0, len(part), len(part)), minlength=len(part))
    return counts


def resample_trials(
    trials: Sequence[SortedTrials],
    people: Sequence[tuple[Ints, Ints]],
    counts: NDArray[np.uint16],
    statistic: Statistic,
) -> Floats:
    """The statistic under every resample, averaged over groups of trials, (resamples, k).

    Args:
        trials: The sorted trials of each group (one group: a list of one).
        people: For each group the index of the voice's and of the face's person of every trial, list order.
        counts: (resamples, people) from `resample_counts`.
        statistic: What to read off the cumulated weights; NaN where a class has no weight left.

    Returns:
        (resamples, k); a group left without one class in a resample does not enter that resample's mean,
        and a resample in which no group is left is NaN.
    """
    nobody = counts.shape[1]  # a person who is always sampled once: the "second person" of a positive
    sorted_people = []
    for part, (voice, face) in zip(trials, people, strict=True):
        second = np.where(part.same > 0, nobody, np.asarray(face)[part.order])
        sorted_people.append((np.asarray(voice)[part.order], second))
    sampled = np.ones(nobody + 1)
    rows = []
    for row in counts:
        sampled[:nobody] = row
        rows.append(
            [
                statistic(*part.cumulate(sampled[first] * sampled[second]))
                for part, (first, second) in zip(trials, sorted_people, strict=True)
            ]
        )
    return _mean_of_finite(np.asarray(rows, dtype=np.float64))


def _mean_of_finite(values: Floats) -> Floats:
    """Mean over axis 1 of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: Floats = np.where(known, values, 0.0).sum(axis=1) / known.sum(axis=1)
    return mean


def linear_resamples(value: Floats, influence: Floats, counts: NDArray[np.uint16]) -> Floats:
    """Resampled values of a statistic through its first-order dependence on each person's weight.

    For averages over galleries of N people the full resample would repeat the whole average; the first
    order term is what decides the interval's width once there are some tens of people (Hájek projection).

    Args:
        value: (k,) the statistic with every person weighing 1.
        influence: (people, k) its derivative by each person's weight.
        counts: (resamples, people) from `resample_counts`.

    Returns:
        (resamples, k)
    """
    moved: Floats = value + (counts.astype(np.float64) - 1.0) @ influence
    return moved


def interval(samples: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """Percentile interval over axis 0 of ``samples`` (resamples, k), NaN resamples left out."""
    tail = (1.0 - level) / 2.0
    low, high = np.full((2, *samples.shape[1:]), np.nan)
    # A figure that no resample has (a gallery larger than the stratum) has no interval.
    known = ~np.isnan(samples).all(axis=0)
    if known.any():
        low[known], high[known] = _quantiles(samples[:, known], [tail, 1.0 - tail])
    return low, high


def _quantiles(samples: Floats, shares: Sequence[float]) -> Floats:
    """``np.nanquantile`` over axis 0, (shares, k), also between infinities, as the PSNR of equal pictures.

    Numpy interpolates by the difference of the two neighbours, which is NaN for equal infinities.
    """
    with np.errstate(invalid="ignore"):
        found: Floats = np.nanquantile(samples, shares, axis=0)
    if np.isinf(samples).any():
        below = np.nanquantile(samples, shares, axis=0, method="lower")
        above = np.nanquantile(samples, shares, axis=0, method="higher")
        found = np.where(below == above, below, found)
    return found


def two_sided_p(differences: Floats) -> float:
    """Two-sided p of "no difference" from resampled differences (r,), never below 2 / (r + 1)."""
    known = differences[~np.isnan(differences)]
    beyond = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2.0 * (beyond + 1) / (len(known) + 1))
