"""One voice of the demo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from voiceface.media.sound import SoundSource


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoVoice:
    """A voice for which the demo imagines faces."""

    name: str
    """What the page calls it."""
    told: str
    """Whose or what it is, in words."""
    sound: SoundSource
    """What faces and the clip are made from: the recording, or the beginning of its speech."""
    source: Path
    """The recording, for ranking."""
    file: str = ""
    """Its file in the demo's folder, where there is one to listen to."""
    gender: str = ""
    """``f`` or ``m`` of a synthesised voice."""
