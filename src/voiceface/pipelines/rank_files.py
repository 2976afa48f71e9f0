"""Ranking files with a matcher where some of them cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from voiceface.errors import InputError

if TYPE_CHECKING:
    from voiceface.pipelines.matcher import Matcher

Ranking = list[tuple[Path, float]]
Unusable = list[tuple[Path, InputError]]


def load_matcher(weights: str | None, device: str, *, warns: bool = False) -> Matcher:
    """The matcher asked for, or the best there is; most commands look for speech with a better detector."""
    from voiceface.pipelines.matcher import Matcher

    matcher = Matcher.load(weights, device=device)
    matcher.warns = warns
    return matcher


def display_name(matcher: Matcher, weights: str | None) -> str:
    """The matcher's name as it is printed: its own, or where its weights lie if that says more."""
    return weights if weights is not None and weights != matcher.name else matcher.name


def rank(
    matcher: Matcher,
    query: Path,
    candidates: Sequence[Path],
    *,
    side: str,
    progress: Callable[[int, int], None],
) -> tuple[Ranking, Unusable]:
    """`Matcher.rank`, and the candidates that cannot be used with the reason.

    Args:
        matcher: the matcher.
        query: a file of ``side``.
        candidates: files of the other side.
        side: ``"voice"`` or ``"face"``.
        progress: called with the number of candidates done and of all.

    Raises:
        InputError: the query cannot be used.
    """
    unusable: Unusable = []
    ranking = matcher.rank(
        query,
        candidates,
        direction="voice->face" if side == "voice" else "face->voice",
        on_error=lambda index, error: unusable.append((candidates[index], error)),
        progress=progress,
    )
    return ranking, unusable
