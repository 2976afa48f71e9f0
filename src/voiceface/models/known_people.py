"""Known people as a generator meets them in training and after: by their names, pictures and speech."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.voice_encoder import as_wave

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.corpus.splits import Selection

__all__ = [
    "KnownPeopleBatches",
    "sample_indices",
    "face_labels",
    "known_people",
    "person_indices",
    "speech_frames",
]

Rows = npt.NDArray[np.int64]


def known_people(selection: Selection, *, voiced: bool) -> list[str]:
    """Sorted ids of everybody with a face here, and a voice where ``voiced``.

    Raises:
        InputError: fewer than two of them, which no condition could tell apart.
    """
    corpus = selection.corpus
    found = set(corpus.column("faces", "person")[selection.faces].astype(str).tolist())
    if voiced:
        found &= set(corpus.column("voices", "person")[selection.voices].astype(str).tolist())
    if len(found) < 2:
        what = "both a voice and a face" if voiced else "a face"
        raise InputError(corpus.path, f"has {len(found)} people with {what} to learn", "prepare more people")
    return sorted(found)


class KnownPeopleBatches:
    """Batches of pictures with the number of the person they show and, where wanted, 4 s of their speech.

    A picture with a time goes with speech of its own file around that moment, as Roldán's frames do; any
    other with a random stretch of a random recording of its person. Pictures are drawn with replacement,
    so that fewer of them than the batch serve as well.

    Args:
        selection: the training items.
        people: whom the numbers stand for; pictures of others are left out.
        batch_size: pictures a step.
        size: side of the pictures.
        template: how they are cut.
        frame: samples of speech beside each picture; 0 for none.
        seed: of every draw.
        wrong_labels: pictures are shuffled over people: a control in which no name tells anything.
    """

    def __init__(
        self,
        selection: Selection,
        people: Sequence[str],
        *,
        batch_size: int,
        size: int,
        template: str = "dlib",
        frame: int = 0,
        seed: int = 0,
        wrong_labels: bool = False,
    ) -> None:
        corpus = selection.corpus
        number = {person: index for index, person in enumerate(people)}
        owners = corpus.column("faces", "person")[selection.faces].astype(str)
        kept = np.isin(owners, list(number))
        self.faces: Rows = selection.faces[kept]
        self.people = np.array([number[owner] for owner in owners[kept].tolist()], dtype=np.int64)
        if not len(self.faces):
            raise InputError(corpus.path, "holds no picture of these people", "prepare some")
        if wrong_labels:
            self.people = np.random.default_rng(seed).permutation(self.people)
        self.corpus, self.size, self.frame, self.seed = corpus, batch_size, frame, seed
        self.pictures = face_view(corpus, size=size, template=template)
        self.voices = _voices(selection, people) if frame else []
        self.moments = {} if wrong_labels or not frame else _moments(selection, self.faces)

    def batch(self, step: int) -> dict[str, Tensor]:
        """``pictures (n, side, side, 3)`` uint8, ``people (n,)``; where wanted ``waves (n, frame)`` int16."""
        random = np.random.default_rng(_number(self.seed, step))
        picked = random.integers(len(self.faces), size=self.size)
        batch = {
            "pictures": torch.from_numpy(np.ascontiguousarray(self.pictures[self.faces[picked]])),
            "people": torch.from_numpy(self.people[picked]),
        }
        if self.frame:
            waves = np.zeros((self.size, self.frame), np.int16)
            for row, place in enumerate(picked.tolist()):
                self._say(waves[row], place, random)
            batch["waves"] = torch.from_numpy(waves)
        return batch

    def _say(self, out: npt.NDArray[np.int16], place: int, random: np.random.Generator) -> None:
        """Fill ``out`` with speech for the picture at ``place``."""
        around = self.moments.get(int(self.faces[place]), [])
        if around:
            voice, middle = around[int(random.integers(len(around)))]
            wave = self.corpus.wave(voice)
            start = min(max(0, middle - self.frame // 2), max(0, len(wave) - self.frame))
        else:
            mine = self.voices[int(self.people[place])]
            wave = self.corpus.wave(int(mine[int(random.integers(len(mine)))]))
            start = int(random.integers(max(1, len(wave) - self.frame + 1)))
        cut = wave[start : start + self.frame]
        out[: len(cut)] = cut


def _voices(selection: Selection, people: Sequence[str]) -> list[Rows]:
    owners = selection.corpus.column("voices", "person")[selection.voices].astype(str)
    found = [selection.voices[owners == person] for person in people]
    if any(not len(rows) for rows in found):
        person = next(person for person, rows in zip(people, found, strict=True) if not len(rows))
        raise InputError(selection.corpus.path, f"holds no voice of {person}", "leave this person out")
    return found


def _moments(selection: Selection, faces: Rows) -> dict[int, list[tuple[int, int]]]:
    """For each picture with a time: the voices of its file that hold the moment, and at which sample."""
    corpus: Corpus = selection.corpus
    times = corpus.column("faces", "time")
    told = [row for row in faces.tolist() if np.isfinite(times[row])]
    if not told:
        return {}
    people, sources = (corpus.column("faces", name) for name in ("person", "source"))
    of_file: dict[tuple[str, str], list[tuple[int, float, float]]] = {}
    columns = [corpus.column("voices", name) for name in ("person", "source", "start", "seconds")]
    for row in selection.voices.tolist():
        person, source, start, seconds = (column[row] for column in columns)
        of_file.setdefault((str(person), str(source)), []).append((row, float(start), float(seconds)))
    found: dict[int, list[tuple[int, int]]] = {}
    for row in told:
        time = float(times[row])
        spans = of_file.get((str(people[row]), str(sources[row])), [])
        around = [(v, round((time - a) * 16_000)) for v, a, length in spans if a <= time <= a + length]
        if around:
            found[row] = around
    return found


def sample_indices(cues: Sequence[GeneratorInput]) -> list[int]:
    """Which of the seed's draws each cue takes: the one it asks for, else its place."""
    return [place if cue.draw is None else cue.draw for place, cue in enumerate(cues)]


def person_indices(cues: Sequence[GeneratorInput], people: Sequence[str]) -> Tensor:
    """The numbers ``(cues,)`` of the people asked for.

    Raises:
        InputError: a cue has no name, or one that was not trained on; the nearest known ones are offered.
    """
    number = {person: index for index, person in enumerate(people)}
    for cue in cues:
        if not cue.person:
            raise InputError("cue", "names nobody", f"name one of {len(people)} known people")
        if cue.person not in number:
            near = difflib.get_close_matches(cue.person, people, n=3, cutoff=0.0)
            names = " or ".join(repr(name) for name in near)
            raise InputError(cue.person, "is not among the people this model knows", f"did you mean {names}?")
    return torch.tensor([number[cue.person] for cue in cues], dtype=torch.int64)


def speech_frames(cues: Sequence[GeneratorInput], frame: int) -> Tensor:
    """The middle ``frame`` samples of every cue's voice, ``(cues, frame)`` float; zeros after shorter ones.

    Raises:
        InputError: a cue has no voice, or one that cannot be used.
    """
    rows = torch.zeros(len(cues), frame)
    for row, cue in enumerate(cues):
        if cue.wave is None:
            raise InputError("cue", "holds no voice", "give a recording of speech")
        wave = as_wave(cue.wave)
        start = max(0, (len(wave) - frame) // 2)
        cut = wave[start : start + frame]
        rows[row, : len(cut)] = cut
    return rows


def _number(*parts: int) -> int:
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def face_labels(selection: Selection, people: Sequence[str]) -> tuple[Rows, Rows]:
    """The selection's faces that show one of ``people``, and whom by number: two of ``(faces,)``."""
    owners = selection.corpus.column("faces", "person")[selection.faces].astype(str)
    kept = np.isin(owners, list(people))
    numbers = np.searchsorted(np.array(people, dtype=str), owners[kept])
    return selection.faces[kept], numbers.astype(np.int64)
