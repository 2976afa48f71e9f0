"""Trial lists as published, read whole or not at all: a faulty row is an error, never a smaller test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.media.files import write_text
from voiceface.media.voxceleb_names import VoxCelebNames, parse_voxceleb_path
from voiceface.protocols.input_checks import as_scores, few
from voiceface.protocols.read_lines import read_lines

Names = NDArray[np.str_]

PINS_HEADER = "id,voice-speaker-id,face-speaker-id,label,voice-path,face-path"
PINS_TRIAL_COUNTS = {
    **{f"{s}_unseenunheard": 30_496 for s in ("random", "G", "A")},
    "N_unseenunheard": 28_193,
    "GNA_unseenunheard": 27_280,
    **{f"{s}_seenheard": 18_020 for s in ("random", "G", "A")},
    "N_seenheard": 17_840,
    "GNA_seenheard": 17_380,
}
"""Rows of the ten published lists, by the end of their name."""


@dataclass(frozen=True, kw_only=True)
class TrialList:
    """Verification trials; left is the voice and right the face unless the list says otherwise."""

    name: str
    left: Names
    right: Names
    labels: NDArray[np.bool_] | None
    """True: one person; None where the publisher keeps them (FAME)."""
    left_people: Names
    right_people: Names
    keys: Names | None = None
    """The publisher's key of every trial, where it has one."""

    def __len__(self) -> int:
        """How many trials."""
        return len(self.left)


@dataclass(frozen=True, kw_only=True)
class GalleryList:
    """1:N trials: a probe and its candidates, the right one first."""

    name: str
    probes: Names
    candidates: Names
    """(trials, N)"""
    people: Names
    """(trials, N) person of every candidate, the probe's own in column 0."""

    def __len__(self) -> int:
        """How many trials."""
        return len(self.probes)


@dataclass(frozen=True, kw_only=True)
class RetrievalList:
    """Voices and faces that are each other's gallery."""

    name: str
    voices: Names
    faces: Names
    voice_people: Names
    face_people: Names


def _columns(
    path: str | Path, lines: list[str], count: int | None, separator: str | None, first: int
) -> list[Names]:
    """Columns of the lines, all rows of one width."""
    rows = [line.split(separator) for line in lines]
    width = count if count is not None else len(rows[0])
    for number, row in enumerate(rows, start=first):
        if len(row) != width or not all(row):
            shown = {",": "commas", "\t": "tabs", None: "blanks"}[separator]
            raise InputError(
                f"{path}:{number}",
                f"has {len(row)} columns separated by {shown}, not {width} filled ones",
                "check the separator, or fetch the list again",
            )
    for begun, ended in zip(rows[0], rows[-1], strict=True):
        suffix = Path(begun).suffix
        if "/" in begun and suffix and suffix != Path(ended).suffix:
            raise InputError(
                f"{path}:{first + len(rows) - 1}",
                f"ends with {ended[-40:]!r} in the middle of a name",
                "the list is cut short: fetch it again",
            )
    return [np.array(column) for column in zip(*rows, strict=True)]


def _stem(path: str | Path) -> str:
    return Path(path).name.split(".")[0]


def _labels(path: str | Path, column: Names, first: int) -> NDArray[np.bool_]:
    bad = np.flatnonzero((column != "0") & (column != "1"))
    if len(bad):
        raise InputError(
            f"{path}:{bad[0] + first}", f"has label {str(column[bad[0]])!r}", "labels are 0 or 1"
        )
    same: NDArray[np.bool_] = column == "1"
    return same


def _people(names: Names, people: VoxCelebNames | None) -> Names:
    if people is not None:
        return np.array(people.people_of(names.tolist()))
    return np.array([name.partition("/")[0] for name in names.tolist()])


def read_pins(path: str | Path, people: VoxCelebNames | None = None) -> TrialList:
    """A Learnable PINs verification list, whose people are told by the names of its items.

    The list's own speaker numbers belong to no other list or corpus; they stand where an item's name
    follows none of VoxCeleb's schemes.

    Args:
        path: The list.
        people: Metadata that joins names and ids; without it people stand as the items write them.

    Raises:
        InputError: nobody of the list is in the metadata, another header or separator, rows out of
            sequence, or fewer rows than were published under this file name.
    """
    lines = read_lines(path)
    if lines[0].strip() != PINS_HEADER:
        raise InputError(path, f"begins with {lines[0][:60]!r}", f"the first line must be {PINS_HEADER}")
    number, voice, face, label, left, right = _columns(path, lines[1:], 6, ",", 2)
    expected = np.arange(1, len(number) + 1).astype(str)
    if not np.array_equal(number, expected):
        at = int(np.flatnonzero(number != expected)[0])
        raise InputError(
            f"{path}:{at + 2}", f"has id {number[at]}, not {at + 1}", "rows are missing or moved"
        )
    rows = PINS_TRIAL_COUNTS.get(_stem(path).removeprefix("veriflist_test_"))
    if rows is not None and rows != len(number):
        raise InputError(path, f"has {len(number):,} rows; {rows:,} were published", "fetch the list again")
    owners = _pins_people(path, [(left, voice), (right, face)], people)
    return TrialList(
        name=_stem(path),
        left=left,
        right=right,
        labels=_labels(path, label, 2),
        left_people=owners[0],
        right_people=owners[1],
    )


def _pins_people(
    path: str | Path, sides: Sequence[tuple[Names, Names]], people: VoxCelebNames | None
) -> list[Names]:
    """Whose the items are; the list's numbers where that cannot be told and nobody asks for ids."""
    files = [{name: parse_voxceleb_path(name) for name in np.unique(items).tolist()} for items, _ in sides]
    if any(file is None for side in files for file in side.values()):
        if people is not None:
            fault = "has items whose names tell no person of the metadata"
            raise InputError(path, fault, "check the list, or leave the metadata out")
        return [numbers for _, numbers in sides]
    written = [{name: file.person for name, file in side.items() if file is not None} for side in files]
    if people is not None:
        if not any(people.identity(one) for side in written for one in side.values()):
            raise InputError(path, "names nobody of the metadata", "give the metadata that belongs to it")
        written = [{name: people.person(one) for name, one in side.items()} for side in written]
    return [
        np.array([owners[name] for name in items.tolist()])
        for owners, (items, _) in zip(written, sides, strict=True)
    ]


def _writable(columns: list[Names], separators: str) -> None:
    """Refuse names that would read back as two."""
    names = np.unique(np.concatenate([np.ravel(c) for c in columns])).tolist()
    bad = [name for name in names if not name or any(s in name for s in separators)]
    if bad:
        raise InputError("names", f"{few(bad)} are blank or hold a separator", "rename them")


def write_pins(path: str | Path, trials: TrialList) -> None:
    """Write trials in the format that `read_pins` reads; people who are no numbers get some, by name.

    Raises:
        InputError: the trials have no labels, or a name holds a comma or is blank.
    """
    if trials.labels is None:
        raise InputError(trials.name, "has no labels", "this format holds labelled trials")
    _writable([trials.left, trials.right, trials.left_people, trials.right_people], ",\n")
    people = np.unique(np.concatenate([trials.left_people, trials.right_people])).tolist()
    numbers = {one: one if one.isdecimal() else str(at) for at, one in enumerate(people, start=1)}
    owners = ([numbers[one] for one in side.tolist()] for side in (trials.left_people, trials.right_people))
    columns = (*owners, trials.labels.astype(int), trials.left, trials.right)
    rows = (
        f"{i},{v},{f},{y},{a},{b}" for i, (v, f, y, a, b) in enumerate(zip(*columns, strict=True), start=1)
    )
    write_text(Path(path), "\n".join([PINS_HEADER, *rows]) + "\n")


def read_galleries(path: str | Path, people: VoxCelebNames | None = None) -> GalleryList:
    """1:N trials ``probe right wrong …``, as Learnable PINs and Shape-of-Sound publish them for N = 2.

    Args:
        path: The list; columns are separated by blanks and all rows have one width.
        people: Metadata that joins names and ids; without it the first folder of a name is its person.

    Raises:
        InputError: rows of different width, or a first candidate that is not the probe's person.
    """
    lines = read_lines(path)
    probe, *candidates = _columns(path, lines, None, None, 1)
    if len(candidates) < 2:
        raise InputError(path, f"has {len(candidates) + 1} columns", "give probe, right and wrong candidates")
    owner = np.stack([_people(c, people) for c in candidates], axis=1)
    if people is not None:
        bad = np.flatnonzero(_people(probe, people) != owner[:, 0])
        if len(bad):
            raise InputError(
                f"{path}:{bad[0] + 1}", "has another person's item as the right one", "repair it"
            )
    return GalleryList(name=_stem(path), probes=probe, candidates=np.stack(candidates, axis=1), people=owner)


def write_galleries(path: str | Path, galleries: GalleryList) -> None:
    """Write 1:N trials in the format that `read_galleries` reads; a name may hold no blank."""
    _writable([galleries.probes, galleries.candidates], " \t\n")
    rows = (" ".join([p, *c]) for p, c in zip(galleries.probes, galleries.candidates.tolist(), strict=True))
    write_text(Path(path), "\n".join(rows) + "\n")


def read_pins_retrieval(voices: str | Path, faces: str | Path) -> RetrievalList:
    """The 20,000 voices and 20,000 faces of Learnable PINs (two files with a header and tabs)."""
    sides = []
    for path, head in ((voices, "wav"), (faces, "jpg")):
        lines = read_lines(path)
        if lines[0].split("\t") != ["VoxCeleb1 ID", head]:
            raise InputError(path, f"begins with {lines[0][:40]!r}", f"expected 'VoxCeleb1 ID<tab>{head}'")
        sides.append(_columns(path, lines[1:], 2, "\t", 2))
    (voice_people, voice), (face_people, face) = sides
    return RetrievalList(
        name="pins_20k", voices=voice, faces=face, voice_people=voice_people, face_people=face_people
    )


def read_retrieval(path: str | Path, people: VoxCelebNames | None = None) -> RetrievalList:
    """A Shape-of-Sound retrieval file: one line of probes, one of gallery items, either kind first."""
    lines = read_lines(path)
    if len(lines) != 2:
        raise InputError(path, f"has {len(lines)} lines", "give one line of probes and one of the gallery")
    sides = [np.array(line.split()) for line in lines]
    if not str(sides[0][0]).endswith(".wav"):
        sides.reverse()
    return RetrievalList(
        name=_stem(path),
        voices=sides[0],
        faces=sides[1],
        voice_people=_people(sides[0], people),
        face_people=_people(sides[1], people),
    )


def read_shape_of_sound(path: str | Path, people: VoxCelebNames) -> TrialList:
    """Shape-of-Sound verification: two names a row and no label; one person or not is read off the names."""
    left, right = _columns(path, read_lines(path), 2, None, 1)
    owners = _people(left, people), _people(right, people)
    return TrialList(
        name=_stem(path),
        left=left,
        right=right,
        labels=owners[0] == owners[1],
        left_people=owners[0],
        right_people=owners[1],
    )


def read_voxceleb(path: str | Path, people: VoxCelebNames | None = None) -> TrialList:
    """VoxCeleb's speaker verification list (``label voice voice``): both sides are voices."""
    label, left, right = _columns(path, read_lines(path), 3, None, 1)
    return TrialList(
        name=_stem(path),
        left=left,
        right=right,
        labels=_labels(path, label, 1),
        left_people=_people(left, people),
        right_people=_people(right, people),
    )


def write_voxceleb(path: str | Path, trials: TrialList) -> None:
    """Write trials in the format that `read_voxceleb` reads."""
    if trials.labels is None:
        raise InputError(trials.name, "has no labels", "this format holds labelled trials")
    _writable([trials.left, trials.right], " \t\n")
    rows = zip(trials.labels.astype(int), trials.left, trials.right, strict=True)
    write_text(Path(path), "\n".join(f"{y} {a} {b}" for y, a, b in rows) + "\n")


def read_fame_trials(path: str | Path) -> TrialList:
    """FAME / MAV-Celeb trials ``key voice face``; people and labels are the organisers' secret."""
    key, left, right = _columns(path, read_lines(path), 3, None, 1)
    unique, counts = np.unique(key, return_counts=True)
    if (counts > 1).any():
        raise InputError(
            path, f"repeats {int((counts > 1).sum()):,} keys ({unique[counts > 1][0]}, …)", "repair it"
        )
    blank = np.full(len(key), "")
    return TrialList(
        name=_stem(path), left=left, right=right, labels=None, left_people=blank, right_people=blank, keys=key
    )


def write_fame_submission(path: str | Path, trials: TrialList, distances: ArrayLike) -> None:
    """Write a FAME submission: one line ``key distance`` a trial.

    Args:
        path: The file to write.
        trials: From `read_fame_trials`.
        distances: (n,) L2 distances: *lower* means the same person.

    Raises:
        InputError: the trials have no keys, or distances are missing, negative or not finite.
    """
    values = as_scores(distances, "distances")
    if trials.keys is None or len(values) != len(trials):
        raise InputError(
            "distances", f"are {len(values):,} for {len(trials):,} keyed trials", "give one a trial"
        )
    if (values < 0).any():
        raise InputError(
            "distances", f"{int((values < 0).sum()):,} are negative", "give distances, not scores"
        )
    write_text(Path(path), "\n".join(f"{k} {v:.8g}" for k, v in zip(trials.keys, values, strict=True)) + "\n")
