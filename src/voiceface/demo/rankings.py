"""Rankings of faces by voices: of the user's pictures, and of imagined faces by several voices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError
from voiceface.pipelines.no_usable_file import no_usable_file
from voiceface.pipelines.rank_files import rank

if TYPE_CHECKING:
    from PIL.Image import Image

    from voiceface.demo.demo_voice import DemoVoice
    from voiceface.pipelines.matcher import Matcher

SIDE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRanking:
    """The user's pictures, best first, with probabilities at even odds, and those left out."""

    matcher: str
    ranked: Sequence[tuple[Path, float]]
    unusable: Sequence[InputError] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedFace:
    """An imagined face at one of the first places."""

    voice: int
    """Index of the voice it was imagined for."""
    number: int
    """Which of that voice's faces, from 0."""
    probability: float
    own: bool
    """Whether it was imagined for the voice that ranks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImaginedRanking:
    """The faces that each voice ranks first, and how many of them were imagined for it."""

    matcher: str
    first: Sequence[Sequence[RankedFace]]
    """By voice."""
    found: int
    """Imagined faces that the detector found, which were ranked."""
    places: int
    own: int
    """First places that went to a voice's own faces."""
    own_by_chance: float
    """How many a random order gives on average."""
    same_gender: int
    same_gender_by_chance: float


def rank_pictures(matcher: Matcher, voice: Path, pictures: Sequence[Path]) -> PictureRanking:
    """Rank pictures for a recording.

    Raises:
        InputError: the recording or all of the pictures cannot be used.
    """
    ranked, unusable = rank(matcher, voice, pictures, side="voice", progress=lambda done, total: None)
    if not ranked:
        raise no_usable_file([error for _, error in unusable], "picture")
    return PictureRanking(matcher=matcher.name, ranked=ranked, unusable=[error for _, error in unusable])


def rank_imagined(
    matcher: Matcher, voices: Sequence[DemoVoice], faces: Sequence[Sequence[Image]]
) -> ImaginedRanking:
    """Let each voice rank all imagined faces.

    Args:
        matcher: the matcher.
        voices: two or more.
        faces: by voice.

    Raises:
        InputError: the detector finds none of the faces.
    """
    flat = [(index, number) for index, own in enumerate(faces) for number in range(len(own))]
    missed: list[InputError] = []
    embedded = matcher.embed_faces(
        [faces[index][number] for index, number in flat], on_error=_collect(missed)
    )
    kept = np.flatnonzero(~np.isnan(embedded[:, 0]))
    if not len(kept):
        raise missed[0]
    voice_rows = matcher.embed_voices([voice.source for voice in voices])
    similarity = voice_rows.astype(np.float64) @ embedded[kept].astype(np.float64).T
    return first_places(
        similarity,
        matcher.probability(similarity),
        [flat[k] for k in kept],
        genders=[voice.gender for voice in voices],
        places=len(faces[0]),
        matcher=matcher.name,
    )


def first_places(
    similarity: npt.NDArray[np.float64],
    probability: npt.NDArray[np.float64],
    owners: Sequence[tuple[int, int]],
    *,
    genders: Sequence[str],
    places: int,
    matcher: str = "",
) -> ImaginedRanking:
    """The first places of each voice, counted beside what a random order gives.

    Args:
        similarity: (voices, faces).
        probability: (voices, faces), shown beside the faces.
        owners: index of the voice and number among its faces, by face.
        genders: by voice.
        places: how many places of each voice count.
        matcher: its name.
    """
    of_voice = np.array([voice for voice, _ in owners])
    gender_of = np.array(genders)[of_voice]
    places = min(places, len(owners))
    first, own, same, own_chance, same_chance = [], 0, 0, 0.0, 0.0
    for voice, gender in enumerate(genders):
        order = np.argsort(-similarity[voice], kind="stable")[:places]
        first.append(
            [
                RankedFace(
                    voice=owners[k][0],
                    number=owners[k][1],
                    probability=float(probability[voice, k]),
                    own=owners[k][0] == voice,
                )
                for k in order.tolist()
            ]
        )
        own += int((of_voice[order] == voice).sum())
        same += int((gender_of[order] == gender).sum())
        own_chance += places * float((of_voice == voice).mean())
        same_chance += places * float((gender_of == gender).mean())
    return ImaginedRanking(
        matcher=matcher,
        first=first,
        found=len(owners),
        places=places * len(genders),
        own=own,
        own_by_chance=own_chance,
        same_gender=same,
        same_gender_by_chance=same_chance,
    )


def face_of(path: Path) -> npt.NDArray[np.uint8]:
    """The face that is compared in a picture, upright, (256, 256, 3).

    Raises:
        InputError: the picture cannot be read, or shows no face.
    """
    from voiceface.face.align import align
    from voiceface.face.find_face import find_face

    found = find_face(path)
    return align(found.picture, found.landmarks, size=SIDE, template="portrait", border="edge")


def _collect(found: list[InputError]) -> Callable[[int, InputError], None]:
    return lambda _, error: found.append(error)
