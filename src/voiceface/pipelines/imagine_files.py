"""Faces for many recordings, one after the other, each written as soon as it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from voiceface.errors import InputError
from voiceface.pipelines.input_files import expand_folders

if TYPE_CHECKING:
    from voiceface.media.origin import GeneratedImage
    from voiceface.pipelines.imaginer import Heard, Imaginer

__all__ = ["Drawn", "Job", "GenerationOptions", "imagine_files", "imagine_known_person", "planned"]

_BLOCK = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One recording, or a person known by name, and the pictures to be written for it."""

    voice: Path | str
    pictures: list[Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationOptions:
    """How faces are to be drawn."""

    n: int = 1
    seed: int = 0
    person: str = ""
    typical: bool = False
    force: bool = False


@dataclass(slots=True)
class Drawn:
    """What was written, and what could not be."""

    faces: list[tuple[Job, float | None]] = field(default_factory=list)
    """With the recording's plausibility; a name has none."""
    failed: list[InputError] = field(default_factory=list)


def planned(voices: Sequence[Path], out: Path, *, n: int = 1, suffix: str = ".png") -> list[Job]:
    """Which picture (or movie) is written for which recording.

    ``out`` names the picture where there is one recording and it ends in ``suffix``, else a folder, in which
    the pictures are called as the recordings and lie as these lie in the folders named.

    Raises:
        InputError: a folder without recordings, one picture for several recordings, or two of one name.
    """
    found = dict(_placed(voices))
    if out.suffix.lower() == suffix:
        if len(found) > 1:
            raise InputError(out, f"names one file for {len(found)} recordings", "name a folder")
        return [Job(voice=voice, pictures=_numbered(out, n)) for voice in found]
    stems = [str(place.with_suffix("")).casefold() for place in found.values()]
    alike = len(set(stems)) < len(stems)  # a.wav and a.mp3: then all pictures keep the whole name
    jobs = []
    for voice, place in found.items():
        picture = out / (place.with_name(place.name + suffix) if alike else place.with_suffix(suffix))
        jobs.append(Job(voice=voice, pictures=_numbered(picture, n)))
    taken: dict[str, Path | str] = {}
    for job in jobs:
        for picture in job.pictures:
            other = taken.setdefault(str(picture).casefold(), job.voice)
            if other != job.voice:
                fault = f"would be written for {other} and for {job.voice}"
                raise InputError(picture, fault, "draw them into two folders")
    return jobs


def imagine_files(
    imaginer: Imaginer,
    jobs: Sequence[Job],
    wishes: GenerationOptions,
    *,
    progress: Callable[[int, int], None],
) -> Drawn:
    """Draw and write; a recording that cannot be used is put down and the rest goes on.

    Raises:
        InputError: a picture cannot be written.
    """
    from voiceface.media.picture import save_png

    done = Drawn()
    progress(0, len(jobs))
    for first in range(0, len(jobs), _BLOCK):
        heard = list(_heard(jobs[first : first + _BLOCK], done.failed))
        for (job, voice), faces in zip(heard, _faces(imaginer, heard, wishes, done.failed), strict=True):
            for path, face in zip(job.pictures, faces, strict=False):
                path.parent.mkdir(parents=True, exist_ok=True)
                save_png(path, face)
            if faces:
                done.faces.append((job, voice.plausibility))
        progress(min(first + _BLOCK, len(jobs)), len(jobs))
    return done


def imagine_known_person(imaginer: Imaginer, out: Path, wishes: GenerationOptions) -> Drawn:
    """Draw and write somebody the weights know by name.

    Raises:
        InputError: they do not know the name, or draw from voices; or a picture cannot be written.
    """
    from voiceface.media.picture import save_png

    picture = out if out.suffix.lower() == ".png" else out / f"{wishes.person}.png"
    job = Job(voice=wishes.person, pictures=_numbered(picture, wishes.n))
    faces = imaginer(n=wishes.n, seed=wishes.seed, person=wishes.person, typical=wishes.typical)
    picture.parent.mkdir(parents=True, exist_ok=True)
    for path, face in zip(job.pictures, faces, strict=True):
        save_png(path, face)
    return Drawn(faces=[(job, None)])


def _heard(jobs: Sequence[Job], failed: list[InputError]) -> Iterator[tuple[Job, Heard]]:
    from voiceface.pipelines.imaginer import hear

    for job in jobs:
        try:
            yield job, hear(Path(job.voice))
        except InputError as error:
            failed.append(error)


def _faces(
    imaginer: Imaginer,
    heard: Sequence[tuple[Job, Heard]],
    wishes: GenerationOptions,
    failed: list[InputError],
) -> list[list[GeneratedImage]]:
    """The faces for each recording; none where it cannot be used."""
    if wishes.n == 1 and not wishes.person:
        one_each = imaginer.many(
            [voice for _, voice in heard],
            seed=wishes.seed,
            typical=wishes.typical,
            force=wishes.force,
            on_error=lambda _, error: failed.append(error),
        )
        return [[face] if face is not None else [] for face in one_each]
    found: list[list[GeneratedImage]] = []
    for _, voice in heard:
        try:
            found.append(
                imaginer(
                    voice,
                    n=wishes.n,
                    seed=wishes.seed,
                    person=wishes.person,
                    typical=wishes.typical,
                    force=wishes.force,
                )
            )
        except InputError as error:
            failed.append(error)
            found.append([])
    return found


def _placed(voices: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Each recording and where it lies below the folder that was named."""
    for source in voices:
        for path in expand_folders([source], "voice"):
            yield path, path.relative_to(source) if source.is_dir() else Path(path.name)


def _numbered(picture: Path, n: int) -> list[Path]:
    return [picture] if n == 1 else [picture.with_stem(f"{picture.stem}-{k}") for k in range(1, n + 1)]
