"""The protocols on what the user has: embeddings or scores, with or without a published list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.evaluation.embedding_files import (
    NamedEmbeddings,
    item_attributes,
    read_named_embeddings,
)
from voiceface.evaluation.trial_lists import read_metadata
from voiceface.media.voxceleb_names import VoxCelebNames, parse_voxceleb_path
from voiceface.protocols.fixed_gallery_matching import fixed_gallery_matching
from voiceface.protocols.gallery_matching import MatchingReport, matching
from voiceface.protocols.gallery_retrieval import RetrievalReport, retrieval
from voiceface.protocols.input_checks import few
from voiceface.protocols.list_scoring import Embedded, score_galleries
from voiceface.protocols.trial_lists import (
    RetrievalList,
    read_galleries,
    read_pins_retrieval,
    read_retrieval,
)

Missing = Literal["error", "exclude"]
"""What to do with rows of a list whose items nobody embedded."""

Names = NDArray[np.str_]


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of the people: whose each item is, and their attributes."""

    same: Sequence[str]
    """Attributes to hold fixed: gender, nationality."""
    owner: Mapping[str, str]
    """Item id to person, of a corpus."""
    tables: Mapping[str, Mapping[str, str]]
    """Attribute to its value by person."""
    vox: VoxCelebNames | None = None

    @classmethod
    def of(cls, corpus: Path | None, people: Path | None, same: Sequence[str]) -> Known:
        """From a prepared corpus, or VoxCeleb's metadata."""
        owner: dict[str, str] = {}
        tables: dict[str, dict[str, str]] = {"gender": {}, "nationality": {}}
        vox = read_metadata(people)
        if corpus is not None:
            from voiceface.corpus.corpus import Corpus

            opened = Corpus.open(corpus)
            for table in ("voices", "faces"):
                owner |= zip(opened.column(table, "id"), opened.column(table, "person"), strict=True)
            for one in opened.people:
                tables["gender"][one.id], tables["nationality"][one.id] = one.gender, one.nationality
        if vox is not None:
            for name, known in tables.items():
                known |= {who: getattr(vox.people[id], name) for who, id in vox.ids.items()}
        return cls(same=same, owner=owner, tables=tables, vox=vox)

    def side(self, path: Path) -> NamedEmbeddings:
        """Embeddings with their people: as the file tells, by the corpus, or by VoxCeleb's names.

        Raises:
            InputError: nothing tells the people.
        """
        side = read_named_embeddings(path)
        if self.owner:
            lost = [name for name in side.names.tolist() if name not in self.owner]
            if lost:
                raise InputError(path, f"{few(lost)} names are not in the corpus", "give its own corpus")
            found = np.array([self.owner[name] for name in side.names.tolist()])
        elif side.people is not None:
            found = side.people
        else:
            found = _named_people(side)
        if self.vox is not None:
            found = np.array([self.vox.person(person) for person in found.tolist()])
        return NamedEmbeddings(
            path=side.path, names=side.names, embeddings=side.embeddings, people=found, columns=side.columns
        )

    def fixed(self, voices: NamedEmbeddings, faces: NamedEmbeddings) -> dict[str, tuple[Names, Names]]:
        """For each attribute to hold fixed its values of both sides; both together where there are two."""
        left, right = (item_attributes(side, self.same, self.tables) for side in (voices, faces))
        found = {f"same {name}": (left[name], right[name]) for name in self.same}
        if len(self.same) > 1:
            both = [_joined([side[name] for name in self.same]) for side in (left, right)]
            found[f"same {' and '.join(self.same)}"] = (both[0], both[1])
        return found


def match(
    voices: Path | None,
    faces: Path | None,
    trials: Path | None,
    known: Known,
    *,
    n: Sequence[int] | None,
    resamples: int,
    seed: int,
    missing: Missing = "error",
) -> MatchingReport:
    """1:N matching over all galleries, or on a list of them."""
    voices, faces = _both(voices, faces, "matching")
    if trials is not None:
        galleries = read_galleries(trials, known.vox)
        key = known.vox.known_key if known.vox is not None else None
        sides = [
            rows_by_name(read_named_embeddings(path), key, e)
            for path, e in ((voices, ".wav"), (faces, ".jpg"))
        ]
        if not (sides[0].find(galleries.probes) >= 0).any():
            sides.reverse()  # a list of faces that ask for voices
        scores, kept = score_galleries(galleries, sides[0], sides[1], missing=missing)
        found = fixed_gallery_matching(
            scores, people=galleries.people[kept], n=n, resamples=resamples, seed=seed
        )
        return replace(found, excluded=found.excluded | excluded_trials(kept))
    left, right = known.side(voices), known.side(faces)
    both = len(np.intersect1d(people_of(left), people_of(right)))
    if both < 2:
        fault = f"{both} people have a voice in {voices} and a face in it"
        raise InputError(faces, fault, "give two people or more of whom there are both")
    sizes = n or range(2, min(10, both) + 1)
    return matching(
        (left.embeddings, right.embeddings),
        people=(people_of(left), people_of(right)),
        n=tuple(sizes),
        strata=known.fixed(left, right),
        resamples=resamples,
        seed=seed,
    )


def retrieve(
    voices: Path | None,
    faces: Path | None,
    trials: Path | None,
    known: Known,
    *,
    k: Sequence[int] | None,
    resamples: int,
    seed: int,
    missing: Missing = "error",
) -> RetrievalReport:
    """Retrieval over everything embedded, or over the items of a list."""
    voices, faces = _both(voices, faces, "retrieval")
    left, right = known.side(voices), known.side(faces)
    excluded: dict[str, int] = {}
    if trials is not None:
        listed = _retrieval_list(trials, known.vox)
        counts = len(listed.voices), len(listed.faces)
        left = _restrict_to_list(left, listed.voices, known, ".wav", missing)
        right = _restrict_to_list(right, listed.faces, known, ".jpg", missing)
        for what, side, count in (("voices", left, counts[0]), ("faces", right, counts[1])):
            if count > len(side.names):
                excluded[f"{what} of the list that are not embedded"] = count - len(side.names)
    found = retrieval(
        (left.embeddings, right.embeddings),
        people=(people_of(left), people_of(right)),
        ks=tuple(k or (1, 5, 10, 50, 100)),
        strata=known.fixed(left, right),
        resamples=resamples,
        seed=seed,
    )
    return replace(found, excluded=found.excluded | excluded)


def _both(voices: Path | None, faces: Path | None, kind: str) -> tuple[Path, Path]:
    if voices is None or faces is None:
        remedy = "give --voices v.npz and --faces f.npz, or --model and --corpus"
        raise InputError(f"evaluate {kind}", "has nothing to evaluate", remedy)
    return voices, faces


def rows_by_name(side: NamedEmbeddings, key: Callable[[str], str] | None, ending: str) -> Embedded:
    """Rows by name; a prepared VoxCeleb's ids end without the ``.wav`` or ``.jpg`` of the lists."""
    names = side.names
    if key is not None:
        names = np.array([n if "." in n.rpartition("/")[2] else n + ending for n in names.tolist()])
    return Embedded(names, side.embeddings, key=key, what=str(side.path))


def excluded_trials(kept: NDArray[np.bool_]) -> dict[str, int]:
    """Trials of a list that were left out, if any."""
    count = int((~kept).sum())
    return {f"trials of the list's {len(kept):,} whose items are not embedded": count} if count else {}


def _retrieval_list(path: Path, vox: VoxCelebNames | None) -> RetrievalList:
    """A list of voices and faces in one file, or Learnable PINs' two (``wav_20k`` and ``jpg_20k``)."""
    if not path.name.startswith(("wav_20k", "jpg_20k")):
        return read_retrieval(path, vox)
    voices, faces = (path.with_name(kind + path.name[3:]) for kind in ("wav", "jpg"))
    return read_pins_retrieval(voices, faces)


def _restrict_to_list(
    side: NamedEmbeddings, names: Names, known: Known, ending: str, missing: Missing
) -> NamedEmbeddings:
    """The items of a list, in its order."""
    embedded = rows_by_name(side, known.vox.known_key if known.vox is not None else None, ending)
    places = embedded.find(names)
    lost = names[places < 0]
    if len(lost) and (missing == "error" or len(lost) == len(names)):
        remedy = "embed them, or give --missing exclude" if len(lost) < len(names) else "check their scheme"
        raise InputError(side.path, f"lacks {few(lost)} of the names in the list", remedy)
    names, places = names[places >= 0], places[places >= 0]
    columns = {name: values[places] for name, values in side.columns.items()}
    return NamedEmbeddings(
        path=side.path,
        names=names,
        embeddings=side.embeddings[places],
        people=people_of(side)[places],
        columns=columns,
    )


def _named_people(side: NamedEmbeddings) -> Names:
    """People as VoxCeleb's names tell them."""
    files = [parse_voxceleb_path(name) for name in side.names.tolist()]
    if None in files:
        remedy = "give --corpus, VoxCeleb's names, or an array `people`"
        raise InputError(side.path, "does not tell whose its items are", remedy)
    return np.array([file.person for file in files if file is not None])


def people_of(side: NamedEmbeddings) -> Names:
    """The person of each item, which `Known.side` has found."""
    assert side.people is not None
    return side.people


def _joined(columns: Sequence[Names]) -> Names:
    """Several attributes as one; blank where one is."""
    whole = np.array(["\x1f".join(row) for row in zip(*columns, strict=True)])
    known = np.all([column != "" for column in columns], axis=0)
    return np.where(known, whole, "")
