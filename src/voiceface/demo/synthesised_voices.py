"""The demo's own voices: a speech synthesiser's, since no person's recording comes with the package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from voiceface.demo.add_riff_info import add_riff_info
from voiceface.demo.demo_voice import DemoVoice
from voiceface.media.files import write_bytes
from voiceface.media.sound import save_sound
from voiceface.synthetic.people import SyntheticPerson, synthetic_person
from voiceface.synthetic.speech import speak

PERSON_SEEDS = (0, 1, 4, 2)
"""Of the numbered synthetic people the first two women and two men whose voices the shipped `matcher`
puts into the group of women's and of men's. It takes five of the first 23 women for men, as the page says,
and none of the 17 men for a woman (tests/test_demo_voices.py)."""
SECONDS = 6.0


def synthesised_voices(folder: Path) -> list[DemoVoice]:
    """Write ``voice-1.wav`` and so on, 16 kHz, 6 s, whose INFO entries say what made them.

    Raises:
        MissingPartError: the speech synthesiser is not installed.
        InputError: a file cannot be written.
    """
    voices = []
    for number, person in enumerate(map(synthetic_person, PERSON_SEEDS), 1):
        path = folder / f"voice-{number}.wav"
        save_sound(path, speak(person, seconds=SECONDS)[0])
        write_bytes(path, add_riff_info(path.read_bytes(), _entries(person)))
        gender = "woman" if person.sex == "f" else "man"
        told = f"synthesised as a {gender} of {person.age:.0f}, {person.spoken_accent.name.title()}"
        voices.append(
            DemoVoice(
                name=f"Voice {number}", told=told, sound=path, source=path, file=path.name, gender=person.sex
            )
        )
    return voices


def _entries(person: SyntheticPerson) -> dict[str, str]:
    try:
        number = version("voiceface")
    except PackageNotFoundError:
        number = "uninstalled"
    comment = f"Not a person: {person.id}, synthesised by eSpeak NG, seed 0, by voiceface's demo."
    return {"ISFT": f"voiceface {number}", "ICMT": comment}
