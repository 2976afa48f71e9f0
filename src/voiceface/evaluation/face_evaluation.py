"""What is asked about drawn faces, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voiceface.evaluation.report_files import ReportSubject

if TYPE_CHECKING:
    from voiceface.evaluation.generated_faces import Judged

__all__ = ["Asked", "Found", "non_default_flags"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How to judge."""

    n: tuple[int, ...]
    resamples: int
    seed: int
    out: Path | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What was judged, by its name (the first is the one asked about), and how to say so."""

    judged: dict[str, Judged]
    subject: ReportSubject
    kept: Mapping[str, Any] = field(default_factory=dict)
    """Arrays of `drawn.npz`."""


def non_default_flags(asked: Asked) -> str:
    """What of the options makes it another measurement, for the command."""
    sizes = "" if asked.n == (2, 5, 10) else "".join(f" -n {size}" for size in asked.n)
    return sizes + (f" --seed {asked.seed}" if asked.seed else "")
