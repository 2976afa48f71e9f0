"""FAME / MAV-Celeb submissions, ``key distance`` (lower: the same person), and the challenge's score."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.media.files import write_text
from voiceface.protocols.input_checks import as_scores, few
from voiceface.protocols.read_lines import read_lines
from voiceface.protocols.trial_lists import TrialList

__all__ = ["fame_score", "read_submission", "write_submission"]


def write_submission(path: str | Path, trials: TrialList, distances: ArrayLike) -> None:
    """Write one ``key distance`` line a trial.

    Args:
        path: The file to write.
        trials: From `read_fame_trials`.
        distances: (n,) L2 distances: *lower* means the same person.

    Raises:
        InputError: the trials have no keys, or distances are missing, negative or not finite.
    """
    values = as_scores(distances, "distances")
    if trials.keys is None or len(values) != len(trials):
        raise InputError(
            "distances", f"are {len(values):,} for {len(trials):,} keyed trials", "give one a trial"
        )
    if (values < 0).any():
        raise InputError(
            "distances", f"{int((values < 0).sum()):,} are negative", "give distances, not scores"
        )
    write_text(Path(path), "\n".join(f"{k} {v:.8g}" for k, v in zip(trials.keys, values, strict=True)) + "\n")


def read_submission(path: str | Path, trials: TrialList) -> NDArray[np.float64]:
    """Scores of the trials in their order, *higher* meaning the same person (minus the distance).

    Raises:
        InputError: keys missing, unknown or repeated, or a distance that is no finite number.
    """
    found: dict[str, float] = {}
    for number, line in enumerate(read_lines(path), start=1):
        parts = line.split()
        try:
            key, value = parts[0], float(parts[1])
        except (IndexError, ValueError):
            raise InputError(f"{path}:{number}", f"is {line[:40]!r}", "write `key distance`") from None
        if len(parts) != 2 or not np.isfinite(value):
            raise InputError(f"{path}:{number}", f"is {line[:40]!r}", "write `key distance`")
        if key in found:
            raise InputError(f"{path}:{number}", f"repeats key {key}", "score every trial once")
        found[key] = value
    keys = [] if trials.keys is None else trials.keys.tolist()
    missing = [k for k in keys if k not in found]
    wanted = set(keys)
    unknown = [k for k in found if k not in wanted]
    if missing or unknown:
        fault = f"lacks {few(missing)} keys and has unknown {few(unknown)}"
        raise InputError(path, fault, "score the trials of this list")
    return np.array([-found[k] for k in keys])


def fame_score(eers: Mapping[str, float]) -> float:
    """The challenge's score: the mean of four EERs (two languages trained on, each heard and unheard).

    >>> round(fame_score({"English heard": 0.2, "unheard": 0.3, "Urdu heard": 0.25, "Urdu unheard": 0.35}), 3)
    0.275
    """
    if len(eers) != 4:
        raise InputError(
            "EERs", f"are {len(eers)} ({', '.join(eers)})", "give both languages, heard and unheard"
        )
    return float(np.mean(list(eers.values())))
