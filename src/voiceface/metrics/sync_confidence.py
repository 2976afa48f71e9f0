"""Do sound and picture belong together in time: confidence and offset from two rows of embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.figure import Figure

Floats = NDArray[np.float64]

REACH = 15
"""Frames that the sound is moved to either side (Chung & Zisserman 2016, section 4.1: one second each
way; the published program uses 15)."""
LEAST = 5
"""Pairs of frames that every offset must be left with."""


@dataclass(frozen=True, slots=True, eq=False)
class Sync:
    """How surely, and at which offset, the sound fits the picture."""

    confidence: float
    """Median of the distances over all offsets minus their minimum."""
    offset: int
    """Frames that the picture comes after its sound: picture t fits sound t - offset."""
    distance: float
    """The smallest distance."""
    distances: Floats
    """(2 * reach + 1,) mean distance at offsets -reach to reach."""

    @property
    def confidence_at_zero(self) -> float:
        """The same median minus the distance at offset 0: how well it fits as it is played."""
        return float(np.median(self.distances) - self.distances[len(self.distances) // 2])


def offset_distances(
    sound: ArrayLike, picture: ArrayLike, *, reach: int = REACH, ends: Literal["overlap", "zeros"] = "overlap"
) -> Floats:
    """Mean Euclidean distance of picture frame t and sound frame t - offset, for every offset.

    Args:
        sound: (frames, d) embeddings of the sound around every frame.
        picture: (frames, d) embeddings of the mouth around every frame.
        reach: Offsets from ``-reach`` to ``reach`` frames.
        ends: Where the moved sound has no frame: ``"overlap"`` averages over the pairs there are;
            ``"zeros"`` compares with a row of zeros, as the published program does.

    Returns:
        (2 * reach + 1,), in the order of the offsets.

    Raises:
        InputError: not two equal tables of finite numbers, or fewer than ``reach`` + 5 frames.
    """
    audio, mouths = _rows(sound, "sound embeddings"), _rows(picture, "mouth embeddings")
    if audio.shape != mouths.shape:
        fault = f"are {audio.shape} for the sound and {mouths.shape} for the picture"
        raise InputError("sync embeddings", fault, "give one row of each a frame")
    frames = len(mouths)
    if reach < 1 or frames < reach + LEAST:
        fault = f"are of {frames} frames, too few to move them by {reach}"
        raise InputError("sync embeddings", fault, f"give at least {reach + LEAST} frames")
    if ends == "zeros":
        audio = np.pad(audio, ((reach, reach), (0, 0)))
        moved = [audio[reach - o : reach - o + frames] for o in range(-reach, reach + 1)]
        return np.array([np.linalg.norm(mouths - rows, axis=1).mean() for rows in moved])
    found = np.empty(2 * reach + 1)
    for place, offset in enumerate(range(-reach, reach + 1)):
        first, last = max(0, offset), min(frames, frames + offset)
        pairs = mouths[first:last] - audio[first - offset : last - offset]
        found[place] = np.linalg.norm(pairs, axis=1).mean()
    return found


def sync(
    sound: ArrayLike, picture: ArrayLike, *, reach: int = REACH, ends: Literal["overlap", "zeros"] = "overlap"
) -> Sync:
    """Confidence and offset as SyncNet defines them (Chung & Zisserman 2016), from `offset_distances`.

    Of several equal minima the one nearest to 0 counts. The scale is that of the embeddings: figures of
    two experts do not compare.

    >>> rows = np.random.default_rng(0).normal(size=(60, 8))
    >>> sync(rows[2:52], rows[5:55]).offset
    -3
    """
    distances = offset_distances(sound, picture, reach=reach, ends=ends)
    offsets = np.arange(-reach, reach + 1)
    lowest = offsets[distances == distances.min()]
    best = int(lowest[np.argmin(np.abs(lowest))])
    return Sync(
        confidence=float(np.median(distances) - distances.min()),
        offset=best,
        distance=float(distances.min()),
        distances=distances,
    )


def frame_levels(wave: ArrayLike, *, rate: int, fps: float, frames: int) -> Floats:
    """Loudness of the sound while each frame stands, (frames,) in dB of full scale, never below -60.

    Args:
        wave: (samples,) mono, float in [-1, 1] or int16.
        rate: Samples a second.
        fps: Frames a second; frame k stands from k / fps to (k + 1) / fps.
        frames: How many; sound that is not there is silence.
    """
    samples = np.asarray(wave)
    values = samples.astype(np.float64) / (32768.0 if samples.dtype.kind == "i" else 1.0)
    edges = np.rint(np.arange(frames + 1) * rate / fps).astype(np.intp)
    values = np.pad(values[: edges[-1]], (0, max(0, int(edges[-1]) - len(values))))
    power = np.add.reduceat(np.append(values**2, 0.0), edges[:-1]) / np.maximum(np.diff(edges), 1)
    return np.maximum(10.0 * np.log10(np.maximum(power, 1e-12)), -60.0)


def correlation(one: ArrayLike, other: ArrayLike) -> float:
    """Pearson correlation of two series over the places where both are known; NaN where one is constant."""
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    if len(a) < 2:
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum() / size) if size > 1e-12 else float("nan")


def _rows(values: ArrayLike, what: str) -> Floats:
    try:
        rows = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(what, "are no table of numbers", "give an array (frames, width)") from None
    if rows.ndim != 2 or not rows.size:
        raise InputError(what, f"have shape {rows.shape}, not (frames, width)", "give one row a frame")
    if not np.isfinite(rows).all():
        raise InputError(what, "hold NaN or infinity", "embed the clip again")
    return rows


SYNC_CONFIDENCE = Figure(
    name="sync confidence",
    of="clip sync",
    function=lambda found: found.confidence,
    convention="median minus minimum of the mean distances at offsets of -15 to 15 frames",
    order=3,
)
SYNC_OFFSET = Figure(
    name="sync offset",
    of="clip sync",
    function=lambda found: float(found.offset),
    convention="frames that the picture comes after its sound, at the smallest distance",
    order=4,
)
SYNC_DISTANCE = Figure(
    name="sync distance",
    of="clip sync",
    function=lambda found: found.distance,
    convention="the smallest mean distance over the offsets, lower is better",
    order=4,
)
WITHIN_1_FRAME = Figure(
    name="offset within 1 frame",
    of="clip sync",
    function=lambda found: float(abs(found.offset) <= 1),
    chance=3 / (2 * REACH + 1),
    convention="share of clips; chance 3 of 31 offsets",
    proportion=True,
    order=5,
)
MOUTH_WITH_SOUND = Figure(
    name="mouth with sound",
    of="clip mouth",
    function=correlation,
    convention="correlation of mouth opening and loudness over frames",
    order=9,
)
