"""The protocols on what the user has: embeddings or scores, with or without a published list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.evaluation.embedding_files import (
    NamedEmbeddings,
    item_attributes,
    read_named_embeddings,
    read_scores,
)
from voiceface.evaluation.trial_lists import read_metadata, read_trials
from voiceface.media.voxceleb_names import VoxCelebNames, parse_voxceleb_path
from voiceface.protocols.calibration import calibration, log_odds_of
from voiceface.protocols.fixed_gallery_matching import fixed_gallery_matching
from voiceface.protocols.gallery_matching import MatchingReport, matching
from voiceface.protocols.gallery_retrieval import RetrievalReport, retrieval
from voiceface.protocols.input_checks import as_labels, few, unit_embeddings
from voiceface.protocols.list_scoring import Embedded, score_galleries, score_trials
from voiceface.protocols.pair_verification import VerificationReport, pair_trials, verification
from voiceface.protocols.trial_lists import (
    RetrievalList,
    TrialList,
    read_galleries,
    read_pins_retrieval,
    read_retrieval,
)

Missing = Literal["error", "exclude"]
"""What to do with rows of a list whose items nobody embedded."""

_MOST_PAIRS = 30_000_000
"""Trials whose scores, labels and people still fit into a few GB."""

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


def verify(
    embeddings: tuple[Path | None, Path | None],
    scores: Path | None,
    trials: Path | None,
    known: Known,
    *,
    resamples: int,
    seed: int,
    calibrated: tuple[float, float] | None = None,
    missing: Missing = "error",
) -> VerificationReport:
    """Verification of all pairs, of a list, or of a table of scores.

    ``embeddings`` are the files of voices and of faces; ``calibrated`` holds slope and offset from a dot
    product to log odds at even odds; trials of a list whose items are ``missing`` are an error, or are left
    out and counted.
    """
    voices, faces = embeddings
    if (scores is None) == (voices is None and faces is None) or (voices is None) != (faces is None):
        remedy = "give --voices v.npz and --faces f.npz, or --scores s.csv, or --model and --corpus"
        raise InputError("evaluate verification", "has nothing to evaluate", remedy)
    judge = _judge(resamples, seed, calibrated)
    if trials is not None:
        found = read_trials(trials, "auto", known.vox)
        if scores is not None:
            values, kept = _listed_scores(scores, found), np.ones(len(found), dtype=bool)
        else:
            assert voices is not None and faces is not None
            key = known.vox.known_key if known.vox is not None else None
            left = _embedded(read_named_embeddings(voices), key, ".wav")
            right = _embedded(read_named_embeddings(faces), key, ".jpg")
            values, kept = score_trials(found, left, right, missing=missing)
        assert found.labels is not None
        people = found.left_people[kept], found.right_people[kept]
        report = judge(values, found.labels[kept], people, _same_masks(people, known))
        return replace(report, excluded=report.excluded | _excluded_trials(kept))
    if scores is not None:
        return _verification_of_table(scores, known, judge)
    assert voices is not None and faces is not None
    left_side, right_side = known.side(voices), known.side(faces)
    if len(left_side.names) * len(right_side.names) > _MOST_PAIRS:
        fault = f"{len(left_side.names):,} voices against {len(right_side.names):,} faces are too many pairs"
        raise InputError(voices, fault, "give a --list of trials")
    pairs = pair_trials(_dots(left_side, right_side), people=(_people(left_side), _people(right_side)))
    masks = {}
    for name, (one, other) in known.fixed(left_side, right_side).items():
        masks[name] = (one[pairs.voices] == other[pairs.faces]) & (one[pairs.voices] != "")
    return judge(pairs.scores, pairs.labels, pairs.people, masks)


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
            _embedded(read_named_embeddings(path), key, e) for path, e in ((voices, ".wav"), (faces, ".jpg"))
        ]
        if not (sides[0].find(galleries.probes) >= 0).any():
            sides.reverse()  # a list of faces that ask for voices
        scores, kept = score_galleries(galleries, sides[0], sides[1], missing=missing)
        found = fixed_gallery_matching(
            scores, people=galleries.people[kept], n=n, resamples=resamples, seed=seed
        )
        return replace(found, excluded=found.excluded | _excluded_trials(kept))
    left, right = known.side(voices), known.side(faces)
    both = len(np.intersect1d(_people(left), _people(right)))
    if both < 2:
        fault = f"{both} people have a voice in {voices} and a face in it"
        raise InputError(faces, fault, "give two people or more of whom there are both")
    sizes = n or range(2, min(10, both) + 1)
    return matching(
        (left.embeddings, right.embeddings),
        people=(_people(left), _people(right)),
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
        people=(_people(left), _people(right)),
        ks=tuple(k or (1, 5, 10, 50, 100)),
        strata=known.fixed(left, right),
        resamples=resamples,
        seed=seed,
    )
    return replace(found, excluded=found.excluded | excluded)


Judge = Callable[[Any, Any, "tuple[Any, Any] | None", Mapping[str, Any]], VerificationReport]
"""Scores, labels, people of both sides and strata to the report."""


def _both(voices: Path | None, faces: Path | None, kind: str) -> tuple[Path, Path]:
    if voices is None or faces is None:
        remedy = "give --voices v.npz and --faces f.npz, or --model and --corpus"
        raise InputError(f"evaluate {kind}", "has nothing to evaluate", remedy)
    return voices, faces


def _judge(resamples: int, seed: int, line: tuple[float, float] | None) -> Judge:
    def judge(scores: Any, labels: Any, people: Any, strata: Mapping[str, Any]) -> VerificationReport:  # noqa: ANN401
        found = verification(scores, labels, people=people, strata=strata, resamples=resamples, seed=seed)
        if line is None:
            return found
        odds = line[0] * np.asarray(scores, dtype=np.float64) + line[1]
        stated = calibration(odds, labels, people=people, resamples=resamples, seed=seed)
        return replace(found, calibration=stated)

    return judge


def _verification_of_table(path: Path, known: Known, judge: Judge) -> VerificationReport:
    """A table of scores that holds its own labels."""
    table = read_scores(path)
    people = None
    if {"voice_person", "face_person"} <= table.keys():
        people = np.array(table["voice_person"]), np.array(table["face_person"])
    if "label" in table:
        labels: Any = table["label"]
    elif people is not None:
        labels = people[0] == people[1]
    else:
        remedy = "add a column label (1: one person), or give --list"
        raise InputError(path, "does not tell which trials are of one person", remedy)
    masks = _same_masks(people, known) if people is not None else {}
    found = judge(table["score"], labels, people, masks)
    if "probability" not in table:
        return found
    resamples, same = found.auc.resamples, as_labels(labels, len(table["score"]))
    stated = calibration(log_odds_of(table["probability"]), same, people=people, resamples=resamples)
    return replace(found, calibration=stated)


def _listed_scores(path: Path, trials: TrialList) -> NDArray[np.float64]:
    """The score of every trial of a list, found by its two names."""
    table = read_scores(path)
    if not {"voice", "face"} <= table.keys():
        raise InputError(path, "has no columns voice and face", "name each trial as the list does")
    found: dict[tuple[str, str], str] = {}
    for voice, face, score in zip(table["voice"], table["face"], table["score"], strict=True):
        if found.setdefault((voice, face), score) != score:
            raise InputError(path, f"scores {voice} with {face} twice, differently", "score it once")
    pairs = list(zip(trials.left.tolist(), trials.right.tolist(), strict=True))
    lost = [f"{voice} {face}" for voice, face in pairs if (voice, face) not in found]
    if lost:
        raise InputError(path, f"lacks {few(lost)} of the list's {len(pairs):,} trials", "score every trial")
    return np.array([float(found[pair]) for pair in pairs])


def _same_masks(people: tuple[Any, Any], known: Known) -> dict[str, NDArray[np.bool_]]:
    """Trials whose two people share each attribute."""
    masks = {}
    for name in known.same:
        values = known.tables.get(name) or {}
        if not values:
            raise InputError(f"--same {name}", "nothing tells it", "give --people vox1_meta.csv or --corpus")
        listed = {str(person) for side in people for person in side.tolist()}
        if listed.isdisjoint(values):
            fault = f"the people are written like {min(listed)!r}, of whom it is not known"
            raise InputError(f"--same {name}", fault, "give the --people or --corpus that they belong to")
        one, other = (np.array([values.get(str(p), "") for p in side.tolist()]) for side in people)
        masks[f"same {name}"] = (one == other) & (one != "")
    return masks


def _embedded(side: NamedEmbeddings, key: Callable[[str], str] | None, ending: str) -> Embedded:
    """Rows by name; a prepared VoxCeleb's ids end without the ``.wav`` or ``.jpg`` of the lists."""
    names = side.names
    if key is not None:
        names = np.array([n if "." in n.rpartition("/")[2] else n + ending for n in names.tolist()])
    return Embedded(names, side.embeddings, key=key, what=str(side.path))


def _excluded_trials(kept: NDArray[np.bool_]) -> dict[str, int]:
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
    embedded = _embedded(side, known.vox.known_key if known.vox is not None else None, ending)
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
        people=_people(side)[places],
        columns=columns,
    )


def _named_people(side: NamedEmbeddings) -> Names:
    """People as VoxCeleb's names tell them."""
    files = [parse_voxceleb_path(name) for name in side.names.tolist()]
    if None in files:
        remedy = "give --corpus, VoxCeleb's names, or an array `people`"
        raise InputError(side.path, "does not tell whose its items are", remedy)
    return np.array([file.person for file in files if file is not None])


def _people(side: NamedEmbeddings) -> Names:
    assert side.people is not None
    return side.people


def _dots(left: NamedEmbeddings, right: NamedEmbeddings) -> NDArray[np.floating]:
    one, other = (
        unit_embeddings(left.embeddings, str(left.path)),
        unit_embeddings(right.embeddings, str(right.path)),
    )
    if one.shape[1] != other.shape[1]:
        fault = f"is {one.shape[1]} wide and {right.path} {other.shape[1]}"
        raise InputError(left.path, fault, "embed both with one model")
    return one.astype(np.float64) @ other.T.astype(np.float64)


def _joined(columns: Sequence[Names]) -> Names:
    """Several attributes as one; blank where one is."""
    whole = np.array(["\x1f".join(row) for row in zip(*columns, strict=True)])
    known = np.all([column != "" for column in columns], axis=0)
    return np.where(known, whole, "")
