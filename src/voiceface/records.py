"""The records that everything else uses: Person, Voice, Face, Clip, Trial.

Nothing here reads a file or knows an array library. Times are seconds, boxes are pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_RATE = 16_000
"""Samples a second of every stored recording, and of every waveform that a model takes."""

Box = tuple[float, float, float, float]
"""left, top, right, bottom in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with a voice, a face or both; empty strings where nothing is known."""

    id: str
    name: str = ""
    gender: str = ""
    """``"f"``, ``"m"`` or ``""``."""
    nationality: str = ""
    age: float | None = None
    ethnicity: str = ""
    split: str = ""
    """The split the source's authors put this person in (``train``, ``validation``, ``test``), if any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What every recording, picture and clip has."""

    id: str
    person: str
    session: str = ""
    """The video or recording session it was cut from: two items of one session share more than a person."""
    source: str = ""
    """The file it came from, relative to the source's root."""
    split: str = ""
    """The authors' split of this item, if it is not its person's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice(_Record):
    """One recording of one person, stored as 16 kHz mono int16."""

    start: float = 0.0
    """Where it begins in its file, in seconds."""
    seconds: float = 0.0
    language: str = ""
    emotion: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Face(_Record):
    """One picture of one person: an encoded crop with context, the face's box and landmarks in it."""

    time: float | None = None
    """The moment in the video it was taken from, in seconds; None for a photograph."""
    box: Box = (0.0, 0.0, 0.0, 0.0)
    landmarks: tuple[tuple[float, float], ...] = ()
    """Five points: the outer and inner corner of each eye and the base of the nose, in dlib's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip(_Record):
    """A stretch of video of one face with its sound, stored as encoded frames and int16 samples."""

    start: float = 0.0
    seconds: float = 0.0
    fps: float = 25.0
    emotion: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One question put to a model: are this voice and this face one person's?"""

    voice: str
    face: str
    same: bool
    voice_person: str = ""
    face_person: str = ""
