"""People who do not exist, whose voices and faces share causes by construction; the best score is known.

Layout    none: voices are spoken by eSpeak NG and faces drawn as the corpus is prepared
Needs     pip install "voiceface[synthetic]" (espeakng-loader; eSpeak NG runs in a process of its own)
Truth     the causal model stands in corpus.json, everybody's traits in traits/people.parquet
Licence   what is made is yours; eSpeak NG, which speaks, is GPL-3.0
Splits    none: everybody is alike
Command   voiceface prepare synthetic -o CORPUS --people 500 --voices 8 --faces 12 --clips 4 --link 1.0 --seed 0
"""  # noqa: E501

from __future__ import annotations

from pathlib import Path

from voiceface.corpus.item import FaceItem, Item, Listing, VideoItem, VoiceItem
from voiceface.errors import InputError

ROOTLESS = True
"""It reads no folder: `listing` takes none."""

LANGUAGES = {
    "en": "English", "sv": "Swedish", "it": "Italian", "hi": "Hindi", "cmn": "Chinese", "sw": "Swahili",
}  # fmt: skip


def listing(
    *,
    people: int = 500,
    voices: int = 8,
    faces: int = 12,
    clips: int = 4,
    link: float = 1.0,
    seed: int = 0,
    accents: tuple[str, ...] = (),
    voice_noise: dict[str, float] | None = None,
    face_noise: dict[str, float] | None = None,
    seconds: float = 4.0,
    size: int = 192,
    talk_seconds: float = 2.0,
    talk_size: int = 128,
) -> Listing:
    """List synthetic people and what is to be made of each.

    Args:
        people: how many
        voices: recordings of each
        faces: pictures of each
        clips: talking clips of each
        link: how much of the face's causes the voice shares: 0 nothing, 1 all
        seed: random seed; another one gives other people
        accents: accents of the voices; by default all eight
        voice_noise: deviations of traits' noise in the voice (sex 0.35, age 0.6, ...), by trait
        face_noise: deviations of traits' noise in the face (sex 0.35, skin 0.35, ...), by trait
        seconds: length of every recording
        size: side of every picture in pixels
        talk_seconds: length of every clip
        talk_size: side of every clip's frames in pixels

    Raises:
        InputError: a number cannot be, or an accent or trait is unknown.
        MissingPartError: eSpeak NG is not installed.
    """
    # Here, so that listing the sources needs no drawing.
    from voiceface.synthetic.media_generator import SyntheticMediaGenerator
    from voiceface.synthetic.speech import check_installed
    from voiceface.synthetic.traits import ACCENTS, CausalModel

    _check_counts({"voices": voices, "faces": faces, "clips": clips})
    model = CausalModel(
        link=link, voice_noise=voice_noise or {}, face_noise=face_noise or {},
        accents=tuple(accents) or tuple(ACCENTS),
    )  # fmt: skip
    generator = SyntheticMediaGenerator(
        model=model, people=people, seed=seed, seconds=seconds, size=size, talk_seconds=talk_seconds,
        talk_size=talk_size,
    )  # fmt: skip
    if voices or clips:
        check_installed()
    everybody = [generator.person(number) for number in range(people)]
    items: list[Item] = []
    for person in everybody:
        language = LANGUAGES[person.spoken_accent.language]
        items += _items(person.id, person.seed, language, voices, faces, clips)
    records = [person.record() for person in everybody]
    return Listing(root=Path(), people=records, items=items, generator=generator)


def _check_counts(counts: dict[str, int]) -> None:
    for name, count in counts.items():
        if not 0 <= count < 100_000:
            raise InputError(name, f"are {count} of each person", "give 0 to 99,999")
    if not any(counts.values()):
        raise InputError("voices, faces and clips", "are all 0", "ask for at least one of them")


def _items(id: str, seed: int, language: str, voices: int, faces: int, clips: int) -> list[Item]:
    """One person's items: every one a session of its own, its emotion by seeds alone."""
    from voiceface.synthetic.media_generator import EMOTION_NAMES, emotion_of

    found: list[Item] = []
    for take in range(max(voices, faces, clips)):
        key = f"{id}-{take:05d}"
        if take < clips:
            # All six in turn, so that a few clips show a few emotions; where they begin is the seed's.
            emotion = list(EMOTION_NAMES)[(seed * 5 + take) % len(EMOTION_NAMES)]
            found.append(
                VideoItem(
                    key=key, person=id, path=f"{id}/clip-{take:05d}", session=f"clip-{take:05d}",
                    language=language, emotion=emotion, want=("clips",),
                )
            )  # fmt: skip
        if take < faces:
            found.append(
                FaceItem(key=key, person=id, path=f"{id}/face-{take:05d}", session=f"face-{take:05d}")
            )
        if take < voices:
            found.append(
                VoiceItem(
                    key=key, person=id, path=f"{id}/voice-{take:05d}", session=f"voice-{take:05d}",
                    language=language, emotion=emotion_of(seed, take),
                )
            )  # fmt: skip
    return found
