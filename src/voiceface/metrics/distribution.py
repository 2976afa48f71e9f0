"""Two sets of rows compared as face sets: Fréchet and kernel distance, coverage, spread, Inception Score.

They say nothing of a face by itself, and what they mean hangs on the features: name these beside the figure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.figure import Figure

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_ENTRIES = 8_000_000
"""Distances held at a time: 64 MB."""


def frechet_distance(rows: ArrayLike, other_embeddings: ArrayLike) -> float:
    """Squared Fréchet distance of the Gaussians fitted to two sets of rows (Heusel et al. 2017, eq. 6).

    Covariances divide by n - 1. It is biased upwards, the more the fewer rows there are: two halves of one
    set are never at 0, so print such a pair beside it and compare only figures of equal numbers of rows.

    Args:
        rows: (n, d) features, n at least 2.
        other_embeddings: (m, d) features.

    Raises:
        InputError: tables of another width, with values that are not finite, or of fewer than 2 rows.

    >>> round(frechet_distance([[0.0], [2.0]], [[3.0], [5.0]]), 6)
    9.0
    """
    a, b = _pair(rows, other_embeddings)
    gap = a.mean(axis=0) - b.mean(axis=0)
    # Tr sqrt(S1 S2) is the sum of the singular values of C1 C2' where S = C'C: no root of a singular matrix.
    first, second = ((x - x.mean(axis=0)) / np.sqrt(len(x) - 1.0) for x in (a, b))
    common = float(np.linalg.norm(_root(first) @ _root(second).T, ord="nuc"))
    return max(0.0, float(gap @ gap + (first**2).sum() + (second**2).sum() - 2.0 * common))


def kernel_distance(rows: ArrayLike, other_embeddings: ArrayLike) -> float:
    """Squared maximum mean discrepancy under the kernel (x·y/d + 1)³ (Bińkowski et al. 2018): KID.

    The U-statistic over all rows: unbiased at any number of rows (it may come out below 0), which the
    Fréchet distance is not; the one to trust where there are hundreds of faces and not tens of thousands.

    Raises:
        InputError: as `frechet_distance`.
    """
    a, b = _pair(rows, other_embeddings)
    width = a.shape[1]

    def mean(x: Floats, y: Floats, *, same: bool) -> float:
        total = 0.0
        for block in _blocks(len(x), len(y)):
            kernel = (x[block] @ y.T / width + 1.0) ** 3
            total += float(kernel.sum())
        if not same:
            return total / (len(x) * len(y))
        own = float((((x * x).sum(axis=1) / width + 1.0) ** 3).sum())
        return (total - own) / (len(x) * (len(x) - 1.0))

    return mean(a, a, same=True) + mean(b, b, same=True) - 2.0 * mean(a, b, same=False)


def spread(rows: ArrayLike) -> float:
    """Mean Euclidean distance of two different rows: 0 where all are one (a collapsed generator).

    Raises:
        InputError: no table of finite numbers of 2 or more rows.

    >>> spread([[0.0, 0.0], [3.0, 4.0]])
    5.0
    """
    a = as_finite_matrix(rows, "rows", least=2)
    total = sum(float(np.sqrt(squared_distances(a[block], a)).sum()) for block in _blocks(len(a), len(a)))
    return total / (len(a) * (len(a) - 1.0))


def inception_score(posteriors: ArrayLike, *, splits: int = 10, seed: int = 0) -> tuple[float, float]:
    """Inception Score of a classifier's posteriors, mean and deviation over splits (Salimans et al. 2016).

    exp of the mean divergence of a picture's posterior from its split's mean posterior: from 1 (all alike,
    or nothing recognised) to the number of classes. Any classifier serves; name it beside the figure. Rows
    are shuffled first (generated pictures often lie sorted by class); the deviation divides by ``splits``.

    Args:
        posteriors: (n, classes) probabilities, rows adding up to 1.
        splits: Parts; each needs a picture. Few pictures a part make the score lower: state n and splits.
        seed: Of the shuffling.

    Raises:
        InputError: rows are no probabilities, or fewer of them than splits.
    """
    p = as_finite_matrix(posteriors, "posteriors")
    if (p < 0).any() or not np.allclose(p.sum(axis=1), 1.0, atol=1e-3):
        raise InputError("posteriors", "do not add up to 1 in every row", "give probabilities (softmax)")
    if not 1 <= splits <= len(p):
        raise InputError("splits", f"are {splits} of {len(p)} rows", "give from 1 to the number of rows")
    p = p[np.random.default_rng(seed).permutation(len(p))]
    scores = []
    for part in np.array_split(p, splits):
        mean = part.mean(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(part > 0, part * (np.log(part) - np.log(mean)), 0.0)
        scores.append(np.exp(terms.sum(axis=1).mean()))
    return float(np.mean(scores)), float(np.std(scores))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prdc:
    """How well generated rows cover the real ones, and the other way round."""

    precision: float
    """Share of generated rows within some real row's k-th neighbour (Kynkäänniemi et al. 2019, eq. 1)."""
    recall: float
    """Share of real rows within some generated row's k-th neighbour."""
    density: float
    """Real neighbourhoods that hold a generated row, over k (Naeem et al. 2020, eq. 3): 1 if alike."""
    coverage: float
    """Share of real rows with a generated row within their k-th neighbour (eq. 4)."""


def prdc(generated: ArrayLike, real: ArrayLike, *, k: int = 5) -> Prdc:
    """Precision, recall, density and coverage by k nearest neighbours.

    Args:
        generated: (n, d) features of generated faces.
        real: (m, d) features of real ones; precision and recall mean most where m = n.
        k: Neighbours, a row itself not among them.

    Raises:
        InputError: as `frechet_distance`, or no more than ``k`` rows.
    """
    a, b = _pair(generated, real)
    if not 1 <= k < min(len(a), len(b)):
        raise InputError("k", f"is {k} for {len(a)} and {len(b)} rows", "give fewer neighbours or more rows")
    radius_a, radius_b = _radius(a, k), _radius(b, k)
    inside, touched, covered = 0.0, np.zeros(len(a), bool), np.zeros(len(b), bool)
    recalled = np.zeros(len(b), bool)
    for block in _blocks(len(a), len(b)):
        apart = squared_distances(a[block], b)
        within = apart <= radius_b
        inside += float(within.sum())
        touched[block] = within.any(axis=1)
        covered |= within.any(axis=0)
        recalled |= (apart <= radius_a[block, None]).any(axis=0)
    return Prdc(
        precision=float(touched.mean()),
        recall=float(recalled.mean()),
        density=inside / (k * len(a)),
        coverage=float(covered.mean()),
    )


def nearest(
    rows: ArrayLike, others: ArrayLike, *, owners: NDArray[np.generic] | None = None
) -> tuple[Ints, Floats, Floats]:
    """The nearest of ``others`` to every row: its place, its Euclidean distance, and the next one's.

    Args:
        rows: (n, d).
        others: (m, d).
        owners: (m,) whose each of the others is: the next one is then the nearest of somebody else.

    Returns:
        Places (n,), distances (n,), and distances to the next (n,), infinite where there is none.

    Raises:
        InputError: tables of another width or with values that are not finite.
    """
    a, b = as_finite_matrix(rows, "rows"), as_finite_matrix(others, "other rows")
    _same_width(a, b)
    names = np.arange(len(b)) if owners is None else np.unique(owners, return_inverse=True)[1].reshape(-1)
    place = np.empty(len(a), dtype=np.intp)
    distance, beyond = np.empty(len(a)), np.full(len(a), np.inf)
    for block in _blocks(len(a), len(b)):
        apart = squared_distances(a[block], b)
        first = apart.argmin(axis=1)
        place[block] = first
        # Exactly: the quick form loses the last digits where two rows nearly coincide.
        distance[block] = np.linalg.norm(a[block] - b[first], axis=1)
        apart[names[None, :] == names[first][:, None]] = np.inf
        second = apart.argmin(axis=1)
        other = np.isfinite(apart[np.arange(len(first)), second])
        beyond[block] = np.where(other, np.linalg.norm(a[block] - b[second], axis=1), np.inf)
    return place, distance, beyond


def squared_distances(rows: Floats, others: Floats) -> Floats:
    """Squared Euclidean distances (n, m), never below 0, exactly 0 for equal rows that are one array."""
    apart = (rows**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2.0 * (rows @ others.T)
    scale = max(float((rows**2).sum(axis=1).max(initial=0)), float((others**2).sum(axis=1).max(initial=0)))
    # Below the rounding of the three terms nothing is known: such rows are taken as equal.
    floor = 64.0 * np.finfo(np.float64).eps * scale
    return np.asarray(np.where(apart > floor, apart, 0.0))


def as_finite_matrix(rows: ArrayLike, what: str, *, least: int = 1) -> Floats:
    """A table (n, d) of finite float64.

    Raises:
        InputError: it is none, or has fewer than ``least`` rows.
    """
    try:
        values = np.asarray(rows, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(what, "are no table of numbers of one width", "give (items, width)") from None
    if values.ndim != 2 or not values.size or len(values) < least:
        raise InputError(
            what, f"have the shape {values.shape}", f"give (items, width), {least} or more items"
        )
    bad = int((~np.isfinite(values).all(axis=1)).sum())
    if bad:
        raise InputError(what, f"{bad:,} of {len(values):,} rows hold NaN or infinity", "compute them again")
    return values


def _pair(rows: ArrayLike, other_embeddings: ArrayLike) -> tuple[Floats, Floats]:
    a, b = as_finite_matrix(rows, "rows", least=2), as_finite_matrix(other_embeddings, "other rows", least=2)
    _same_width(a, b)
    return a, b


def _same_width(a: Floats, b: Floats) -> None:
    if a.shape[1] != b.shape[1]:
        fault = f"are {a.shape[1]} and {b.shape[1]} wide"
        raise InputError("rows", fault, "describe both sides with one model")


def _root(centred: Floats) -> Floats:
    """A matrix with the same Gram matrix over columns and at most as many rows as columns."""
    return centred if len(centred) <= centred.shape[1] else np.asarray(np.linalg.qr(centred, mode="r"))


def _radius(rows: Floats, k: int) -> Floats:
    """Squared distance of every row to its ``k``-th neighbour, itself left out."""
    found = []
    for block in _blocks(len(rows), len(rows)):
        apart = squared_distances(rows[block], rows)
        apart[np.arange(len(apart)), np.arange(block.start, block.stop)] = np.inf
        found.append(np.partition(apart, k - 1, axis=1)[:, k - 1])
    return np.concatenate(found)


def _blocks(count: int, width: int) -> Iterator[slice]:
    size = max(1, _ENTRIES // max(1, width))
    for start in range(0, count, size):
        yield slice(start, min(count, start + size))


_JACKKNIFE = "jackknife over 20 groups of people"
FRECHET = Figure(
    name="Fréchet ({features})",
    of="face sets",
    function=lambda a, b, unit: frechet_distance(a, b),
    convention=_JACKKNIFE,
    order=1,
)
KERNEL_DISTANCE = Figure(
    # The kernel was made for numbers of deviation 1; on far smaller ones it compares means alone.
    name="kernel distance ({features})",
    of="face sets",
    function=lambda a, b, unit: kernel_distance(a * unit, b * unit),
    convention=_JACKKNIFE,
    order=2,
)
SPREAD_RATIO = Figure(
    name="spread ratio",
    of="face sets",
    function=lambda a, b, unit: spread(a) / max(spread(b), 1e-300),
    convention=_JACKKNIFE,
    order=3,
)


def _prdc_figure(name: str, order: int) -> Figure:
    return Figure(
        name=name,
        of="face sets",
        function=lambda a, b, unit: float(getattr(prdc(a, b), name)),
        convention=_JACKKNIFE,
        proportion=True,
        order=order,
    )


PRECISION, RECALL, COVERAGE = (
    _prdc_figure(name, order) for order, name in enumerate(("precision", "recall", "coverage"), start=4)
)
