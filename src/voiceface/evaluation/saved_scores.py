"""The score of every trial on disk, so that two models can be compared on the same trials afterwards."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError
from voiceface.evaluation.embedding_files import read_scores
from voiceface.media.files import atomic_path
from voiceface.media.read_npz import read_npz
from voiceface.protocols.input_checks import as_labels

Names = npt.NDArray[np.str_]
Bools = npt.NDArray[np.bool_]

_WORDS = ("voice", "face", "voice_person", "face_person", "fold")
_LABEL = "in "
"""Begins the column of a stratum: 1 for its trials."""
_REMEDY = "give a file that `voiceface evaluate --scores-out` wrote"


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredTrials:
    """Scored pairs of a voice and a face."""

    scores: npt.NDArray[np.float64]
    """(n,) higher for the same person."""
    labels: Bools
    """(n,) True: one person."""
    people: tuple[Names, Names] | None = None
    """(n,) person of the voice and of the face."""
    items: tuple[Names, Names] | None = None
    """(n,) names of the voice and of the face."""
    folds: Names | None = None
    """(n,) fold of the weights that scored each trial."""
    strata: Mapping[str, Bools] = field(default_factory=dict)
    """Name to the trials of each stratum."""
    excluded: Mapping[str, int] = field(default_factory=dict)
    """What was left out, and how many."""
    probabilities: npt.NDArray[np.float64] | None = None
    """(n,) that the model stated, where it stated any."""

    def words(self) -> dict[str, Names]:
        """The columns of names there are: voice, face, voice_person, face_person, fold."""
        columns = (*(self.items or (None, None)), *(self.people or (None, None)), self.folds)
        return {name: found for name, found in zip(_WORDS, columns, strict=True) if found is not None}

    def only(self, kept: npt.NDArray[Any]) -> ScoredTrials:
        """The trials of a mask, or at places, in that order."""
        return ScoredTrials(
            scores=self.scores[kept],
            labels=self.labels[kept],
            people=None if self.people is None else (self.people[0][kept], self.people[1][kept]),
            items=None if self.items is None else (self.items[0][kept], self.items[1][kept]),
            folds=None if self.folds is None else self.folds[kept],
            strata={name: mask[kept] for name, mask in self.strata.items()},
        )


def save_scores(path: Path, trials: ScoredTrials) -> str:
    """Write every trial: as a CSV, or, where the name ends in ``.npz``, as arrays; returns a line about it.

    Columns: ``score``, ``label`` (1: one person), and what is known of ``voice``, ``face`` (items' names),
    ``voice_person``, ``face_person``, ``fold`` and ``in STRATUM``. In an ``.npz`` a column of names holds
    numbers that point into ``NAME_names``.

    Raises:
        InputError: the file cannot be written.
    """
    words = trials.words()
    with atomic_path(path) as temporary:
        if path.suffix == ".npz":
            arrays: dict[str, Any] = {"score": trials.scores, "label": trials.labels}
            for name, column in words.items():
                arrays[f"{name}_names"], places = np.unique(column, return_inverse=True)
                arrays[name] = places.astype(np.int32)
            arrays |= {_LABEL + name: mask for name, mask in trials.strata.items()}
            with temporary.open("wb") as file:
                np.savez_compressed(file, **arrays)
        else:
            columns = {"score": trials.scores.tolist(), "label": trials.labels.astype(int).tolist()}
            columns |= {name: column.tolist() for name, column in words.items()}
            columns |= {_LABEL + name: mask.astype(int).tolist() for name, mask in trials.strata.items()}
            with temporary.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(columns)
                writer.writerows(zip(*columns.values(), strict=True))
    return f"scores of {len(trials.scores):,} trials in {path}"


def load_scores(path: Path) -> ScoredTrials:
    """Trials as `save_scores` wrote them, or any CSV with these columns.

    Raises:
        InputError: it cannot be read, or does not tell which trials are of one person.
    """
    columns: dict[str, npt.NDArray[Any]]
    if path.suffix == ".npz":
        columns = read_npz(path, lambda headers: headers, remedy=_REMEDY)
        columns = _named(path, columns)
    else:
        columns = {name: np.array(column) for name, column in read_scores(path).items()}
    if not {"score", "label"} <= columns.keys():
        raise InputError(path, f"has the columns {', '.join(columns)[:60]}, not score and label", _REMEDY)
    pairs = [
        (columns[a], columns[b]) if {a, b} <= columns.keys() else None
        for a, b in (("voice_person", "face_person"), ("voice", "face"))
    ]
    count = len(columns["score"])
    return ScoredTrials(
        scores=columns["score"].astype(np.float64),
        labels=as_labels(columns["label"], count),
        people=pairs[0],
        items=pairs[1],
        folds=columns.get("fold"),
        strata={
            name.removeprefix(_LABEL): column.astype(int) > 0
            for name, column in columns.items()
            if name.startswith(_LABEL)
        },
    )


def same_trials(paths: tuple[Path, Path]) -> tuple[ScoredTrials, ScoredTrials]:
    """Two models' scores of the same trials, the second in the order of the first.

    Trials are joined by the names of their items; where a file has none, the lines must agree one by one.

    Raises:
        InputError: a file cannot be read or names no people, or the trials, labels or folds differ.
    """
    first, second = (load_scores(path) for path in paths)
    for path, trials in zip(paths, (first, second), strict=True):
        if trials.people is None:
            fault = "has no columns voice_person and face_person, so nothing is known over people"
            raise InputError(path, fault, "add them, or write it with `voiceface evaluate --scores-out`")
    if first.items is not None and second.items is not None:
        places = _joined(paths, first.items, second.items)
        second = second.only(places)
    elif len(first.scores) != len(second.scores):
        fault = f"holds {len(second.scores):,} trials, and {paths[0]} {len(first.scores):,}"
        raise InputError(paths[1], fault, "score the same trials with both models")
    assert first.people is not None and second.people is not None
    same = (first.labels == second.labels).all() and all(
        (one == other).all() for one, other in zip(first.people, second.people, strict=True)
    )
    if not same:
        raise InputError(paths[1], f"says of other trials than {paths[0]} whose they are", _REMEDY)
    if (first.folds is None) != (second.folds is None) or not _same_folds(first.folds, second.folds):
        fault = f"was scored by weights of other folds than {paths[0]}"
        raise InputError(paths[1], fault, "evaluate both recipes with the same folds and seed")
    return first, second


def _joined(paths: tuple[Path, Path], first: tuple[Names, Names], second: tuple[Names, Names]) -> Any:  # noqa: ANN401
    """Places of the first file's trials in the second."""
    voices, faces = (np.unique(np.concatenate([first[k], second[k]])) for k in range(2))
    keys = [
        np.searchsorted(voices, side[0]) * len(faces) + np.searchsorted(faces, side[1])
        for side in (first, second)
    ]
    for path, key in zip(paths, keys, strict=True):
        if len(np.unique(key)) < len(key):
            raise InputError(
                path, f"scores {len(key) - len(np.unique(key)):,} trials twice", "score each once"
            )
    order = np.argsort(keys[1])
    places = np.minimum(np.searchsorted(keys[1][order], keys[0]), len(order) - 1)
    lost = int((keys[1][order][places] != keys[0]).sum())
    if lost or len(keys[0]) != len(keys[1]):
        more = len(keys[1]) - (len(keys[0]) - lost)
        fault = f"lacks {lost:,} of the {len(keys[0]):,} trials of {paths[0]} and has {more:,} others"
        raise InputError(paths[1], fault, "score the same trials with both models")
    return order[places]


def _same_folds(first: Names | None, second: Names | None) -> bool:
    """Whether the folds divide the trials alike, whatever they are called."""
    if first is None or second is None:
        return True
    pairs = {*zip(first.tolist(), second.tolist(), strict=True)}
    return len(pairs) == len(np.unique(first)) == len(np.unique(second))


def _named(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The columns of an ``.npz``, numbers replaced by the names they point to; all of one length."""
    found = {name: column for name, column in arrays.items() if not name.endswith("_names")}
    for name in found.keys() & set(_WORDS):
        names, places = arrays.get(f"{name}_names"), found[name]
        if names is None or places.dtype.kind not in "iu" or ((places < 0) | (places >= len(names))).any():
            raise InputError(path, f"its column {name} points to no names", _REMEDY)
        found[name] = names.astype(str)[places]
    if len({column.shape for column in found.values()}) > 1:
        raise InputError(path, "has columns of different lengths", _REMEDY)
    return found
