"""What a recording is like, told beside its scores: seconds of speech, bandwidth, level."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from voiceface.errors import InputError

_MAX_SECONDS = 60.0  # enough to decide, whatever the length
_MIN_SPEECH_SECONDS = 1.0
"""Below this much speech a score is uncertain."""
_NARROW = 5000.0
"""Hz; telephone sound ends at 4,000, and its embedding agrees with that of the full sound at 0.87."""
_SILENCE_DB = -120.0


@dataclass(frozen=True, kw_only=True)
class VoiceFacts:
    """Measures of a recording's first minute."""

    path: Path
    speech_seconds: float
    bandwidth: float
    """Hz, as `voiceface.audio.bandwidth` finds it."""
    level: float
    """Root mean square in dB of full scale, -120 at least."""
    missing: str
    """The sign of speech that is missing, or ``""``."""

    @property
    def warning(self) -> str:
        """One line where its scores are to be trusted less, or ``""``."""
        found = []
        if self.missing:
            found.append(f"contains no detectable speech ({self.missing})")
        elif self.speech_seconds < _MIN_SPEECH_SECONDS:
            found.append(f"only {self.speech_seconds:.1f} s of speech")
        if self.bandwidth < _NARROW:
            found.append(f"holds nothing above {self.bandwidth / 1000:.1f} kHz, as telephone sound")
        degree = "unreliable" if self.missing else "uncertain"
        return f"{self.path}: {', and '.join(found)}; its scores are {degree}" if found else ""

    def __str__(self) -> str:
        """Seconds of speech, bandwidth and level, as they are printed."""
        wide = f"up to {self.bandwidth / 1000:.1f} kHz"
        return f"{self.speech_seconds:.1f} s of speech, {wide}, level {self.level:.0f} dB"

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "path": str(self.path),
            "speech_seconds": round(self.speech_seconds, 2),
            "bandwidth_hz": round(self.bandwidth),
            "level_db": round(self.level, 1),
        }


def voice_facts(voices: Iterable[str | Path | BinaryIO]) -> list[VoiceFacts]:
    """Measure each recording; unreadable ones are passed over (embedding them reports the fault).

    Args:
        voices: paths or file objects, which are called by their ``name``.
    """
    import numpy as np

    from voiceface.audio.bandwidth import bandwidth
    from voiceface.audio.speech_detection import speech_facts
    from voiceface.media.files import source_name
    from voiceface.media.sound import load_sound

    found = []
    for voice in voices:
        try:
            wave = load_sound(voice, max_seconds=_MAX_SECONDS)
            speech = speech_facts(wave)
        except InputError:
            continue
        power = float(np.mean(np.square(wave, dtype=np.float64)))
        found.append(
            VoiceFacts(
                path=Path(source_name(voice)),
                speech_seconds=speech.active_seconds,
                bandwidth=bandwidth(wave),
                level=max(_SILENCE_DB, 10 * math.log10(power)) if power else _SILENCE_DB,
                missing=speech.missing,
            )
        )
    return found
