"""Which models a server's workers hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from voiceface.app.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Which models work, and where."""

    matcher: str | None = None
    """Shipped weights' name or a weights folder; None: the best available. So for the other two."""
    imaginer: str | None = None
    talker: str | None = None
    gallery: Path | None = None
    device: str = "cpu"
    threads: int = 1
    """Of the processor, for one worker."""
    limits: Limits = Limits()
