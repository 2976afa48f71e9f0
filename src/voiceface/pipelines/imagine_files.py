"""Faces for many recordings, each written as soon as it is generated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from voiceface.audio.speech_activity import SpeechDetector, installed_detector
from voiceface.errors import InputError
from voiceface.media.check_writable import check_inputs_kept
from voiceface.pipelines.input_files import expand_folders

if TYPE_CHECKING:
    from voiceface.media.origin import GeneratedImage
    from voiceface.pipelines.imaginer import Imaginer
    from voiceface.pipelines.voice_recording import VoiceRecording

_BLOCK = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One recording, or a person known by name, and the pictures to be written for it."""

    voice: Path | str
    pictures: list[Path]


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """How faces are generated: the options of `Imaginer`'s call, and what detects speech.

    Raises MissingPartError where the wheel of the detector is not installed.
    """

    n: int = 1
    seed: int = 0
    size: int | None = None
    person: str = ""
    typical: bool = False
    glasses: bool = False
    force: bool = False
    detector: SpeechDetector = "auto"

    def __post_init__(self) -> None:
        """Refuse a detector that is not installed."""
        installed_detector(self.detector)


@dataclass(slots=True)
class GenerationResult:
    """The faces that were written, and the recordings that could not be used."""

    faces: list[tuple[Job, float | None]] = field(default_factory=list)
    """With the recording's plausibility; a name has none."""
    failed: list[InputError] = field(default_factory=list)


def plan_jobs(
    voices: Sequence[Path], out: Path, *, n: int = 1, suffix: str = ".png", others: Collection[str] = ()
) -> list[Job]:
    """Plan which pictures (or movies) are written for which recording.

    ``out`` is the picture where there is one recording and it ends in ``suffix`` or one of ``others``, else
    a folder, in which the pictures have the recordings' names and folders.

    Raises:
        InputError: a folder without recordings, one picture for several recordings, two of one name, or one
            that would be written over a recording.
    """
    found = dict(_relative_paths(voices))
    if out.suffix.lower() in (suffix, *others):
        if len(found) > 1:
            raise InputError(out, f"names one file for {len(found)} recordings", "name a folder")
        jobs = [Job(voice=voice, pictures=_numbered(out, n)) for voice in found]
    else:
        jobs = _jobs_in_folder(found, out, n, suffix)
    check_inputs_kept((picture for job in jobs for picture in job.pictures), found)
    return jobs


def _jobs_in_folder(found: Mapping[Path, Path], out: Path, n: int, suffix: str) -> list[Job]:
    """Jobs whose pictures lie in ``out`` as ``found`` says of each recording."""
    stems = [str(path.with_suffix("")).casefold() for path in found.values()]
    ambiguous = len(set(stems)) < len(stems)  # a.wav and a.mp3: then all pictures keep the whole name
    jobs = []
    for voice, path in found.items():
        picture = out / (path.with_name(path.name + suffix) if ambiguous else path.with_suffix(suffix))
        jobs.append(Job(voice=voice, pictures=_numbered(picture, n)))
    taken: dict[str, Path | str] = {}
    for job in jobs:
        for picture in job.pictures:
            other = taken.setdefault(str(picture).casefold(), job.voice)
            if other != job.voice:
                fault = f"would be written for {other} and for {job.voice}"
                raise InputError(picture, fault, "write them to two folders")
    return jobs


def imagine_files(
    imaginer: Imaginer,
    jobs: Sequence[Job],
    options: GenerationOptions,
    *,
    progress: Callable[[int, int], None],
) -> GenerationResult:
    """Generate and write faces; recordings that cannot be used are listed in the result.

    Raises:
        InputError: a picture cannot be written.
    """
    from voiceface.media.picture import save_picture

    result = GenerationResult()
    progress(0, len(jobs))
    for first in range(0, len(jobs), _BLOCK):
        voices = list(_read(jobs[first : first + _BLOCK], result.failed, options.detector))
        for (job, voice), faces in zip(voices, _faces(imaginer, voices, options, result.failed), strict=True):
            for path, face in zip(job.pictures, faces, strict=False):
                path.parent.mkdir(parents=True, exist_ok=True)
                save_picture(path, face)
            if faces:
                result.faces.append((job, voice.plausibility))
        progress(min(first + _BLOCK, len(jobs)), len(jobs))
    return result


def imagine_known_person(imaginer: Imaginer, out: Path, options: GenerationOptions) -> GenerationResult:
    """Generate and write faces of somebody the weights know by name.

    Raises:
        InputError: they do not know the name, or generate from voices; or a picture cannot be written.
    """
    from voiceface.media.picture import PICTURE_FORMATS, save_picture

    picture = out if out.suffix.lower() in PICTURE_FORMATS else out / f"{options.person}.png"
    job = Job(voice=options.person, pictures=_numbered(picture, options.n))
    faces = imaginer(
        n=options.n,
        seed=options.seed,
        size=options.size,
        person=options.person,
        typical=options.typical,
        glasses=options.glasses,
    )
    picture.parent.mkdir(parents=True, exist_ok=True)
    for path, face in zip(job.pictures, faces, strict=True):
        save_picture(path, face)
    return GenerationResult(faces=[(job, None)])


def _read(
    jobs: Sequence[Job], failed: list[InputError], detector: SpeechDetector
) -> Iterator[tuple[Job, VoiceRecording]]:
    from voiceface.pipelines.voice_recording import read_voice_recording

    for job in jobs:
        try:
            yield job, read_voice_recording(Path(job.voice), detector=detector)
        except InputError as error:
            failed.append(error)


def _faces(
    imaginer: Imaginer,
    voices: Sequence[tuple[Job, VoiceRecording]],
    options: GenerationOptions,
    failed: list[InputError],
) -> list[list[GeneratedImage]]:
    """The faces for each recording; none where it cannot be used."""
    if options.n == 1 and not options.person:
        one_each = imaginer.many(
            [voice for _, voice in voices],
            seed=options.seed,
            size=options.size,
            typical=options.typical,
            glasses=options.glasses,
            force=options.force,
            on_error=lambda _, error: failed.append(error),
        )
        return [[face] if face is not None else [] for face in one_each]
    found: list[list[GeneratedImage]] = []
    for _, voice in voices:
        try:
            found.append(
                imaginer(
                    voice,
                    n=options.n,
                    seed=options.seed,
                    size=options.size,
                    person=options.person,
                    typical=options.typical,
                    glasses=options.glasses,
                    force=options.force,
                )
            )
        except InputError as error:
            failed.append(error)
            found.append([])
    return found


def _relative_paths(voices: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Each recording and its path relative to the folder that was named."""
    for source in voices:
        for path in expand_folders([source], "voice"):
            yield path, path.relative_to(source) if source.is_dir() else Path(path.name)


def _numbered(picture: Path, n: int) -> list[Path]:
    return [picture] if n == 1 else [picture.with_stem(f"{picture.stem}-{k}") for k in range(1, n + 1)]
