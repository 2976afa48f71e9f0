"""People of a corpus who may be one person under two names: suggested from faces and voices, never merged."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voiceface.corpus.corpus import Corpus
from voiceface.media.files import write_text
from voiceface.models.corpus_embeddings import align_corpus_face, embed_aligned_faces
from voiceface.models.encoder_loading import load_voice_encoder

Rows = npt.NDArray[np.float32]
_Pair = tuple[int, int, float, float | None]
"""Two indices of people, the distance of their faces, the likeness of their voices."""

SAME_PEOPLE_FILE = "same_people.csv"
"""Written into the corpus' folder."""
_ITEMS = 6
"""Pictures and recordings of each person that are compared, evenly spaced over all."""
_FACE, _VOICE, _FACE_ALONE = 0.5, 0.7, 0.4
# Of 874 real clips of 756 people: 0.83 of the pairs of one person's clips, and 34 of 381,208 of two people's,
# are as near by both; by the face alone 0.49, and 10.


@dataclass(frozen=True, slots=True, kw_only=True)
class SamePeople:
    """Two people who may be one."""

    person: str
    other: str
    group: int
    """Number, from 1, of the people who are joined by suggestions."""
    faces: float
    """Distance of their mean face embeddings (dlib's, below 0.6 for one person)."""
    voices: float | None
    """Cosine of their mean voice embeddings; None where either has no voice."""

    def __str__(self) -> str:
        """One line."""
        voices = "" if self.voices is None else f", voices {self.voices:.2f} alike"
        return f"{self.person} and {self.other} (faces {self.faces:.2f} apart{voices})"


def suggest_same_people(corpus: Corpus) -> list[SamePeople]:
    """Pairs of a corpus' people whose faces and voices are as near as one person's, the nearest first.

    A person is the mean embedding of up to six pictures (dlib) and up to six recordings (the shipped voice
    encoder). Two are suggested whose faces are at most 0.5 apart and whose voices are at least 0.7 alike, or,
    where there is no voice, whose faces are at most 0.4 apart. Nobody is merged; the pairs are also written
    into the corpus' folder, `SAME_PEOPLE_FILE`: group, person, other, faces, voices.

    Raises:
        InputError: a part of the corpus is damaged, or its folder cannot be written.
    """
    people = sorted(set(corpus.person_of("faces").tolist()))
    found: list[SamePeople] = []
    if people[1:]:
        faces = _faces(corpus, people)
        found = nearest_people(people, faces, _voices(corpus, people, _with_near_face(faces)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("group", "person", "other", "faces", "voices"))
    for one in found:
        voices = "" if one.voices is None else f"{one.voices:.3f}"
        writer.writerow((one.group, one.person, one.other, f"{one.faces:.3f}", voices))
    write_text(corpus.path / SAME_PEOPLE_FILE, text.getvalue())
    return found


def nearest_people(people: Sequence[str], faces: Rows, voices: Rows) -> list[SamePeople]:
    """The pairs of ``people`` to suggest.

    Args:
        people: ids, in the order of the rows.
        faces: (people, 128) mean face embeddings.
        voices: (people, n) mean voice embeddings, of length 1; NaN for a person without a voice.
    """
    pairs: list[_Pair] = []
    for first, (face, voice) in enumerate(zip(faces, voices, strict=True)):
        apart = np.linalg.norm(faces[first + 1 :] - face, axis=1)
        alike = voices[first + 1 :] @ voice
        near = (apart <= _FACE) & (alike >= _VOICE) | (apart <= _FACE_ALONE) & np.isnan(alike)
        for k in np.flatnonzero(near).tolist():
            voice_likeness = None if np.isnan(alike[k]) else float(alike[k])
            pairs.append((first, first + 1 + k, float(apart[k]), voice_likeness))
    groups = _groups(len(people), pairs)
    return [
        SamePeople(person=people[a], other=people[b], group=groups[a], faces=apart, voices=alike)
        for a, b, apart, alike in sorted(pairs, key=lambda pair: pair[2])
    ]


def _with_near_face(faces: Rows) -> set[int]:
    """The indices of people whose face is near another's: nobody else's voice can matter."""
    near: set[int] = set()
    for first, face in enumerate(faces):
        for k in np.flatnonzero(np.linalg.norm(faces[first + 1 :] - face, axis=1) <= _FACE).tolist():
            near |= {first, first + 1 + k}
    return near


def _groups(count: int, pairs: Sequence[_Pair]) -> dict[int, int]:
    """The number of the group of everybody who is in a pair."""
    root = list(range(count))
    for a, b, *_ in pairs:
        old, new = root[b], root[a]
        root = [new if one == old else one for one in root]
    joined = dict.fromkeys(root[a] for a, *_ in pairs)
    numbers = {one: number for number, one in enumerate(joined, start=1)}
    return {k: numbers[one] for k, one in enumerate(root) if one in numbers}


def _some(items: npt.NDArray[np.int64]) -> list[int]:
    return [int(items[k]) for k in np.linspace(0, len(items) - 1, min(_ITEMS, len(items))).astype(np.int64)]


def _faces(corpus: Corpus, people: Sequence[str]) -> Rows:
    owners = corpus.person_of("faces")
    rows = []
    for person in people:
        chosen = _some(np.flatnonzero(owners == person))
        rows.append(embed_aligned_faces(np.stack([align_corpus_face(corpus, k) for k in chosen])).mean(0))
    return np.stack(rows)


def _voices(corpus: Corpus, people: Sequence[str], wanted: set[int]) -> Rows:
    """The mean embeddings of the wanted people's voices; NaN for others, and for who has no voice."""
    if not wanted:
        return np.full((len(people), 1), np.nan, np.float32)
    encoder = load_voice_encoder("student")
    owners = corpus.person_of("voices")
    rows = np.full((len(people), encoder.dim), np.nan, np.float32)
    for index in sorted(wanted):
        row, person = rows[index], people[index]
        chosen = _some(np.flatnonzero(owners == person)) if (owners == person).any() else []
        if chosen:
            mean = encoder.embed([corpus.wave(k) for k in chosen]).mean(0)
            row[:] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return rows
