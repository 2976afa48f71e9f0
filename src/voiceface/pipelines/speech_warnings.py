"""Does a voice file hold speech? Asked before its score is believed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from voiceface.errors import InputError

__all__ = ["speech_warnings"]

_LOOKED_AT = 60.0  # seconds: enough to tell, whatever the length
_MIN_SPEECH_SECONDS = 1.0
"""Seconds of speech below which a voice says little."""


def speech_warnings(voices: Iterable[Path]) -> list[str]:
    """One line for each voice with little or no speech in it; files that cannot be read are not judged."""
    from voiceface.audio.speech_detection import speech_facts
    from voiceface.media.sound import load_sound

    found = []
    for path in voices:
        try:
            facts = speech_facts(load_sound(path, max_seconds=_LOOKED_AT))
        except InputError:
            continue  # whoever embeds it says what is wrong with it
        if not facts.is_speech:
            found.append(
                f"{path}: holds no speech that can be told ({facts.missing}); do not trust its scores"
            )
        elif facts.active_seconds < _MIN_SPEECH_SECONDS:
            found.append(f"{path}: holds only {facts.active_seconds:.1f} s of speech; scores are uncertain")
    return found
