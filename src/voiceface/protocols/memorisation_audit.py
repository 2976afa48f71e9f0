"""Memorisation: is a generated face nearer to somebody trained on than a stranger's photograph is?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.metrics.distribution import nearest
from voiceface.metrics.roc import Floats
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.face_set import Faces
from voiceface.protocols.people_bootstrap import People, auc_of_groups, ends, mean_of_items
from voiceface.protocols.report import Report

_MAX_DUPLICATE_SHARE = 0.5
"""Share of held-out faces that may be training faces too (pictures stored twice) and are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One generated face and the training face it is nearest to."""

    generated: str
    nearest: str
    person: str
    """Whose training face that is."""
    distance: float
    rarity: float
    """Share of held-out real faces that lie nearer to their nearest training face than this one."""
    generated_index: int
    train_index: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, kw_only=True)
class MemorisationReport(Report):
    """What `memorisation_audit` found."""

    worst: tuple[Copy, ...] = ()
    """The generated faces that lie nearest to a training face, the nearest first."""
    generated_distances: Floats
    """(found generated faces,) to the nearest training face."""
    real_distances: Floats
    """(held-out real faces,) the same."""

    def __str__(self) -> str:
        """As it is printed."""
        lines = [super().__str__(), "nearest to a training face:"]
        lines += [
            f"  {one.generated} to {one.nearest} of {one.person}: {one.distance:.4f}"
            f" ({one.rarity:.1%} of strangers' photographs lie nearer)"
            for one in self.worst
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return super().to_dict() | {"worst": [one.to_dict() for one in self.worst]}


def memorisation_audit(
    generated: Faces,
    train: Faces,
    held_out: Faces,
    *,
    features: str,
    quantile: float = 0.01,
    worst: int = 10,
    resamples: int = 1000,
    seed: int = 0,
) -> MemorisationReport:
    """Each generated face's nearest training face, against the distances that strangers' photographs have.

    Counts the generated faces nearer than all but ``quantile`` of the held-out real faces; a generator whose
    faces are like photographs of new people has that share, one that copies more. A generated face near the
    average of all faces is near many people without copying one, so the same is told of the ratio of the
    nearest to the nearest of anybody else, which only a copy makes small.

    Args:
        generated: Generated faces; those not found are left out and counted.
        train: Real faces that were trained on.
        held_out: Real faces of people who were not.
        features: Name of what describes them (``"dlib embeddings"``, ``"pixels"``).
        quantile: Of the held-out faces' distances.
        worst: How many of the nearest to name.
        resamples: Over the generated and the held-out people, for the intervals; 0 for none.
        seed: Of the resamples.

    Raises:
        InputError: widths differ, no face is left, most held-out faces are training faces, or ``quantile`` is
            not between 0 and 1.
    """
    if not 0 < quantile < 1:
        raise InputError("quantile", f"is {quantile:g}", "give a share between 0 and 1")
    lost = _count_not_found({"generated": generated, "training": train, "held-out": held_out})
    kept, known, others = (np.flatnonzero(one.found) for one in (generated, train, held_out))
    base, owners = train.rows[known], train.people[known]
    place, distance, beyond = nearest(generated.rows[kept], base, owners=owners)
    _, reference, reference_beyond = nearest(held_out.rows[others], base, owners=owners)
    new = _not_training_faces(reference, lost)
    others, reference, reference_beyond = others[new], reference[new], reference_beyond[new]
    people = (
        People(generated.people[kept], resamples=resamples, seed=seed),
        People(held_out.people[others], resamples=resamples, seed=seed + 1),
    )
    pairs = {"nearest training face": (distance, reference)}
    if len(np.unique(owners)) > 1:
        pairs["nearest over next person"] = _ratio(distance, beyond), _ratio(reference, reference_beyond)
    order = np.argsort(distance, kind="stable")[:worst]
    return MemorisationReport(
        rows={f"{name} ({features})": _row(a, b, people, quantile) for name, (a, b) in pairs.items()},
        excluded=lost,
        notes=_notes(train, held_out, len(base), len(reference), quantile),
        worst=tuple(
            _copy(generated, train, kept[i], known[place[i]], float(distance[i]), reference) for i in order
        ),
        generated_distances=distance,
        real_distances=reference,
    )


def _count_not_found(sides: dict[str, Faces]) -> dict[str, int]:
    for what, one in sides.items():
        if not one.found.any():
            raise InputError(f"{what} faces", "hold none that was found", "give some")
    return {
        f"{what} faces not found": int((~one.found).sum())
        for what, one in sides.items()
        if not one.found.all()
    }


def _not_training_faces(reference: Floats, lost: dict[str, int]) -> NDArray[np.bool_]:
    """Which held-out faces are no training faces themselves; the others are counted."""
    twice = reference == 0
    if twice.mean() > _MAX_DUPLICATE_SHARE:
        fault = f"{int(twice.sum()):,} of {len(reference):,} are training faces"
        raise InputError("held-out faces", fault, "give faces that were not trained on")
    if twice.any():
        lost["held-out faces that are training faces"] = int(twice.sum())
    return np.asarray(~twice)


def _copy(generated: Faces, train: Faces, at: int, near: int, distance: float, reference: Floats) -> Copy:
    return Copy(
        generated=str(generated.names[at]),
        nearest=str(train.names[near]),
        person=str(train.people[near]),
        distance=distance,
        rarity=float((reference < distance).mean()),
        generated_index=int(at),
        train_index=int(near),
    )


def _notes(train: Faces, held_out: Faces, base: int, reference: int, quantile: float) -> tuple[str, ...]:
    notes = [f"{base:,} training faces; reference: {reference:,} held-out real faces"]
    shared = np.intersect1d(train.people, held_out.people)
    if len(shared):
        notes.append(
            f"{len(shared):,} held-out people were trained on: the reference is new pictures of them"
        )
    if reference * quantile < 1:
        notes.append(
            f"too few held-out faces for a quantile of {quantile:g}: their smallest distance stands in"
        )
    return tuple(notes)


def _ratio(near: Floats, far: Floats) -> Floats:
    """``near`` over ``far``; 1 where both are 0, 0 where nobody else is there."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(far > 0, near / np.where(far > 0, far, 1.0), 1.0))


def _row(values: Floats, reference: Floats, people: tuple[People, People], quantile: float) -> list[Estimate]:
    mine, theirs = people
    order = np.argsort(reference, kind="stable")
    cut = _cut(reference[order], np.ones(len(order)), quantile)
    value = float((values < cut).mean())
    samples = None
    if mine.counts is not None and theirs.counts is not None:
        shares = []
        for a, b in zip(mine.counts, theirs.counts, strict=True):
            weight = a[mine.index].astype(np.float64)
            limit = _cut(reference[order], b[theirs.index][order].astype(np.float64), quantile)
            shares.append(float(weight @ (values < limit)) / weight.sum())
        samples = np.array(shares)
    low, high = ends(value, samples, len(mine))
    share = Estimate(
        name=f"below the {quantile:.2g} quantile",
        value=value,
        low=low,
        high=high,
        chance=quantile,
        convention=f"share nearer than {cut:.4g}, which {quantile:.2g} of held-out real faces are",
        n=len(values),
        people=len(mine),
        resamples=0 if samples is None else len(samples),
    )
    nearer = auc_of_groups(
        "nearer than a stranger",
        -values,
        -reference,
        people,
        convention="how often a generated face lies nearer than a held-out real one, ties half",
    )
    return [
        share,
        nearer,
        mean_of_items("mean, generated", values, mine),
        mean_of_items("mean, held-out real", reference, theirs),
    ]


def _cut(rising: Floats, weights: Floats, quantile: float) -> float:
    """The smallest value that ``quantile`` of the weight does not exceed."""
    total = np.cumsum(weights)
    return float(rising[min(int(np.searchsorted(total, quantile * total[-1])), len(rising) - 1)])


PROTOCOL = memorisation_audit
