"""A mean over items with its interval over the people they belong to."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.metrics.bootstrap import interval, resample_counts
from voiceface.metrics.roc import Floats
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.input_checks import as_names

Counts = NDArray[np.uint16]
_LEVEL = 0.95


class People:
    """Whose every item is, and how often each of them is sampled in each resample.

    Args:
        people: (n,) the person of every item.
        resamples: Resamples over people; 0 for none.
        seed: Of the resamples; equal people and seeds give equal samples, so two models' figures are paired.

    Raises:
        InputError: a blank among them.
    """

    def __init__(self, people: ArrayLike, *, resamples: int, seed: int) -> None:
        given = np.asarray(people)
        self.names, self.index = np.unique(as_names(given, len(given), "people"), return_inverse=True)
        self.index = self.index.reshape(-1)
        everybody = np.arange(len(self.names))
        # One person alone says nothing of another sample of people.
        resample = resamples and len(everybody) > 1
        self.counts: Counts | None = (
            resample_counts([everybody], len(everybody), resamples, seed) if resample else None
        )

    def __len__(self) -> int:
        """How many people there are."""
        return len(self.names)

    def sums(self, values: ArrayLike, kept: NDArray[np.bool_] | None = None) -> Floats:
        """Sum of the values of each person's items (those ``kept``), (people,)."""
        given = np.asarray(values, dtype=np.float64)
        if kept is not None:
            given = np.where(kept, given, 0.0)
        return np.asarray(np.bincount(self.index, given, len(self.names)), dtype=np.float64)

    def mean(self, values: ArrayLike, kept: NDArray[np.bool_] | None = None) -> tuple[float, Floats | None]:
        """The mean over items, and the same under every resample of people (NaN where none is left)."""
        top = self.sums(values, kept)
        below = self.sums(np.ones(len(self.index)), kept)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(np.divide(top.sum(), below.sum()))
            if self.counts is None:
                return value, None
            counts = self.counts.astype(np.float64)
            return value, np.asarray((counts @ top) / (counts @ below))


def mean_of_items(
    name: str,
    values: ArrayLike,
    people: People,
    *,
    kept: NDArray[np.bool_] | None = None,
    chance: float = float("nan"),
    convention: str = "",
    share: bool = False,
) -> Estimate:
    """The mean over items with a percentile interval over people.

    Args:
        name: Of the figure.
        values: (n,) a value an item.
        people: Whose they are.
        kept: (n,) the items that enter; None for all.
        chance: What knowing nothing gives.
        convention: How it is counted.
        share: The values are yes or no: where all are alike, resampling cannot tell how rare the other is,
            and the interval is the exact binomial one (Clopper & Pearson 1934) of that many people.
    """
    value, samples = people.mean(values, kept)
    mine = people.index if kept is None else people.index[kept]
    count = len(np.unique(mine))
    low, high = ends(value, samples, count if share else 0)
    return Estimate(
        name=name,
        value=value,
        low=low,
        high=high,
        chance=chance,
        convention=convention,
        n=len(mine),
        people=count,
        resamples=0 if samples is None else len(samples),
    )


def ends(value: float, samples: Floats | None, people: int = 0) -> tuple[float, float]:
    """Ends of the percentile interval; of a share of ``people`` that is 0 or 1, the exact binomial one."""
    if samples is None:
        return float("nan"), float("nan")
    low, high = (float(end[0]) for end in interval(samples[:, None], _LEVEL))
    if people and value in (0.0, 1.0):
        reach = 1.0 - ((1.0 - _LEVEL) / 2.0) ** (1.0 / people)
        return (0.0, reach) if value == 0.0 else (1.0 - reach, 1.0)
    return low, high


def auc_of_groups(
    name: str, upper: ArrayLike, lower: ArrayLike, people: tuple[People, People], *, convention: str = ""
) -> Estimate:
    """How often a value of the one group is above one of the other, ties counting half; chance 0.5.

    The interval is over people of both groups, resampled separately, to first order in their weights (Hájek).

    Args:
        name: Of the figure.
        upper: (n,) values.
        lower: (m,) values.
        people: Whose the values of each are.
        convention: How it is counted.
    """
    a, b = np.asarray(upper, dtype=np.float64), np.asarray(lower, dtype=np.float64)
    above = _placed(a, b)  # share of the lower group below each upper value
    beaten = 1.0 - _placed(b, a)
    value = float(above.mean())
    samples = None
    if people[0].counts is not None and people[1].counts is not None:
        samples = np.full(len(people[0].counts), value)
        for side, places in ((people[0], above), (people[1], beaten)):
            assert side.counts is not None
            influence = side.sums(places - value) / len(places)
            samples = samples + (side.counts.astype(np.float64) - 1.0) @ influence
        samples = np.clip(samples, 0.0, 1.0)
    low, high = ends(value, samples)
    return Estimate(
        name=name,
        value=value,
        low=low,
        high=high,
        chance=0.5,
        convention=convention,
        n=len(a) + len(b),
        people=len(people[0]),
        resamples=0 if samples is None else len(samples),
    )


def _placed(values: Floats, others: Floats) -> Floats:
    """Share of ``others`` below each value, ties half."""
    order = np.sort(others)
    left, right = (np.searchsorted(order, values, side=side) for side in ("left", "right"))
    return np.asarray((left + right) / (2.0 * len(others)))
