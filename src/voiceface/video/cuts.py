"""Find hard cuts: the moments where one shot of a video ends and another begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

THUMBNAIL = (32, 24)
"""Width and height of the reduced picture that frames are compared by: small motion drops out."""
NOISE = 64.0
"""Variance in squared grey levels below which a picture counts as flat."""
BINS = 8
"""Histogram bins for the share of red, and of green, in a pixel's light."""
WINDOW = 12
"""So many changes on either side say what is usual here: half a second at 25 frames a second."""
FLASH = 3
"""A picture that is back within so many frames was interrupted, not left."""
LEAST = 0.15
"""A smaller change is never a cut, however still the scene (1 is about an unrelated picture)."""
RISE = 4.0
"""A cut's change is at least so many times the usual one (the median) around it."""
PEAK = 1.8
"""And so many times the larger ones (where the upper fifth begins): a shaken camera has many."""


def find_cuts(frames: Iterable[tuple[float, NDArray[np.uint8]]]) -> list[float]:
    """Return the times in seconds of the first frames after hard cuts.

    ``frames`` yields times and (height, width, 3) uint8 pictures, as ``media.movie.frames`` does; only a
    second of small ones is kept. The change between neighbours is weighed against the changes around it, so
    that steady motion is no cut. Pictures are compared apart from their brightness and contrast, so that
    flicker and fades are none either, nor is a flash after which the same picture returns.

    >>> black, halves = np.zeros((2, 48, 64, 3), dtype=np.uint8)
    >>> halves[:, :32] = 255
    >>> find_cuts((i / 25, black if i < 10 else halves) for i in range(20))
    [0.4]
    """
    return [step.time for step in _cutting(_steps(frames))]


def frame_difference(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """Return how unlike two thumbnails are: 0 for the same picture, about 1 for unrelated ones.

    One minus the correlation of their pixels, a channel at a time (so that another brightness or contrast
    changes nothing; flat pictures count as alike), plus half the distance of their colour histograms. Of
    the whole, the upper and the lower two thirds the least counts: a caption that comes or goes is no cut.
    """
    return _Step(0.0, _Frame(before), _Frame(after)).size


class _Part(NamedTuple):
    """What is compared of a part of a thumbnail, computed once for its two neighbours."""

    centred: NDArray[np.float32]
    variance: NDArray[np.float32]
    colours: NDArray[np.float64]


def _part(picture: NDArray[np.float32]) -> _Part:
    centred = picture.reshape(-1, 3) - picture.reshape(-1, 3).mean(axis=0)
    return _Part(centred, (centred**2).mean(axis=0) + NOISE, _histogram(picture))


def _part_change(before: _Part, after: _Part) -> float:
    spread = np.sqrt(before.variance * after.variance)
    structure = 1.0 - float((((before.centred * after.centred).mean(axis=0) + NOISE) / spread).mean())
    colour = 0.5 * float(np.abs(before.colours - after.colours).sum())
    return structure + 0.5 * colour


def thumbnail(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a (height, width, 3) or grey (height, width) frame as (24, 32, 3) float32 averages, 0 to 255."""
    small = Image.fromarray(frame).resize(THUMBNAIL, Image.Resampling.BOX, reducing_gap=1.5)
    return np.asarray(small.convert("RGB"), dtype=np.float32)


class _Frame:
    """A thumbnail, and what is compared of it, computed when it is first asked for."""

    def __init__(self, picture: NDArray[np.float32]) -> None:
        self.picture = picture

    @cached_property
    def whole(self) -> _Part:
        return _part(self.picture)

    @cached_property
    def thirds(self) -> tuple[_Part, _Part]:
        """Its upper and its lower two thirds."""
        third = len(self.picture) // 3
        return _part(self.picture[: len(self.picture) - third]), _part(self.picture[third:])


class _Step:
    """From one frame to the next."""

    def __init__(self, time: float, before: _Frame, after: _Frame) -> None:
        self.time, self.before, self.after = time, before, after

    @cached_property
    def most(self) -> float:
        """How unlike the whole pictures are: ``size`` is no more, and takes three times as long."""
        return _part_change(self.before.whole, self.after.whole)

    @cached_property
    def size(self) -> float:
        """How unlike the two are, as `frame_difference` says."""
        return min(self.most, *map(_part_change, self.before.thirds, self.after.thirds))


def _histogram(picture: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the shares of pixels by their shares of red and green, softly binned; 0 to 1 in sum.

    Dark pixels have no colour to speak of, and are led to grey.
    """
    light = picture.reshape(-1, 3) + 24.0
    share = light[:, :2] / light.sum(axis=1, keepdims=True)
    # Shares lie round 1/3: the bins span 0.1 to 0.6, and a pixel is split between the two nearest.
    position = np.clip((share - 0.1) / 0.5, 0.0, 1.0) * (BINS - 1)
    low = np.minimum(position.astype(np.int64), BINS - 2)
    upper = position - low
    found = np.zeros(BINS * BINS)
    for down in (0, 1):
        for across in (0, 1):
            weight = np.abs(1 - down - upper[:, 0]) * np.abs(1 - across - upper[:, 1])
            cell = (low[:, 0] + down) * BINS + low[:, 1] + across
            found += np.bincount(cell, weights=weight, minlength=BINS * BINS)
    return found / len(light)


def _steps(frames: Iterable[tuple[float, NDArray[np.uint8]]]) -> Iterator[_Step]:
    before: _Frame | None = None
    for time, frame in frames:
        after = _Frame(thumbnail(frame))
        if before is not None:
            yield _Step(float(time), before, after)
        before = after


def _cutting(steps: Iterable[_Step]) -> Iterator[_Step]:
    """Yield the steps that are cuts, each judged when ``WINDOW`` more have been read."""
    window: list[_Step] = []
    judged = 0
    for step in steps:
        window.append(step)
        if len(window) - judged > WINDOW:
            if _is_cut(window, judged):
                yield window[judged]
            judged += 1
            if judged > WINDOW:
                del window[0]
                judged -= 1
    for index in range(judged, len(window)):
        if _is_cut(window[max(0, index - WINDOW) :], min(index, WINDOW)):
            yield window[index]


def _is_cut(steps: list[_Step], index: int) -> bool:
    step = steps[index]
    if step.most < LEAST or step.size < LEAST:
        return False
    around = sorted(other.size for position, other in enumerate(steps) if position != index)
    if around:
        usual, large = around[len(around) // 2], around[int(len(around) * 0.8)]
        if step.size < max(RISE * usual, PEAK * large):
            return False
    # A flash: what was there before soon returns, or what comes now was there a moment ago.
    later = steps[index + 1 : index + 1 + FLASH]
    earlier = steps[max(0, index - FLASH) : index]
    back = [_Step(0.0, step.before, other.after).size for other in later]
    back += [_Step(0.0, other.before, step.after).size for other in earlier]
    return min(back, default=step.size) >= step.size / 2
