"""The causal model: what a person's voice and face share, how strongly, and how noisily each shows it.

A person has causes: sex, accent (with the people it belongs to), age, body size and six idiosyncrasies. The
face shows the causes themselves. The voice shows a copy of them, whose faithfulness is the *link*: every
discrete cause is kept with probability ``link`` and drawn anew otherwise, every continuous one has
correlation ``link`` with the face's. Each observed trait is its cause plus the noise named for it; noise
and private traits belong to the person and stay the same in every recording and picture. The tones of skin
and hair that go with an accent here are invented for the experiment and say nothing of anybody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CONTINUOUS = ("age", "size", "resonance", "breath", "tempo", "melody", "roughness", "register")
"""Continuous shared causes, standard normal: two of the body, six idiosyncrasies that link voice and face."""

VOICE_PRIVATE = ("timbre", "brightness", "flutter", "stress", "nasality")
FACE_PRIVATE = (
    "brow_thickness", "eye_tilt", "eye_colour", "nose_bridge", "mouth_width", "chin", "forehead", "cheek",
    "lid", "freckles", "ears", "nose_tip", "hair_style", "beard", "glasses", "face_length",
)  # fmt: skip
"""Traits that only one side has, standard normal: they tell people apart and link nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accent:
    """One accent or language of eSpeak NG and the invented look that goes with it."""

    name: str
    voice: str
    """eSpeak NG's name of the language."""
    language: str
    """Which sentences are read: a key of `voiceface.synthetic.sentences.SENTENCES`."""
    skin: float
    """Mean tone of the skin, from -2 (lightest) to 2 (darkest), in the trait's units."""
    hair: float
    """Mean tone of the hair, from -2 (fair) to 2 (black), in the trait's units."""


ACCENTS: Mapping[str, Accent] = {
    a.name: a
    for a in (
        Accent(name="american", voice="en-us", language="en", skin=-0.6, hair=-0.4),
        Accent(name="scottish", voice="en-gb-scotland", language="en", skin=-1.6, hair=-1.0),
        Accent(name="caribbean", voice="en-029", language="en", skin=1.2, hair=1.5),
        Accent(name="swedish", voice="sv", language="sv", skin=-1.3, hair=-1.9),
        Accent(name="italian", voice="it", language="it", skin=-0.2, hair=0.6),
        Accent(name="indian", voice="hi", language="hi", skin=0.7, hair=1.7),
        Accent(name="chinese", voice="cmn", language="cmn", skin=-0.4, hair=1.8),
        Accent(name="kenyan", voice="sw", language="sw", skin=1.9, hair=1.9),
    )
}

_VOICE_NOISE = {"sex": 0.35, "age": 0.6, "size": 0.6} | dict.fromkeys(CONTINUOUS[2:], 0.8)
_FACE_NOISE = {"sex": 0.35, "skin": 0.35, "hair": 0.35, "age": 0.25, "size": 0.6} | dict.fromkeys(
    CONTINUOUS[2:], 0.8
)


def random_generator(*seeds: int) -> np.random.Generator:
    """The random stream of these seeds; InputError for a negative one."""
    if min(seeds) < 0:
        raise InputError("seed", f"is {min(seeds)}", "give 0 or more")
    return np.random.default_rng(list(seeds))


def age_in_years(age: Floats | float) -> Floats:
    """Years of the standard normal cause ``age``: from 18 to 82, half of the people below 44.

    >>> age_in_years(0.0).round(1).item()
    44.0
    """
    return np.asarray(18 + 64 / (1 + np.exp(-1.3 * np.asarray(age, dtype=np.float64) + 0.3795)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Causes and observed traits of n people as arrays.

    ``sex`` (n,) is 0 for women and 1 for men, ``accent`` (n,) an index into the model's accents, ``causes``
    (n, 8) in the order of `CONTINUOUS`: the person's own, which the face shows and the labels tell. The voice
    shows ``voice_sex`` (n,) around ±1, ``voice_accent`` (n,) without noise, ``voice`` (n, 8); the face shows
    ``face_sex`` (n,) around ±1, ``skin`` (n,), ``hair`` (n,) and ``face`` (n, 8).
    """

    sex: Ints
    accent: Ints
    causes: Floats
    voice_sex: Floats
    voice_accent: Ints
    voice: Floats
    voice_private: Floats
    face_sex: Floats
    skin: Floats
    hair: Floats
    face: Floats
    face_private: Floats

    def __len__(self) -> int:
        """Number of people."""
        return len(self.sex)

    def take(self, rows: npt.ArrayLike) -> Population:
        """The people of these rows, in this order."""
        index = np.asarray(rows)
        return Population(**{name: getattr(self, name)[index] for name in self.__slots__})


@dataclass(frozen=True, kw_only=True)
class CausalModel:
    """The strength of the link, each trait's noise and the accents: how much there is to find.

    ``voice_noise`` and ``face_noise`` replace single standard deviations (the trait's own causes have
    deviation 1, sex lies at ±1); an unknown name is refused. Raises InputError for a link outside [0, 1]
    and the like.

    >>> people = CausalModel(link=0.5).sample(3, np.random.default_rng(0))
    >>> people.voice.shape, people.skin.shape
    ((3, 8), (3,))
    """

    link: float = 1.0
    voice_noise: Mapping[str, float] = field(default_factory=dict)
    face_noise: Mapping[str, float] = field(default_factory=dict)
    accents: tuple[str, ...] = tuple(ACCENTS)

    def __post_init__(self) -> None:
        """Refuse impossible numbers."""
        if not 0.0 <= self.link <= 1.0:
            raise InputError("link", f"is {self.link}, which is no share", "give a number from 0 to 1")
        if not self.accents:
            raise InputError("accents", "names none", "name one of " + ", ".join(ACCENTS))
        _known("accents", self.accents, ACCENTS)
        _known("voice_noise", self.voice_noise, _VOICE_NOISE)
        _known("face_noise", self.face_noise, _FACE_NOISE)
        for name, value in (*self.voice_noise.items(), *self.face_noise.items()):
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"noise of {name}", f"is {value}", "give a positive standard deviation")

    def voice_deviation(self, trait: str) -> float:
        """Standard deviation of a trait's noise in the voice."""
        return float(self.voice_noise.get(trait, _VOICE_NOISE[trait]))

    def face_deviation(self, trait: str) -> float:
        """Standard deviation of a trait's noise in the face."""
        return float(self.face_noise.get(trait, _FACE_NOISE[trait]))

    def facts(self) -> dict[str, Any]:
        """All that the model is, as JSON holds it: `from_facts` makes the same one."""
        return {
            "link": float(self.link),
            "voice_noise": {name: self.voice_deviation(name) for name in _VOICE_NOISE},
            "face_noise": {name: self.face_deviation(name) for name in _FACE_NOISE},
            "accents": {name: [ACCENTS[name].skin, ACCENTS[name].hair] for name in self.accents},
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:
        """The model that `facts` told of.

        Raises InputError where they are incomplete or an accent's tones are not this version's, for then
        the ceiling would not be theirs.

        >>> model = CausalModel(link=0.5, face_noise={"skin": 0.1})
        >>> CausalModel.from_facts(model.facts()).facts() == model.facts()
        True
        """
        try:
            accents = {str(name): list(tones) for name, tones in facts["accents"].items()}
            model = cls(
                link=float(facts["link"]), voice_noise=dict(facts["voice_noise"]),
                face_noise=dict(facts["face_noise"]), accents=tuple(accents),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            fault = f"is incomplete ({type(error).__name__}: {error})"
            raise InputError("causal model", fault, "prepare the corpus again") from error
        if json.loads(json.dumps(model.facts()["accents"])) != accents:
            raise InputError("causal model", "has other accents' tones", "prepare the corpus again")
        return model

    def colour_means(self) -> Floats:
        """Mean skin and hair tone of every accent, (accents, 2)."""
        return np.array([(ACCENTS[name].skin, ACCENTS[name].hair) for name in self.accents])

    def correlations(self) -> Floats:
        """Correlation of each continuous trait between a person's voice and face, (8,)."""
        spread = [
            np.hypot(1, self.voice_deviation(name)) * np.hypot(1, self.face_deviation(name))
            for name in CONTINUOUS
        ]
        return self.link / np.asarray(spread, dtype=np.float64)

    def sample(self, count: int, rng: np.random.Generator) -> Population:
        """Draw ``count`` people; InputError for fewer than one."""
        if count < 1:
            raise InputError("people", f"is {count}", "ask for at least one")
        n, k, d = count, len(self.accents), len(CONTINUOUS)
        sex, accent = rng.integers(0, 2, n), rng.integers(0, k, n)
        causes = rng.standard_normal((n, d))
        shown_sex = np.where(rng.random(n) < self.link, sex, rng.integers(0, 2, n))
        spoken_accent = np.where(rng.random(n) < self.link, accent, rng.integers(0, k, n))
        shown = self.link * causes + np.sqrt(1 - self.link**2) * rng.standard_normal((n, d))
        tones = self.colour_means()[accent]
        voice_sigma = np.array([self.voice_deviation(name) for name in CONTINUOUS])
        face_sigma = np.array([self.face_deviation(name) for name in CONTINUOUS])
        return Population(
            sex=sex,
            accent=accent,
            causes=causes,
            voice_sex=2.0 * shown_sex - 1 + self.voice_deviation("sex") * rng.standard_normal(n),
            voice_accent=spoken_accent,
            voice=shown + voice_sigma * rng.standard_normal((n, d)),
            voice_private=rng.standard_normal((n, len(VOICE_PRIVATE))),
            face_sex=2.0 * sex - 1 + self.face_deviation("sex") * rng.standard_normal(n),
            skin=tones[:, 0] + self.face_deviation("skin") * rng.standard_normal(n),
            hair=tones[:, 1] + self.face_deviation("hair") * rng.standard_normal(n),
            face=causes + face_sigma * rng.standard_normal((n, d)),
            face_private=rng.standard_normal((n, len(FACE_PRIVATE))),
        )


def _known(what: str, names: object, known: Mapping[str, object]) -> None:
    for name in names:  # type: ignore[attr-defined]
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]}?" if near else "known: " + ", ".join(known)
            raise InputError(what, f"{name!r} is unknown", hint)
