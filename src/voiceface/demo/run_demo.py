"""The demo from voices to its page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from voiceface.demo.demo_result import CLIP, MOST_SHOWN, DemoModels, DemoResult
from voiceface.demo.demo_voice import DemoVoice
from voiceface.demo.next_commands import demo_command, next_commands
from voiceface.demo.replaced_folder import replaced_folder
from voiceface.demo.user_files import check_outside, find_pictures, find_voice, shown_name
from voiceface.errors import InputError
from voiceface.media.picture import save_png

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from voiceface.demo.rankings import ImaginedRanking, PictureRanking
    from voiceface.media.origin import GeneratedImage
    from voiceface.media.sound import SoundSource

FACES_PER_VOICE = 6
FACE_SIDE = 256
SECONDS = 10.0
"""Of the user's speech, for faces and clip: more takes longer and changes little."""


def run_demo(
    out: Path, *, voice: str | None = None, faces: Sequence[str] = (), models: DemoModels | None = None
) -> DemoResult:
    """Imagine faces, let one talk, rank, and write it all to ``out`` with a page, ``index.html``.

    Args:
        out: the folder, replaced as a whole at the end.
        voice: the user's recording; None takes four synthesised voices.
        faces: the user's pictures: files, folders, patterns, or several of these in one text.
        models: by default the shipped ones.

    Raises:
        InputError: faces without a voice, a recording without speech, no picture with a face, or a folder
            that cannot be replaced; ``out`` then stands as it was.
    """
    from voiceface.demo.page import write_page

    begun = time.perf_counter()
    if faces and not voice:
        raise InputError("demo", "was given faces and no voice", demo_command())
    pictures = find_pictures(faces)
    recording = find_voice(voice) if voice else None
    for file in [recording, *pictures] if recording else pictures:
        check_outside(file, out)
    with replaced_folder(out) as folder:
        voices = [_user_voice(recording)] if recording else _synthesised(folder)
        models = models or DemoModels.load()
        models.matcher.warns = False  # whether a recording is speech was looked at already
        ranking: PictureRanking | ImaginedRanking | None = None
        if pictures:
            ranking = _rank_pictures(models, voices[0], pictures)
        images = _imagine(models, voices)
        names = [_save(folder, f"imagined-{k}", own) for k, own in enumerate(images, 1)]
        _say(f"Making a face of {voices[0].name} talk with {models.talker.name} ...")
        video = models.talker(voices[0].sound, folder / CLIP)
        if len(voices) > 1:
            ranking = _rank_imagined(models, voices, images)
        result = DemoResult(
            voices=voices,
            faces=names,
            video=video,
            ranking=ranking,
            pictures=_save_pictures(folder, ranking),
            own_files=recording is not None,
            models=models,
            suggestions=next_commands(out, recording, _best(ranking)),
            seconds=time.perf_counter() - begun,
        )
        write_page(folder / "index.html", result)
    return result


def _synthesised(folder: Path) -> list[DemoVoice]:
    from voiceface.demo.synthesised_voices import synthesised_voices

    _say("Synthesising voices ...")
    return synthesised_voices(folder)


def _user_voice(path: Path) -> DemoVoice:
    """The user's recording, of a long one the beginning of its speech."""
    from voiceface.media.sound import sound_seconds
    from voiceface.pipelines.voice_recording import NotSpeechError, read_voice_recording
    from voiceface.records import SAMPLE_RATE

    recording = read_voice_recording(path)
    try:
        note = recording.check_speech()
    except NotSpeechError as error:
        raise InputError(error.what, error.fault, "give a recording of one person speaking") from error
    sound: SoundSource = path
    told = "your recording"
    if sound_seconds(path) > 1.1 * SECONDS:
        sound = (recording.wave[: round(SECONDS * SAMPLE_RATE)], SAMPLE_RATE)
        told = f"the first {SECONDS:g} s of speech in your recording"
    told += f" ({note})" if note else ""
    return DemoVoice(name=shown_name(path), told=told, sound=sound, source=path)


def _imagine(models: DemoModels, voices: Sequence[DemoVoice]) -> list[list[GeneratedImage]]:
    which = "it" if len(voices) == 1 else f"each of {len(voices)} voices"
    _say(f"Imagining {FACES_PER_VOICE} faces for {which} with {models.imaginer.name} ...")
    return [models.imaginer(voice.sound, n=FACES_PER_VOICE, size=FACE_SIDE) for voice in voices]


def _rank_pictures(models: DemoModels, voice: DemoVoice, pictures: Sequence[Path]) -> PictureRanking:
    from voiceface.demo.rankings import rank_pictures

    _say(f"Ranking {len(pictures)} picture{'s'[: len(pictures) != 1]} with {models.matcher.name} ...")
    return rank_pictures(models.matcher, voice.source, pictures)


def _rank_imagined(
    models: DemoModels, voices: Sequence[DemoVoice], images: Sequence[Sequence[GeneratedImage]]
) -> ImaginedRanking:
    from voiceface.demo.rankings import rank_imagined

    _say(f"Ranking all faces by each voice with {models.matcher.name} ...")
    return rank_imagined(models.matcher, voices, images)


def _best(ranking: PictureRanking | ImaginedRanking | None) -> Path | None:
    from voiceface.demo.rankings import PictureRanking

    return ranking.ranked[0][0] if isinstance(ranking, PictureRanking) else None


def _save_pictures(folder: Path, ranking: PictureRanking | ImaginedRanking | None) -> list[str]:
    from voiceface.demo.rankings import PictureRanking, face_of

    if not isinstance(ranking, PictureRanking):
        return []
    return _save(folder, "picture", [face_of(path) for path, _ in ranking.ranked[:MOST_SHOWN]])


def _save(folder: Path, stem: str, images: Sequence[Image | NDArray[np.uint8]]) -> list[str]:
    """Write pictures with their origin and return their names."""
    names = [f"{stem}-{number}.png" for number in range(1, len(images) + 1)]
    for name, image in zip(names, images, strict=True):
        save_png(folder / name, image)
    return names


def _say(line: str) -> None:
    print(line, flush=True)
