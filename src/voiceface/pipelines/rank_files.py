"""Ranking with a matcher, whatever some of the candidates are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voiceface.errors import InputError

if TYPE_CHECKING:
    from voiceface.pipelines.matcher import Matcher

__all__ = ["called", "load_matcher", "no_usable_candidate", "rank"]

Ranking = list[tuple[Path, float]]
Unusable = list[tuple[Path, InputError]]


def load_matcher(weights: str | None, device: str) -> Matcher:
    """The matcher asked for, or the best there is."""
    from voiceface.pipelines.matcher import Matcher
    from voiceface.training.devices import pick_device

    kind, index = pick_device(device)
    matcher = Matcher.load(weights, device=f"{kind}:{index}" if kind == "cuda" else kind)
    matcher.warns = False  # the commands look for speech themselves, and say it in their own way
    return matcher


def called(matcher: Matcher, weights: str | None) -> str:
    """What to call the matcher: its name, or where its weights lie if that says more."""
    return weights if weights is not None and weights != matcher.name else matcher.name


def no_usable_candidate(unusable: Unusable, side: str) -> InputError:
    """The error where no candidate can be used: the first one's, and how many more there are."""
    error = unusable[0][1]
    more = len(unusable) - 1
    if not more:
        return error
    fault = f"{error.fault}, and the other {more} {side}{'s' * (more > 1)} cannot be used either"
    return InputError(error.what, fault, error.remedy)


def rank(
    matcher: Matcher,
    query: Path,
    candidates: Sequence[Path],
    *,
    side: str,
    progress: Callable[[int, int], None],
) -> tuple[Ranking, Unusable]:
    """Candidates by probability, the best first, and those that cannot be used with the reason.

    Args:
        matcher: who ranks.
        query: a file of ``side``.
        candidates: files of the other side.
        side: ``"voice"`` or ``"face"``.
        progress: told how many are done, of how many.

    Raises:
        InputError: the query cannot be used.
    """
    forward = side == "voice"
    probe = (matcher.embed_voices if forward else matcher.embed_faces)([query])[0]
    embed = matcher.embed_faces if forward else matcher.embed_voices
    ranking: Ranking = []
    unusable: Unusable = []
    for place, path in enumerate(candidates):
        progress(place, len(candidates))
        try:
            row = embed([path])[0]
        except InputError as error:
            unusable.append((path, error))
        else:
            ranking.append((path, float(matcher.probability(np.dot(row, probe)))))
    progress(len(candidates), len(candidates))
    return sorted(ranking, key=lambda pair: -pair[1]), unusable
