"""A corpus of synthetic people: what is asked for, and how a worker makes each of its items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.item import FaceItem, VideoItem, VoiceItem
from voiceface.errors import InputError
from voiceface.media.movie import MovieFacts
from voiceface.records import Box
from voiceface.synthetic.appearance import EXPRESSIONS
from voiceface.synthetic.drawing import Portrait
from voiceface.synthetic.ground_truth import synthetic_model, write_traits
from voiceface.synthetic.people import SyntheticPerson, seed_of, synthetic_person
from voiceface.synthetic.speech import Phoneme, speak
from voiceface.synthetic.talking_clip import FPS, TalkingClip, plan_clip
from voiceface.synthetic.traits import CausalModel, random_generator

EMOTION_NAMES: Mapping[str, str] = {
    "anger": "anger", "disgust": "disgust", "fear": "fear", "happiness": "happy", "neutral": "neutral",
    "sadness": "sad",
}  # fmt: skip
"""The emotions as corpora call them, and as faces and voices here do."""

PEOPLE_PER_SEED = 1_000_000
"""So many people have a seed of the corpus: another seed has none of them."""
_CLIP_OFFSET = 1_000_000
"""Clips' takes are counted from here, so that no clip repeats a recording."""


def emotion_of(person: int, take: int, *, neutral: float = 0.5) -> str:
    """The emotion of a person's take, by seeds alone: ``neutral`` of them without one, the rest alike.

    >>> [emotion_of(0, take) for take in range(4)]
    ['neutral', 'happiness', 'sadness', 'neutral']
    """
    rng = random_generator(person, take, 0xE307)
    others = [name for name in EMOTION_NAMES if name != "neutral"]
    return "neutral" if rng.random() < neutral else others[int(rng.integers(len(others)))]


def spoken_phonemes(corpus: Corpus, clip: int) -> list[Phoneme]:
    """What is said in a talking clip of a corpus of synthetic people, by saying it again.

    Raises:
        InputError: its people are not synthetic.
    """
    record = corpus.clips[clip]
    person = synthetic_person(seed_of(record.person), model=synthetic_model(corpus))
    seed = _CLIP_OFFSET + take_number(record.source.rpartition("/")[2])
    _, events = speak(person, seed=seed, emotion=EMOTION_NAMES[record.emotion], seconds=record.seconds)
    return events


def take_number(key: str) -> int:
    """The number of a recording, picture or clip in its key.

    >>> take_number("synthetic-00000012-00003")
    3
    """
    return int(key.rpartition("-")[2])


@dataclass(frozen=True, kw_only=True)
class SyntheticMediaGenerator:
    """Generates voices, faces and clips of a causal model's people: a `voiceface.corpus.item.MediaGenerator`.

    Raises InputError for numbers that cannot be.
    """

    model: CausalModel
    people: int
    seed: int = 0
    seconds: float = 4.0
    """Length of every voice."""
    size: int = 192
    """Side of every picture in pixels."""
    talk_seconds: float = 2.0
    talk_size: int = 128

    def __post_init__(self) -> None:
        """Refuse impossible numbers."""
        if not 1 <= self.people <= PEOPLE_PER_SEED:
            raise InputError("people", f"is {self.people}", f"give 1 to {PEOPLE_PER_SEED:,}")
        if self.seed < 0:
            raise InputError("seed", f"is {self.seed}", "give 0 or more")
        for name, value, low, high in (
            ("seconds", self.seconds, 0.5, 600), ("talk_seconds", self.talk_seconds, 1, 60),
            ("size", self.size, 96, 1024), ("talk_size", self.talk_size, 96, 512),
        ):  # fmt: skip
            if not low <= value <= high:
                raise InputError(name, f"is {value}", f"give {low} to {high}")

    def person(self, number: int) -> SyntheticPerson:
        """The person of a number below ``people``."""
        return synthetic_person(self.seed * PEOPLE_PER_SEED + number, model=self.model)

    def facts(self) -> dict[str, Any]:
        """The causal model and all that the media depend on besides."""
        return {
            "kind": "synthetic",
            "model": self.model.facts(),
            "seed": self.seed,
            "voices": {"seconds": self.seconds},
            "faces": {"size": self.size},
            "clips": {"seconds": self.talk_seconds, "size": self.talk_size},
        }

    def write(self, out: Path) -> None:
        """The people's true traits, as ``traits/people.parquet``."""
        write_traits(out, [self.person(number) for number in range(self.people)])

    def sound(self, item: VoiceItem) -> npt.NDArray[np.int16]:
        """A recording of some sentences, exactly ``seconds`` long."""
        person, seed, emotion = self._person_of(item), take_number(item.key), EMOTION_NAMES[item.emotion]
        wave, _ = speak(person, seed=seed, emotion=emotion, seconds=self.seconds)
        return _samples(wave)

    def picture(self, item: FaceItem) -> tuple[npt.NDArray[np.uint8], Box]:
        """A portrait, its expression by the seeds."""
        person, take = self._person_of(item), take_number(item.key)
        portrait = Portrait(person, seed=take, size=self.size)
        rng = random_generator(person.seed, take, 0xFACE5)
        face = EXPRESSIONS[EMOTION_NAMES[emotion_of(person.seed, _CLIP_OFFSET + take)]]
        face = replace(EXPRESSIONS["neutral"].mixed(face, float(rng.uniform(0.6, 1.0))))
        return np.asarray(portrait.draw(face)), portrait.box()

    def video(self, item: VideoItem) -> _SyntheticVideo:
        """A clip of talking."""
        return _SyntheticVideo(
            self, self._person_of(item), take_number(item.key), EMOTION_NAMES[item.emotion]
        )

    def padded_size(self, item: FaceItem | VideoItem) -> int:
        """What the pictures of a side keep within (of 500 at 192 pixels the longest had 11,581 bytes)."""
        side = self.talk_size if isinstance(item, VideoItem) else self.size
        return 3072 + 3 * side * side // 10

    def _person_of(self, item: VoiceItem | FaceItem | VideoItem) -> SyntheticPerson:
        return synthetic_person(seed_of(item.person), model=self.model)


@dataclass
class _SyntheticVideo:
    """One clip, planned when it is first asked for and drawn frame by frame."""

    generator: SyntheticMediaGenerator
    person: SyntheticPerson
    take: int
    emotion: str

    @cached_property
    def _talk(self) -> TalkingClip:
        return plan_clip(
            self.person, emotion=self.emotion, seed=_CLIP_OFFSET + self.take, size=self.generator.talk_size,
            seconds=self.generator.talk_seconds,
        )  # fmt: skip

    def samples(self) -> npt.NDArray[np.int16]:
        """The speech, as long as the frames."""
        return _samples(self._talk.wave)

    def facts(self) -> MovieFacts:
        """What a file's header would say."""
        seconds, side = len(self._talk.faces) / FPS, self.generator.talk_size
        return MovieFacts(seconds=seconds, fps=FPS, width=side, height=side, has_sound=True)

    def frames(self, *, fps: float) -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
        """The frames of these moments, each moment the last one drawn by then."""
        talk = self._talk
        for count in range(int(np.ceil(len(talk.faces) / FPS * fps - 1e-6))):
            index = int(count / fps * FPS + 1e-6)
            picture = talk.portrait.draw(talk.faces[index], talk.poses[index], index)
            yield count / fps, np.asarray(picture)

    def box(self, time: float) -> Box:
        """Where the face was drawn."""
        poses = self._talk.poses
        return self._talk.portrait.box(poses[min(int(time * FPS + 1e-6), len(poses) - 1)])


def _samples(wave: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    samples: npt.NDArray[np.int16] = np.clip(np.rint(wave * 32768.0), -32768, 32767).astype(np.int16)
    return samples
