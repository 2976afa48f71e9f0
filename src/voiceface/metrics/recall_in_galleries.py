"""How often the right person is among the first K of a gallery of N people: exact over all such galleries."""

from __future__ import annotations

from math import lgamma

import numpy as np
from numpy.typing import ArrayLike

from voiceface.metrics.roc import Floats


def recall_in_galleries(above: ArrayLike, tied: ArrayLike, others: int, *, size: int, k: int) -> Floats:
    """Expected hits (probes,) over every gallery of the right person and ``size - 1`` of the others.

    How many of those above stand in a gallery is hypergeometric; those tied stand in random order.

    Args:
        above: (probes,) other people scored above the right one.
        tied: (probes,) other people scored equal to it.
        others: Other people in all.
        size: People of a gallery, from 1 to ``others + 1``.
        k: The right one must be among the first k.

    >>> recall_in_galleries([0, 1, 2], [0, 0, 0], 2, size=2, k=1).round(9).tolist()
    [1.0, 0.5, 0.0]
    """
    within = np.array([_within(rank, others, size - 1, k) for rank in range(others + 1)])
    sums = np.concatenate([[0.0], np.cumsum(within)])
    first, ties = (np.asarray(values, dtype=np.intp) for values in (above, tied))
    found: Floats = (sums[first + ties + 1] - sums[first]) / (ties + 1)
    return found


def _within(rank: int, others: int, taken: int, k: int) -> float:
    """Probability that fewer than k of the ``rank`` others above are among the ``taken``."""
    least, most = max(0, taken - (others - rank)), min(rank, taken, k - 1)
    logs = [
        _log_choose(rank, i) + _log_choose(others - rank, taken - i) - _log_choose(others, taken)
        for i in range(least, most + 1)
    ]
    return float(min(1.0, np.exp(logs).sum()))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
