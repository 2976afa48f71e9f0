"""Generated clips as a set against real ones: windows cut, described by I3D, compared by FVD."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError
from voiceface.evaluation.clip_files import read_clip
from voiceface.models.i3d import ClipFeatures
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.frechet_video_distance import frechet_video_distance

WINDOW = 16
"""Frames of a window (Unterthiner et al. 2018)."""


def clip_set_distance(
    generated: Mapping[str, Path],
    real: Mapping[str, Path],
    people: Mapping[str, str],
    features: ClipFeatures,
    *,
    seed: int = 0,
) -> tuple[list[Estimate], dict[str, list[str]]]:
    """FVD of the clips that both folders have, in windows of 16 frames that do not overlap.

    Args:
        generated: Files by the clips' names.
        real: The same of the real clips.
        people: Whose each generated clip is.
        features: I3D with its published weights.
        seed: Of the groups of people.

    Returns:
        The figures, none where there are fewer than two windows; and the clips left out, by the reason.
    """
    rows: dict[str, list[npt.NDArray[np.float64]]] = {"generated": [], "real": [], "still": []}
    owners: list[str] = []
    left_out: dict[str, list[str]] = {}
    for name in sorted(generated.keys() & real.keys()):
        try:
            pair = read_clip(generated[name]).frames, read_clip(real[name]).frames
        except InputError:
            left_out.setdefault("FVD: file cannot be read", []).append(name)
            continue
        windows = min(map(len, pair)) // WINDOW
        if not windows:
            left_out.setdefault(f"FVD: shorter than {WINDOW} frames", []).append(name)
        for first in range(0, windows * WINDOW, WINDOW):
            ours, theirs = (frames[first : first + WINDOW] for frames in pair)
            rows["generated"].append(features(ours))
            rows["real"].append(features(theirs))
            rows["still"].append(features(np.repeat(theirs[:1], WINDOW, axis=0)))
            owners.append(people[name])
    if len(owners) < 2:
        return [], left_out
    tables = {side: np.stack(some) for side, some in rows.items()}
    figures = frechet_video_distance(
        tables["generated"], tables["real"], people=owners, still=tables["still"], seed=seed
    )
    return figures, left_out
