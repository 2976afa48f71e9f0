"""Which models a server's workers hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from voiceface.app.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Which models work, and where."""

    matcher: str | None = None
    """Shipped weights' name, a weights folder or ``owner/name`` of the hub; None: the best. So below."""
    imaginer: str | None = None
    talker: str | None = None
    gallery: Path | None = None
    corpus: Path | None = None
    """A prepared corpus whose report is shown."""
    device: str = "auto"
    threads: int = 1
    """Of the processor, for one worker."""
    limits: Limits = Limits()
