"""Drawn faces judged whole: every protocol that their descriptors and pictures allow, in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError
from voiceface.evaluation.image_grid import Cell
from voiceface.metrics.distribution import squared_distances
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.face_set import Faces
from voiceface.protocols.generated_faces import drawn_faces
from voiceface.protocols.memorisation_audit import MemorisationReport, memorisation_audit
from voiceface.protocols.pixel_similarity import likeness
from voiceface.protocols.threshold_search import generated_acceptance, threshold_search

__all__ = ["FaceSet", "Judged", "Told", "evaluate_generated_faces", "memorised_face_rows"]

Pictures = npt.NDArray[np.uint8]

_PAIRS = 50_000
"""Pairs of one person's real faces that a threshold is searched on at most."""
_SIDE = 32
"""Pixels a side to which pictures are reduced before they are compared as pixels."""
_MOST_PIXELS = 30_000
"""Training faces up to which pictures are compared as pixels."""


class Told(Protocol):
    """What every report of a protocol offers."""

    @property
    def rows(self) -> dict[str, list[Estimate]]:
        """Figures by what they are of."""
        ...

    @property
    def excluded(self) -> dict[str, int]:
        """What did not enter, with counts."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know when reading the figures."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceSet:
    """Faces with their pictures, all of one size and cut the same way, where there are any."""

    faces: Faces
    pictures: Pictures | None = None
    """(n, size, size, 3) uint8; those of faces not found are not looked at."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """What was found of some drawn faces, a report a protocol."""

    features: str
    sections: dict[str, Told]
    notes: tuple[str, ...] = ()
    worst: list[list[Cell]] = field(default_factory=list)
    """Rows for a sheet: a drawn face, the training face nearest to it, and the speaker's own."""

    def figure(self, section: str, row: str, name: str) -> Estimate:
        """One figure of one row of one section."""
        return next(e for e in self.sections[section].rows[row] if e.name == name)

    def __str__(self) -> str:
        """As it is printed."""
        return "\n\n".join(
            [f"{title}\n{report}" for title, report in self.sections.items()] + list(self.notes)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "features": self.features,
            "sections": {title: report.to_dict() for title, report in self.sections.items()},
            "notes": list(self.notes),
        }


def evaluate_generated_faces(
    drawn: FaceSet,
    real: FaceSet,
    train: FaceSet | None = None,
    *,
    features: str,
    n: Sequence[int] = (2, 5, 10),
    worst: int = 10,
    resamples: int = 1000,
    seed: int = 0,
) -> Judged:
    """Judge drawn faces by every protocol that what is given allows.

    Args:
        drawn: Drawn faces of people.
        real: Photographs of the same people, none of them trained on.
        train: Photographs that were trained on: without them nothing is told of memorisation.
        features: Name of what describes them.
        n: Gallery sizes.
        worst: How many of the drawn faces nearest to a training face to name and lay out.
        resamples: Over people; 0 for none.
        seed: Of all that is drawn at random.

    Raises:
        InputError: widths differ, nobody has both kinds of faces, or no face was found.
    """
    shared = np.intersect1d(drawn.faces.people, real.faces.people)
    if not len(shared):
        fault = f"are of {len(np.unique(drawn.faces.people)):,} people of whom there is no real face"
        raise InputError("drawn faces", fault, "name the same people in the same way on both sides")
    known = None if train is None else train.faces
    sections: dict[str, Told] = {
        "Drawn faces": drawn_faces(
            drawn.faces, real.faces, features=features, train=known, n=n, resamples=resamples, seed=seed
        )
    }
    found = _threshold(drawn.faces, real.faces, known, features, resamples, seed)
    sections |= {} if found is None else {"Threshold": found}
    notes = ["no threshold is searched: nobody has two real faces"] if found is None else []
    if drawn.pictures is not None and real.pictures is not None:
        sides = [one.faces.found for one in (drawn, real)]
        sections["Pixel by pixel"] = likeness(
            drawn.pictures[sides[0]],
            real.pictures[sides[1]],
            people=(drawn.faces.people[sides[0]], real.faces.people[sides[1]]),
            resamples=resamples,
            seed=seed,
        )
    if train is None:
        notes.append("no training faces given: nothing is told of memorisation")
        return Judged(features=features, sections=sections, notes=tuple(notes))
    audits = _audits(drawn, real, train, features=features, worst=worst, resamples=resamples, seed=seed)
    sections |= {f"Memorisation, {name}": audit for name, audit in audits.items()}
    return Judged(
        features=features,
        sections=sections,
        notes=tuple(notes),
        worst=memorised_face_rows(audits[features], drawn, real, train),
    )


def _audits(
    drawn: FaceSet,
    real: FaceSet,
    train: FaceSet,
    *,
    features: str,
    worst: int,
    resamples: int,
    seed: int,
) -> dict[str, MemorisationReport]:
    """The audit on descriptors, and on pixels where there are pictures of few enough training faces."""
    sides = {features: [one.faces for one in (drawn, train, real)]}
    pixels = [_as_pixels(one) for one in (drawn, train, real)] if len(train.faces) <= _MOST_PIXELS else []
    if pixels and all(one is not None for one in pixels):
        sides["pixels"] = [one for one in pixels if one is not None]
    return {
        name: memorisation_audit(a, b, c, features=name, worst=worst, resamples=resamples, seed=seed)
        for name, (a, b, c) in sides.items()
    }


def memorised_face_rows(
    audit: MemorisationReport, drawn: FaceSet, real: FaceSet, train: FaceSet
) -> list[list[Cell]]:
    """Rows of an image grid: generated face, nearest training face, the speaker's photograph."""
    if drawn.pictures is None or train.pictures is None:
        return []
    rows: list[list[Cell]] = []
    for one in audit.worst:
        person = drawn.faces.people[one.drawn_index]
        row: list[Cell] = [
            (drawn.pictures[one.drawn_index], f"drawn\n{one.drawn}"),
            (
                train.pictures[one.train_index],
                f"trained on: {one.person}\nat {one.distance:.3f}; {one.rarity:.1%} nearer",
            ),
        ]
        own = np.flatnonzero((real.faces.people == person) & real.faces.found)
        if len(own) and real.pictures is not None:
            row.append((real.pictures[own[0]], f"the speaker\n{person}"))
        rows.append(row)
    return rows


def _as_pixels(one: FaceSet) -> Faces | None:
    """The same faces described by their reduced pixels on [0, 1]; None without square pictures."""
    if one.pictures is None or one.pictures.shape[1] != one.pictures.shape[2]:
        return None
    size = one.pictures.shape[1]
    step = max(1, size // _SIDE)
    side = size // step * step
    parts = []
    for first in range(0, len(one.pictures), 256):
        block = one.pictures[first : first + 256, :side, :side].astype(np.float64) / 255
        small = block.reshape(len(block), side // step, step, side // step, step, 3).mean(axis=(2, 4))
        parts.append(small.reshape(len(block), -1))
    return replace(one.faces, rows=np.concatenate(parts))


def _threshold(
    drawn: Faces, real: Faces, train: Faces | None, features: str, resamples: int, seed: int
) -> Told | None:
    """Search on the training people's faces if there are any, else on the judged ones; judge at it."""
    whose = "training"
    faces = (real if train is None else train).only((real if train is None else train).found)
    first, second = _pairs(faces.people, seed)
    if train is None or not len(first):
        whose, faces = "judged", real.only(real.found)
        first, second = _pairs(faces.people, seed)
    same = faces.people[first] == faces.people[second]
    if not len(same) or same.all():
        return None
    apart = np.linalg.norm(faces.rows[first] - faces.rows[second], axis=1)
    people = faces.people[first], faces.people[second]
    report = threshold_search(apart, same, people=people, resamples=resamples, seed=seed)
    gallery = real.only(real.found)
    probes = drawn.only(np.isin(drawn.people, gallery.people))
    rows = np.where(probes.found[:, None], probes.rows, 0.0)
    judged = generated_acceptance(
        np.sqrt(squared_distances(rows, gallery.rows)),
        people=(probes.people, gallery.people),
        threshold=report.threshold,
        found=probes.found,
        resamples=resamples,
        seed=seed,
    )
    searched = (
        f"L2 of {features}; threshold {report.threshold:.4g} searched on {len(same):,} pairs of the {whose} "
        "people's real faces, as many of two people as of one"
    )
    return replace(
        report,
        rows=report.rows | {"drawn faces at that threshold": judged},
        notes=(searched, *report.notes),
    )


def _pairs(people: npt.NDArray[np.str_], seed: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Places of pairs of one person's faces (all, or so many drawn), and as many of two people's."""
    random = np.random.default_rng(seed)
    names, index, counts = np.unique(people, return_inverse=True, return_counts=True)
    order = np.argsort(index.reshape(-1), kind="stable")
    starts = np.concatenate(([0], np.cumsum(counts)))
    ways = counts * (counts - 1) // 2
    each = np.minimum(ways, max(1, _PAIRS // max(1, int((ways > 0).sum()))))
    left, right = [], []
    for k in np.flatnonzero(ways):
        a, b = np.triu_indices(int(counts[k]), 1)
        picked = np.sort(random.permutation(len(a))[: each[k]])
        left.append(order[starts[k] + a[picked]])
        right.append(order[starts[k] + b[picked]])
    if not left:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    first, second = np.concatenate(left), np.concatenate(right)
    if len(names) < 2:
        return first, second
    other = index.reshape(-1)[first]
    place = random.integers(0, len(people) - counts[other])
    place = np.where(place >= starts[other], place + counts[other], place)
    return np.concatenate([first, first]), np.concatenate([second, order[place]])
