"""Link the boxes found in single frames into tracks: one face followed through time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from voiceface.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Track:
    """One face followed from frame to frame; the arrays have one row a sighting, in the order of time."""

    times: NDArray[np.float64] = field(repr=False)
    """(n,) seconds, rising."""
    boxes: NDArray[np.float64] = field(repr=False)
    """(n, 4) left, top, right, bottom in pixels."""
    scores: NDArray[np.float64] = field(repr=False)
    """(n,) the detector's confidence."""
    indices: NDArray[np.int64] = field(repr=False)
    """(n, 2) which frame, and which of that frame's boxes, as they were handed to ``link_boxes``."""

    @property
    def start(self) -> float:
        """Time of the first sighting in seconds."""
        return float(self.times[0])

    @property
    def stop(self) -> float:
        """Time of the last sighting in seconds."""
        return float(self.times[-1])

    @property
    def weight(self) -> float:
        """Sum over the sightings of the score (none below zero) times the box's side in pixels."""
        sides = np.sqrt(np.prod(np.maximum(self.boxes[:, 2:] - self.boxes[:, :2], 0.0), axis=1))
        return float(np.maximum(self.scores, 0.0) @ sides)


def link_boxes(
    boxes: Sequence[ArrayLike],
    scores: Sequence[ArrayLike],
    times: Sequence[float],
    *,
    cuts: Sequence[float] = (),
    least: float = 0.3,
    gap: float = 0.5,
    shortest: int = 1,
) -> list[Track]:
    """Link per-frame boxes into tracks, in the order of their first sighting.

    Frame i shows ``boxes[i]`` (k, 4) with ``scores[i]`` (k,) at ``times[i]`` seconds, rising. A box
    continues the track whose last box, as it was or carried on at the speed it had, it overlaps most
    (intersection over union of ``least`` or more): a head that turns back is where it was. The largest
    overlap is settled first. A track ends when unseen for more
    than ``gap`` seconds, and at every cut (the time of the first frame after it, as ``cuts.cuts`` says).
    Tracks of fewer than ``shortest`` sightings are dropped. InputError where the three do not fit together.

    >>> boxes = [[(0, 0, 9, 9)], [(1, 0, 10, 9), (50, 50, 60, 60)]]
    >>> tracks = link_boxes(boxes, [[1.0], [1.0, 2.0]], [0.0, 0.04])
    >>> [len(track.times) for track in tracks]
    [2, 1]
    """
    frames = [_frame(*one) for one in zip(boxes, scores, _checked(boxes, scores, times), strict=True)]
    breaks = sorted(cuts)
    live: list[_Open] = []
    closed: list[_Open] = []
    for index, (found, sure, time) in enumerate(frames):
        before = frames[index - 1][2] if index else -np.inf
        # A cut at this frame's own time parts it from the frame before.
        was_cut = bisect_right(breaks, time + 1e-6) > bisect_right(breaks, before + 1e-6)
        lasting = [] if was_cut else [track for track in live if time - track.times[-1] <= gap + 1e-9]
        closed += [track for track in live if track not in lasting]
        live = lasting
        taken = _assign([(track.expected(time), track.boxes[-1]) for track in live], found, least)
        fresh: list[_Open] = []
        for row in range(len(found)):
            track = live[taken[row]] if row in taken else _Open()
            if row not in taken:
                fresh.append(track)
            track.add(time, found[row], sure[row], (index, row))
        live += fresh
    tracks = [track.closed() for track in closed + live if len(track.times) >= shortest]
    return sorted(tracks, key=lambda track: tuple(track.indices[0]))


def best_track(tracks: Sequence[Track]) -> Track | None:
    """Return the track with the largest summed score times size (its ``weight``); None if there is none."""
    return max(tracks, key=lambda track: (track.weight, -track.start), default=None)


def box_iou(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Return the (n, m) intersection over union of (n, 4) and (m, 4) boxes; 0 for empty ones.

    >>> box_iou([(0, 0, 2, 2)], [(1, 0, 3, 2), (5, 5, 6, 6)]).round(3).tolist()
    [[0.333, 0.0]]
    """
    one = np.asarray(first, dtype=np.float64).reshape(-1, 1, 4)
    two = np.asarray(second, dtype=np.float64).reshape(1, -1, 4)
    shared = np.minimum(one[..., 2:], two[..., 2:]) - np.maximum(one[..., :2], two[..., :2])
    common = np.prod(np.maximum(shared, 0.0), axis=-1)
    areas = [np.prod(np.maximum(box[..., 2:] - box[..., :2], 0.0), axis=-1) for box in (one, two)]
    union = areas[0] + areas[1] - common
    ratio: NDArray[np.float64] = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return ratio


class _Open:
    """A track that may still go on."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.boxes: list[NDArray[np.float64]] = []
        self.scores: list[float] = []
        self.indices: list[tuple[int, int]] = []

    def add(self, time: float, box: NDArray[np.float64], score: float, index: tuple[int, int]) -> None:
        self.times.append(time)
        self.boxes.append(box)
        self.scores.append(float(score))
        self.indices.append(index)

    def expected(self, time: float) -> NDArray[np.float64]:
        """Return the last box moved on at the mean speed of the last few sightings, without growing."""
        last = self.boxes[-1]
        back = max(0, len(self.times) - 4)
        passed = self.times[-1] - self.times[back]
        if passed <= 0:
            return last
        moved = ((last[:2] + last[2:]) - (self.boxes[back][:2] + self.boxes[back][2:])) / 2
        return last + np.tile(moved / passed * (time - self.times[-1]), 2)

    def closed(self) -> Track:
        return Track(
            times=np.array(self.times),
            boxes=np.array(self.boxes),
            scores=np.array(self.scores),
            indices=np.array(self.indices, dtype=np.int64),
        )


def _assign(
    places: list[tuple[NDArray[np.float64], NDArray[np.float64]]], found: NDArray[np.float64], least: float
) -> dict[int, int]:
    """Return which track each box continues, the largest overlap first, no track or box twice.

    ``places`` are where each track's face is expected, and where it was last.
    """
    taken: dict[int, int] = {}
    if not places or not len(found):
        return taken
    expected, last = (np.array(boxes) for boxes in zip(*places, strict=True))
    shared = np.maximum(box_iou(expected, found), box_iou(last, found))
    for flat in np.argsort(-shared, axis=None, kind="stable"):
        track, row = divmod(int(flat), len(found))
        if shared[track, row] < max(least, 1e-9):
            break
        if row not in taken and track not in taken.values():
            taken[row] = track
    return taken


def _checked(boxes: Sequence[ArrayLike], scores: Sequence[ArrayLike], times: Sequence[float]) -> list[float]:
    if not len(boxes) == len(scores) == len(times):
        fault = f"are given for {len(boxes)}, {len(scores)} and {len(times)} frames"
        raise InputError("boxes, scores and times", fault, "give one of each for every frame")
    moments = [float(time) for time in times]
    if any(not later > earlier for earlier, later in zip(moments, moments[1:], strict=False)):
        raise InputError("times", "do not rise from frame to frame", "give the frames in their order")
    return moments


def _frame(
    boxes: ArrayLike, scores: ArrayLike, time: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    found = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    sure = np.asarray(scores, dtype=np.float64).reshape(-1)
    if len(found) != len(sure) or not np.isfinite(found).all():
        fault = f"at {time:.3f} s: {len(found)} boxes, {len(sure)} scores, or a box that is not finite"
        raise InputError("frame", fault, "give one score for every box")
    return found, sure, time
