"""Generated faces evaluated by every protocol that their embeddings and pictures allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError
from voiceface.evaluation.image_grid import CaptionedImage
from voiceface.metrics.distribution import squared_distances
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.face_set import Faces
from voiceface.protocols.generated_faces import generated_faces
from voiceface.protocols.memorisation_audit import MemorisationReport, memorisation_audit
from voiceface.protocols.pixel_similarity import likeness
from voiceface.protocols.threshold_search import generated_acceptance, threshold_search

Pictures = npt.NDArray[np.uint8]

_MAX_PAIRS = 50_000
"""Pairs of one person's real faces that a threshold is searched on."""
_SIDE = 32
"""Pixels a side to which pictures are reduced before they are compared as pixels."""
_MAX_PIXEL_FACES = 30_000
"""Training faces up to which pictures are compared as pixels."""


class ProtocolReport(Protocol):
    """What the reports of all protocols have in common."""

    @property
    def rows(self) -> dict[str, list[Estimate]]:
        """Figures by row."""
        ...

    @property
    def excluded(self) -> dict[str, int]:
        """Excluded items, with counts."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the reader of the figures."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceSet:
    """Faces, with their pictures of one size and alignment where there are any."""

    faces: Faces
    pictures: Pictures | None = None
    """(n, size, size, 3) uint8; those of faces not found are ignored."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GeneratedFacesEvaluation:
    """Reports on a set of generated faces, one a protocol."""

    features: str
    sections: dict[str, ProtocolReport]
    notes: tuple[str, ...] = ()
    worst: list[list[CaptionedImage]] = field(default_factory=list)
    """Rows of an image grid: generated face, nearest training face, the speaker's photograph."""

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
    generated: FaceSet,
    reference: FaceSet,
    train: FaceSet | None = None,
    *,
    features: str,
    n: Sequence[int] = (2, 5, 10),
    worst: int = 10,
    resamples: int = 1000,
    seed: int = 0,
) -> GeneratedFacesEvaluation:
    """Evaluate generated faces by every protocol that the given sets allow.

    Args:
        generated: Generated faces of people.
        reference: Photographs of the same people, none of them trained on.
        train: Photographs that were trained on; without them memorisation is not measured.
        features: Name of the embeddings.
        n: Gallery sizes.
        worst: Number of generated faces nearest to a training face to list and lay out.
        resamples: Over people; 0 for none.
        seed: Random seed.

    Raises:
        InputError: widths differ, nobody has both kinds of faces, or no face was found.
    """
    if not len(np.intersect1d(generated.faces.people, reference.faces.people)):
        fault = f"are of {len(np.unique(generated.faces.people)):,} people of whom there is no real face"
        raise InputError("generated faces", fault, "use the same names of people on both sides")
    known = None if train is None else train.faces
    sampling: dict[str, Any] = {"resamples": resamples, "seed": seed}
    sections: dict[str, ProtocolReport] = {
        "Generated faces": generated_faces(
            generated.faces, reference.faces, features=features, train=known, n=n, **sampling
        )
    }
    notes = []
    threshold = _threshold(generated.faces, reference.faces, known, features, resamples, seed)
    if threshold is None:
        notes.append("no threshold is searched: nobody has two real faces")
    else:
        sections["Threshold"] = threshold
    if generated.pictures is not None and reference.pictures is not None:
        sides = [one.faces.found for one in (generated, reference)]
        sections["Pixel by pixel"] = likeness(
            generated.pictures[sides[0]],
            reference.pictures[sides[1]],
            people=(generated.faces.people[sides[0]], reference.faces.people[sides[1]]),
            **sampling,
        )
    worst_rows: list[list[CaptionedImage]] = []
    if train is None:
        notes.append("no training faces given: memorisation is not measured")
    else:
        audits = _audits(generated, reference, train, features=features, worst=worst, **sampling)
        sections |= {f"Memorisation, {name}": audit for name, audit in audits.items()}
        worst_rows = _memorised_rows(audits[features], generated, reference, train)
    return GeneratedFacesEvaluation(
        features=features, sections=sections, notes=tuple(notes), worst=worst_rows
    )


def _audits(
    generated: FaceSet,
    reference: FaceSet,
    train: FaceSet,
    *,
    features: str,
    worst: int,
    resamples: int,
    seed: int,
) -> dict[str, MemorisationReport]:
    """The audit of embeddings, and of pixels where there are pictures of few enough training faces."""
    sides = {features: [one.faces for one in (generated, train, reference)]}
    pixels = (
        [_as_pixels(one) for one in (generated, train, reference)]
        if len(train.faces) <= _MAX_PIXEL_FACES
        else []
    )
    if pixels and all(one is not None for one in pixels):
        sides["pixels"] = [one for one in pixels if one is not None]
    return {
        name: memorisation_audit(a, b, c, features=name, worst=worst, resamples=resamples, seed=seed)
        for name, (a, b, c) in sides.items()
    }


def _memorised_rows(
    audit: MemorisationReport, generated: FaceSet, reference: FaceSet, train: FaceSet
) -> list[list[CaptionedImage]]:
    """Rows of an image grid: generated face, nearest training face, the speaker's photograph."""
    if generated.pictures is None or train.pictures is None:
        return []
    rows: list[list[CaptionedImage]] = []
    for one in audit.worst:
        person = generated.faces.people[one.generated_index]
        row: list[CaptionedImage] = [
            (generated.pictures[one.generated_index], f"generated\n{one.generated}"),
            (
                train.pictures[one.train_index],
                f"trained on: {one.person}\nat {one.distance:.3f}; {one.rarity:.1%} nearer",
            ),
        ]
        own = np.flatnonzero((reference.faces.people == person) & reference.faces.found)
        if len(own) and reference.pictures is not None:
            row.append((reference.pictures[own[0]], f"the speaker\n{person}"))
        rows.append(row)
    return rows


def _as_pixels(one: FaceSet) -> Faces | None:
    """The same faces with their downscaled pixels on [0, 1] as embeddings; None without square pictures."""
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
    generated: Faces, reference: Faces, train: Faces | None, features: str, resamples: int, seed: int
) -> ProtocolReport | None:
    """Generated faces at a threshold searched on the training people's faces, else on the evaluated ones."""
    searched_on = "training"
    faces = (reference if train is None else train).only((reference if train is None else train).found)
    first, second = _pairs(faces.people, seed)
    if train is None or not len(first):
        searched_on, faces = "evaluated", reference.only(reference.found)
        first, second = _pairs(faces.people, seed)
    same = faces.people[first] == faces.people[second]
    if not len(same) or same.all():
        return None
    distances = np.linalg.norm(faces.rows[first] - faces.rows[second], axis=1)
    people = faces.people[first], faces.people[second]
    report = threshold_search(distances, same, people=people, resamples=resamples, seed=seed)
    gallery = reference.only(reference.found)
    probes = generated.only(np.isin(generated.people, gallery.people))
    rows = np.where(probes.found[:, None], probes.rows, 0.0)
    accepted = generated_acceptance(
        np.sqrt(squared_distances(rows, gallery.rows)),
        people=(probes.people, gallery.people),
        threshold=report.threshold,
        found=probes.found,
        resamples=resamples,
        seed=seed,
    )
    searched = (
        f"L2 of {features}; threshold {report.threshold:.4g} searched on {len(same):,} pairs of the "
        f"{searched_on} people's real faces, as many of two people as of one"
    )
    return replace(
        report,
        rows=report.rows | {"generated faces at that threshold": accepted},
        notes=(searched, *report.notes),
    )


def _pairs(people: npt.NDArray[np.str_], seed: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Indices of pairs of one person's faces (all, or a sample), and of as many of two people's."""
    random = np.random.default_rng(seed)
    names, index, counts = np.unique(people, return_inverse=True, return_counts=True)
    order = np.argsort(index.reshape(-1), kind="stable")
    starts = np.concatenate(([0], np.cumsum(counts)))
    ways = counts * (counts - 1) // 2
    each = np.minimum(ways, max(1, _MAX_PAIRS // max(1, int((ways > 0).sum()))))
    left, right = [], []
    for k in np.flatnonzero(ways):
        a, b = np.triu_indices(int(counts[k]), 1)
        chosen = np.sort(random.permutation(len(a))[: each[k]])
        left.append(order[starts[k] + a[chosen]])
        right.append(order[starts[k] + b[chosen]])
    if not left:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    first, second = np.concatenate(left), np.concatenate(right)
    if len(names) < 2:
        return first, second
    other = index.reshape(-1)[first]
    position = random.integers(0, len(people) - counts[other])
    position = np.where(position >= starts[other], position + counts[other], position)
    return np.concatenate([first, first]), np.concatenate([second, order[position]])
