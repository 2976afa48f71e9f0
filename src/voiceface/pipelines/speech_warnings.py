"""Warnings about voice files with little or no speech."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from voiceface.errors import InputError

__all__ = ["speech_warnings"]

_MAX_SECONDS = 60.0  # enough to decide, whatever the length
_MIN_SPEECH_SECONDS = 1.0
"""Below this much speech a score is uncertain."""


def speech_warnings(voices: Iterable[Path]) -> list[str]:
    """One line for each voice with little or no speech; unreadable files are passed over."""
    from voiceface.audio.speech_detection import speech_facts
    from voiceface.media.sound import load_sound

    found = []
    for path in voices:
        try:
            facts = speech_facts(load_sound(path, max_seconds=_MAX_SECONDS))
        except InputError:
            continue  # embedding it reports the fault
        if not facts.is_speech:
            found.append(
                f"{path}: contains no detectable speech ({facts.missing}); its scores are unreliable"
            )
        elif facts.active_seconds < _MIN_SPEECH_SECONDS:
            found.append(f"{path}: only {facts.active_seconds:.1f} s of speech; its scores are uncertain")
    return found
