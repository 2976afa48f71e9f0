"""People who do not exist: their causes, the traits of their voices and faces, all from one seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voiceface.errors import InputError
from voiceface.records import Person
from voiceface.synthetic.traits import (
    ACCENTS,
    CONTINUOUS,
    FACE_PRIVATE,
    VOICE_PRIVATE,
    Accent,
    CausalModel,
    Population,
    age_in_years,
    random_generator,
)

_NAME = "synthetic-"


@dataclass(frozen=True, kw_only=True)
class SyntheticPerson:
    """One synthetic person: the true causes (labels) and the traits that voice and face show.

    ``voice`` and ``face`` map trait names to standardised values; ``spoken_accent`` is the accent spoken,
    which a link below 1 may have cut from the person's own ``accent``.
    """

    seed: int
    model: CausalModel
    population: Population
    """The same person as arrays of one row: what the ceiling computes with."""

    @property
    def id(self) -> str:
        """A name of the seed only."""
        return f"{_NAME}{self.seed:08d}"

    @property
    def sex(self) -> str:
        """``"f"`` or ``"m"``: the label, which the face shows."""
        return "fm"[int(self.population.sex[0])]

    @property
    def age(self) -> float:
        """Years."""
        return float(age_in_years(self.population.causes[0, 0]))

    @property
    def accent(self) -> Accent:
        """The person's own accent, whose look the face shows."""
        return ACCENTS[self.model.accents[int(self.population.accent[0])]]

    @property
    def spoken_accent(self) -> Accent:
        """The accent that the voice speaks with."""
        return ACCENTS[self.model.accents[int(self.population.voice_accent[0])]]

    @property
    def voice(self) -> Mapping[str, float]:
        """What the voice shows: ``sex``, the continuous traits and the private ones."""
        p = self.population
        names = ("sex", *CONTINUOUS, *VOICE_PRIVATE)
        values = (p.voice_sex[0], *p.voice[0], *p.voice_private[0])
        return {name: float(value) for name, value in zip(names, values, strict=True)}

    @property
    def face(self) -> Mapping[str, float]:
        """What the face shows: ``sex``, ``skin``, ``hair``, the continuous traits and the private ones."""
        p = self.population
        names = ("sex", "skin", "hair", *CONTINUOUS, *FACE_PRIVATE)
        values = (p.face_sex[0], p.skin[0], p.hair[0], *p.face[0], *p.face_private[0])
        return {name: float(value) for name, value in zip(names, values, strict=True)}

    def record(self) -> Person:
        """The plain facts of this person, as a corpus lists them."""
        return Person(id=self.id, gender=self.sex, nationality=self.accent.name, age=round(self.age, 1))


def seed_of(id: str) -> int:
    """The seed in a synthetic person's id; InputError where it is somebody else's.

    >>> seed_of(synthetic_person(3).id)
    3
    """
    digits = id.removeprefix(_NAME)
    if digits == id or not digits.isdecimal():
        raise InputError(id, "is no synthetic person", "name one of a synthetic corpus")
    return int(digits)


def synthetic_person(
    seed: int, *, link: float = 1.0, accent: str | None = None, model: CausalModel | None = None
) -> SyntheticPerson:
    """Draw the person of a seed; the same seed and model give the same person on every machine.

    ``model`` replaces ``link`` and ``accent`` (one accent for everybody). Raises InputError for a link
    outside [0, 1] or an unknown accent.

    >>> synthetic_person(3).sex, round(synthetic_person(3).age)
    ('f', 20)
    """
    if model is None:
        model = CausalModel(link=link, accents=tuple(ACCENTS) if accent is None else (accent,))
    population = model.sample(1, random_generator(seed, 0xFACE))
    return SyntheticPerson(seed=seed, model=model, population=population)
