"""Closed-set identification: is the right one among the first k of all known people? (Wen et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.distribution import as_finite_matrix, squared_distances
from voiceface.metrics.roc import Floats
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.input_checks import as_names, few, unit_embeddings
from voiceface.protocols.people_bootstrap import People, mean_of_items
from voiceface.protocols.report import Report
from voiceface.protocols.threshold_search import as_found_mask

Ints = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class IdentificationReport(Report):
    """What `identify` found: top-k and mean rank, among all people and within strata."""

    gallery: dict[str, int]
    """Largest number of people to choose from in each row."""

    def row_title(self, row: str) -> str:
        """With the number of people to choose from."""
        return f"{row} ({self.gallery[row]:,} people)"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = super().to_dict()
        return {"rows": plain.pop("rows"), "gallery": dict(self.gallery), **plain}


def identify(
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    people: ArrayLike,
    ks: Sequence[int] = (1, 5),
    found: ArrayLike | None = None,
    strata: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> IdentificationReport:
    """How often the right person is among the first k; equal scores stand in random order (ties share).

    Args:
        scores: (items, people) scores, logits or posteriors, higher meaning more likely that person.
        labels: (items,) who each item is of.
        people: (people,) the person of every column.
        ks: The k of top-k.
        found: (items,) whether there was a face to identify; an item without one is a miss in every figure
            and stands at the last rank.
        strata: For each name an attribute of every item and of every column: only people sharing the item's
            are to choose from. Blank means unknown; such items are left out and counted.
        resamples: Over people; 0 for none.
        seed: Of the resamples.

    Raises:
        InputError: shapes do not fit, a score is not finite, columns of one name, an item of no column.

    >>> report = identify([[0.9, 0.1], [0.4, 0.4]], ["a", "b"], people=["a", "b"], ks=(1,), resamples=0)
    >>> print(report.figure("top-1"))
    top-1 0.750 chance 0.500 (n 2, people 2)
    """
    values, own, names = _checked(scores, labels, people)
    wanted = tuple(int(k) for k in ks)
    if not wanted or min(wanted) < 1:
        raise InputError("ks", f"is {list(ks)}", "give ranks from 1")
    seen = as_found_mask(found, len(values))
    _check_finite(values, seen)
    whose = People(names[own], resamples=resamples, seed=seed)
    rows: dict[str, list[Estimate]] = {}
    gallery: dict[str, int] = {}
    excluded: dict[str, int] = {}
    for stratum, attribute in {"all": None, **(strata or {})}.items():
        allowed = np.ones(values.shape, dtype=bool)
        kept = np.ones(len(values), dtype=bool)
        if attribute is not None:
            left = as_attribute(attribute[0], len(values), f"{stratum} of the items")
            right = as_attribute(attribute[1], values.shape[1], f"{stratum} of the people")
            allowed = left[:, None] == right
            allowed[np.arange(len(own)), own] = True
            kept = (left != "") & (allowed.sum(axis=1) > 1)
            if not kept.all():
                excluded[f"{stratum}: attribute unknown or nobody else to choose"] = int((~kept).sum())
            if not kept.any():
                continue
        rows[stratum] = _row(values, own, allowed, seen, kept, wanted, whose)
        gallery[stratum] = int(allowed[kept].sum(axis=1).max())
    notes = () if seen.all() else (f"not found, counted as misses: {int((~seen).sum()):,} of {len(seen):,}",)
    return IdentificationReport(rows=rows, gallery=gallery, excluded=excluded, notes=notes)


def _check_finite(values: Floats, seen: NDArray[np.bool_]) -> None:
    bad = np.flatnonzero(seen & ~np.isfinite(values).all(axis=1))
    if len(bad):
        raise InputError("scores", f"rows {few(bad)} hold NaN or infinity", "score every item")


def _row(
    values: Floats,
    own: Ints,
    allowed: NDArray[np.bool_],
    seen: NDArray[np.bool_],
    kept: NDArray[np.bool_],
    ks: tuple[int, ...],
    whose: People,
) -> list[Estimate]:
    right = np.where(seen, values[np.arange(len(own)), own], 0.0)[:, None]
    above = ((values > right) & allowed).sum(axis=1)
    tied = ((values == right) & allowed).sum(axis=1)
    size = allowed.sum(axis=1)
    tied = np.where(seen, tied, 1)
    convention = "ties share; not found counts as a miss"
    found = []
    for k in ks:
        share = np.where(seen, np.clip((k - above) / tied, 0.0, 1.0), 0.0)
        chance = float(np.minimum(k / size, 1.0)[kept].mean())
        found.append(
            mean_of_items(
                f"top-{k}", share, whose, kept=kept, chance=chance, convention=convention, share=True
            )
        )
    rank = np.where(seen, above + (tied + 1.0) / 2.0, size)
    chance = float(((size + 1.0) / 2.0)[kept].mean())
    found.append(mean_of_items("mean rank", rank, whose, kept=kept, chance=chance, convention="from 1"))
    return found


def score_people(
    rows: ArrayLike,
    real: ArrayLike,
    owners: ArrayLike,
    *,
    by: str = "centroid",
    found: ArrayLike | None = None,
) -> tuple[Floats, NDArray[np.generic]]:
    """Scores of every row against every person, from real faces' rows alone.

    Args:
        rows: (items, d) embeddings of the faces to identify.
        real: (faces, d) embeddings of real faces.
        owners: (faces,) their people.
        by: ``"centroid"``: minus the L2 distance to the mean of a person's rows; ``"nearest"``: to the
            nearest of them; ``"cosine"``: cosine with the mean, both less the mean over people.
        found: (items,) rows of items not found are not looked at (their scores are 0).

    Returns:
        (items, people) scores, and the people of the columns, sorted.

    Raises:
        InputError: widths differ, a value is not finite, an owner is blank, or an unknown ``by``.
    """
    given = np.asarray(rows, dtype=np.float64)
    seen = as_found_mask(found, len(given))
    theirs = as_finite_matrix(real, "real faces")
    if given.ndim != 2 or given.shape[1] != theirs.shape[1]:
        fault = f"are of shape {given.shape} and {theirs.shape}"
        raise InputError("generated and real rows", fault, "describe both with one model")
    names, index = np.unique(as_names(owners, len(theirs), "people of the real faces"), return_inverse=True)
    scores = np.zeros((len(given), len(names)))
    if not seen.any():
        return scores, names
    mine = as_finite_matrix(given[seen], "generated faces")
    sums = np.zeros((len(names), theirs.shape[1]))
    np.add.at(sums, index.reshape(-1), theirs)
    centroids = sums / np.bincount(index.reshape(-1), minlength=len(names))[:, None]
    if by == "centroid":
        scores[seen] = -np.sqrt(squared_distances(mine, centroids))
    elif by == "nearest":
        order = np.argsort(index.reshape(-1), kind="stable")
        starts = np.searchsorted(index.reshape(-1)[order], np.arange(len(names)))
        apart = np.sqrt(squared_distances(mine, theirs[order]))
        scores[seen] = -np.minimum.reduceat(apart, starts, axis=1)
    elif by == "cosine":
        middle = centroids.mean(axis=0)
        dots = (
            unit_embeddings(mine - middle, "generated faces")
            @ unit_embeddings(centroids - middle, "real faces").T
        )
        scores[seen] = dots.astype(np.float64)
    else:
        raise InputError(f"by={by!r}", "is unknown", "choose 'centroid', 'nearest' or 'cosine'")
    return scores, names


def as_attribute(values: ArrayLike, count: int, what: str) -> NDArray[np.str_]:
    """An attribute of each of ``count`` things as text; blank or None: not known.

    Raises:
        InputError: another length.
    """
    given = np.asarray(values)
    if given.shape != (count,):
        raise InputError(what, f"have the shape {given.shape}, not ({count},)", "give one for each")
    if given.dtype == object:
        given = np.array(["" if v is None or v != v else str(v) for v in given.tolist()], dtype=str)
    return given.astype(str)


def _checked(
    scores: ArrayLike, labels: ArrayLike, people: ArrayLike
) -> tuple[Floats, Ints, NDArray[np.str_]]:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise InputError("scores", f"have the shape {values.shape}", "give (items, people)")
    names = as_names(people, values.shape[1], "people of the columns").astype(str)
    wanted = as_names(labels, len(values), "people of the items").astype(str)
    order = np.argsort(names, kind="stable")
    twice = np.unique(names[order][1:][names[order][1:] == names[order][:-1]])
    if len(twice):
        raise InputError("people of the columns", f"{few(twice)} stand there twice", "give one column each")
    place = np.clip(np.searchsorted(names[order], wanted), 0, len(names) - 1)
    own = order[place]
    lost = np.unique(wanted[names[own] != wanted])
    if len(lost):
        fault = f"{few(lost)} people of the items have no column"
        raise InputError("scores", fault, "leave these items out or score their people")
    return values, own, names


PROTOCOL = identify
