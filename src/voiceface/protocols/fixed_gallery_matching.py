"""Matching on written lists of galleries, as they are published or sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.bootstrap import interval, linear_resamples, resample_counts
from voiceface.metrics.ranking import FIXED_MATCHING, tie_credit
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.gallery_matching import MatchingReport, gallery_sizes
from voiceface.protocols.input_checks import as_names

Ints = NDArray[np.intp]


def fixed_gallery_matching(
    scores: ArrayLike,
    *,
    people: ArrayLike | None = None,
    n: Sequence[int] | None = None,
    strata: Mapping[str, ArrayLike] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> MatchingReport:
    """Accuracy on a written list of galleries, as published lists hold them.

    Args:
        scores: (trials, N) scores of the probe with each candidate, the right one in column 0; 1:n reads
            the first n columns (nested galleries). Ties earn 1/k, so the fixed place gives nothing away.
        people: (trials, N) person of each candidate, the probe's own in column 0; None: no interval.
        n: Gallery sizes; all from 2 to N where None.
        strata: Masks (trials,).
        resamples: Resamples over people; 0 for none.
        seed: Seed of the resamples.

    Raises:
        InputError: shapes do not fit, a score is not finite, or a wrong candidate is the probe's person.
    """
    table_ = np.asarray(scores)
    if table_.ndim != 2 or table_.shape[1] < 2 or not len(table_) or table_.dtype.kind not in "fiu":
        raise InputError(
            "scores", f"is {table_.dtype} of shape {table_.shape}", "give (trials, N), N at least 2"
        )
    if not np.isfinite(table_).all():
        count = int((~np.isfinite(table_)).any(axis=1).sum())
        raise InputError(
            "scores", f"{count:,} of {len(table_):,} trials hold NaN or infinity", "score them all"
        )
    sizes = gallery_sizes(n if n is not None else range(2, table_.shape[1] + 1))
    if max(sizes) > table_.shape[1]:
        raise InputError(
            f"n = {max(sizes)}", f"the list's galleries hold {table_.shape[1]}", "ask for smaller N"
        )
    index = None
    if people is not None:
        names = as_names(np.asarray(people).ravel(), table_.size, "people of the candidates")
        index = np.unique(names, return_inverse=True)[1].reshape(table_.shape)
        bad = np.flatnonzero((index[:, 1:] == index[:, :1]).any(axis=1))
        if len(bad):
            raise InputError("people", f"{len(bad):,} trials hold the probe's person twice", "check the list")
    rows = {}
    for name, given in {"all": np.ones(len(table_), dtype=bool), **(strata or {})}.items():
        mask = np.asarray(given)
        if mask.shape != (len(table_),) or mask.dtype != bool or not mask.any():
            raise InputError(
                f"stratum {name!r}", "is no mask of the trials with any in it", "give True or False"
            )
        rows[name] = _fixed_gallery_row(
            table_[mask], None if index is None else index[mask], sizes, resamples, seed
        )
    notes = () if people is not None else ("no intervals: the people of the trials were not given",)
    return MatchingReport(rows=rows, notes=notes)


def _fixed_gallery_row(
    scores: NDArray[np.floating], people: Ints | None, sizes: tuple[int, ...], resamples: int, seed: int
) -> list[Estimate]:
    if people is not None:
        members, people = np.unique(people, return_inverse=True)
        people = people.reshape(scores.shape)
        counts = resample_counts([np.arange(len(members))], len(members), resamples, seed)
    out = []
    for size in sizes:
        earned = tie_credit(scores[:, :size])
        value, low, high = earned.mean(keepdims=True), np.array([np.nan]), np.array([np.nan])
        if people is not None and resamples:
            influence = np.zeros((len(members), 1))
            for column in people[:, :size].T:
                np.add.at(influence[:, 0], column, (earned - value[0]) / len(earned))
            low, high = np.clip(interval(linear_resamples(value, influence, counts)), 0.0, 1.0)
        out.append(
            Estimate(
                name=FIXED_MATCHING.named(n=size),
                value=float(value[0]),
                low=float(low[0]),
                high=float(high[0]),
                chance=FIXED_MATCHING.chance_of(n=size),
                convention=FIXED_MATCHING.convention,
                n=len(earned),
                people=0 if people is None else len(members),
                resamples=resamples if people is not None else 0,
            )
        )
    return out


PROTOCOL = fixed_gallery_matching
