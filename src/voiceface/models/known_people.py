"""Known people in training and at inference: their names, pictures and speech."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.media.unicode_names import in_one_form
from voiceface.models.generator_input import GeneratorInput, input_waves
from voiceface.models.step_seed import numpy_generator
from voiceface.models.voice_encoder import as_wave
from voiceface.records import SAMPLE_RATE

if TYPE_CHECKING:
    from voiceface.corpus.splits import Selection

Indices = npt.NDArray[np.int64]


def known_people(selection: Selection, *, require_voices: bool) -> list[str]:
    """Sorted ids of everybody with a face in the selection, and with a voice if ``require_voices``.

    Raises:
        InputError: fewer than two of them, which no condition could tell apart.
    """
    corpus = selection.corpus
    found = set(selection.person_of("faces").tolist())
    if require_voices:
        found &= set(selection.person_of("voices").tolist())
    if len(found) < 2:
        what = "both a voice and a face" if require_voices else "a face"
        raise InputError(corpus.path, f"has {len(found)} people with {what} to learn", "prepare more people")
    return sorted(found)


class KnownPeopleBatches:
    """Batches of pictures with the index of the person they show and, if asked, 4 s of their speech.

    A picture with a time goes with speech of its own file around that moment, as Roldán's frames do; any
    other with a random segment of a random recording of its person. Pictures are sampled with replacement,
    so that fewer of them than the batch size serve as well.

    Args:
        selection: the training items.
        people: the people that the indices stand for; pictures of others are left out.
        batch_size: pictures a step.
        size: side of the pictures in pixels.
        template: their alignment.
        frame: samples of speech beside each picture; 0 for none.
        seed: random seed.
        wrong_labels: pictures are shuffled over people: a control in which names carry no information.
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
        self.faces, self.people = face_labels(selection, people)
        if not len(self.faces):
            raise InputError(selection.corpus.path, "holds no picture of these people", "prepare some")
        if wrong_labels:
            self.people = np.random.default_rng(seed).permutation(self.people)
        self.corpus, self.batch_size, self.frame, self.seed = selection.corpus, batch_size, frame, seed
        self.pictures = face_view(self.corpus, size=size, template=template)
        self.voices = _voices_of_each(selection, people) if frame else []
        self.moments = {} if wrong_labels or not frame else _moments(selection, self.faces)

    def batch(self, step: int) -> dict[str, Tensor]:
        """``pictures (n, side, side, 3)`` uint8, ``people (n,)``; if asked ``waves (n, frame)`` int16."""
        random = numpy_generator(self.seed, step)
        chosen = random.integers(len(self.faces), size=self.batch_size)
        batch = {
            "pictures": torch.from_numpy(np.ascontiguousarray(self.pictures[self.faces[chosen]])),
            "people": torch.from_numpy(self.people[chosen]),
        }
        if self.frame:
            waves = np.zeros((self.batch_size, self.frame), np.int16)
            for out, index in zip(waves, chosen.tolist(), strict=True):
                self._fill_speech(out, index, random)
            batch["waves"] = torch.from_numpy(waves)
        return batch

    def _fill_speech(self, out: npt.NDArray[np.int16], index: int, random: np.random.Generator) -> None:
        """Fill ``out`` with speech for picture ``index``."""
        around = self.moments.get(int(self.faces[index]), [])
        if around:
            voice, middle = around[int(random.integers(len(around)))]
            wave = self.corpus.wave(voice)
            start = min(max(0, middle - self.frame // 2), max(0, len(wave) - self.frame))
        else:
            voices = self.voices[int(self.people[index])]
            fill_speech(out, self.corpus.wave(int(voices[int(random.integers(len(voices)))])), random)
            return
        segment = wave[start : start + self.frame]
        out[: len(segment)] = segment


def fill_speech(out: npt.NDArray[np.int16], wave: npt.NDArray[np.int16], random: np.random.Generator) -> None:
    """Fill ``out``, of zeros, with a random segment of a recording, or its beginning with a shorter one."""
    start = int(random.integers(max(1, len(wave) - len(out) + 1)))
    segment = wave[start : start + len(out)]
    out[: len(segment)] = segment


def _voices_of_each(selection: Selection, people: Sequence[str]) -> list[Indices]:
    owners = selection.person_of("voices")
    found = [selection.voices[owners == person] for person in people]
    for person, voices in zip(people, found, strict=True):
        if not len(voices):
            raise InputError(selection.corpus.path, f"holds no voice of {person}", "leave this person out")
    return found


def _moments(selection: Selection, faces: Indices) -> dict[int, list[tuple[int, int]]]:
    """For each picture with a time: the voices of its file that contain the moment, and at which sample."""
    corpus = selection.corpus
    times = corpus.column("faces", "time")
    timed = [face for face in faces.tolist() if np.isfinite(times[face])]
    if not timed:
        return {}
    people, sources = (corpus.column("faces", name) for name in ("person", "source"))
    of_file: dict[tuple[str, str], list[tuple[int, float, float]]] = {}
    columns = [corpus.column("voices", name) for name in ("person", "source", "start", "seconds")]
    for voice in selection.voices.tolist():
        person, source, start, seconds = (column[voice] for column in columns)
        of_file.setdefault((str(person), str(source)), []).append((voice, float(start), float(seconds)))
    found: dict[int, list[tuple[int, int]]] = {}
    for face in timed:
        time = float(times[face])
        spans = of_file.get((str(people[face]), str(sources[face])), [])
        around = [(v, round((time - a) * SAMPLE_RATE)) for v, a, length in spans if a <= time <= a + length]
        if around:
            found[face] = around
    return found


def person_indices(inputs: Sequence[GeneratorInput], people: Sequence[str]) -> Tensor:
    """Indices ``(inputs,)`` of the requested people.

    Raises:
        InputError: an input has no name, or one that was not trained on; the nearest known ones are offered.
    """
    index = {in_one_form(person): k for k, person in enumerate(people)}
    for one in inputs:
        if not one.person:
            raise InputError("the input", "names nobody", f"name one of {len(people)} known people")
        if in_one_form(one.person) not in index:
            near = difflib.get_close_matches(one.person, people, n=3, cutoff=0.0)
            names = " or ".join(repr(name) for name in near)
            raise InputError(one.person, "is not among the people this model knows", f"did you mean {names}?")
    return torch.tensor([index[in_one_form(one.person)] for one in inputs], dtype=torch.int64)


def speech_frames(inputs: Sequence[GeneratorInput], frame: int) -> Tensor:
    """The middle ``frame`` samples of every voice, ``(inputs, frame)`` float; shorter ones end in zeros.

    Raises:
        InputError: an input has no voice, or one that cannot be used.
    """
    frames = torch.zeros(len(inputs), frame)
    for out, wave in zip(frames, map(as_wave, input_waves(inputs)), strict=True):
        start = max(0, (len(wave) - frame) // 2)
        segment = wave[start : start + frame]
        out[: len(segment)] = segment
    return frames


def face_labels(selection: Selection, people: Sequence[str]) -> tuple[Indices, Indices]:
    """The selection's faces of ``people``, and the index of the person in it of each: two of ``(faces,)``."""
    owners = selection.person_of("faces")
    kept = np.isin(owners, list(people))
    index = {person: k for k, person in enumerate(people)}
    labels = np.array([index[owner] for owner in owners[kept].tolist()], dtype=np.int64)
    return selection.faces[kept], labels
