"""Faces by a cascade of boosted Haar features, computed from OpenCV's files of them without OpenCV.

Source: Viola and Jones 2001; the sizes, steps and grouping of OpenCV 4's ``detectMultiScale``.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError, MissingPartError
from voiceface.face.pixels import as_rgb
from voiceface.records import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_FILE = "haarcascade_frontalface_default.xml"
_FACTOR, _NEIGHBOURS, _ALIKE = 1.1, 3, 0.2
"""OpenCV's factor between sizes, the windows that show no face yet, and how far alike ones lie apart."""
_EPSILON, _FLAT = 1e-5, 10.0
"""What a stage's sum may lie below its threshold, and the deviation of grey values from which is looked."""
_BLOCK = 2048
"""Windows whose features are computed at once."""


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """Stumps that are summed: each gives one of two numbers, by a feature of weighted rectangles."""

    least: float
    """The sum from which a window is accepted."""
    rectangles: Indices
    """(stumps, 3, 4): x, y, width and height in the window; missing ones are empty."""
    weights: Floats
    """(stumps, 3)."""
    thresholds: Floats
    """(stumps,) on the feature over area times deviation of the window."""
    answers: Floats
    """(stumps, 2): below the threshold, and from it on."""

    def sums(self, table: Indices, corners: Indices, by: Floats, line: int) -> Floats:
        """(windows,) the sum for windows at these places of a table of sums."""
        found, (below, above) = [], self.answers.T
        for first in range(0, len(corners), _BLOCK):
            some = slice(first, first + _BLOCK)
            areas = _areas(table, corners[some, None, None], self.rectangles, line)
            values = (areas * self.weights).sum(2) / by[some, None]
            found.append(np.where(values < self.thresholds, below, above).sum(1))
        return np.concatenate(found) if found else np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class HaarCascade:
    """A cascade as its file holds it."""

    side: int
    """Of the window, in pixels."""
    stages: list[_Stage]

    @classmethod
    def read(cls, path: Path) -> HaarCascade:
        """The cascade of an OpenCV file (``opencv-cascade-classifier``) of upright features.

        Raises:
            InputError: the file cannot be read, or holds something else.
        """
        try:
            root = ElementTree.parse(path).getroot().find("cascade")
            if root is None or root.findtext("featureType") != "HAAR":
                raise ValueError
            if any((one.text or "").strip() == "1" for one in root.iter("tilted")):
                raise ValueError
            features = [_feature(one) for one in root.iterfind("features/_")]
            stages = [_stage(one, features) for one in root.iterfind("stages/_")]
            side = int(root.findtext("width") or "")
            if root.findtext("height") != root.findtext("width") or not stages:
                raise ValueError
            return cls(side, stages)
        except (OSError, ElementTree.ParseError, ValueError, IndexError) as error:
            fault = "holds no cascade of upright Haar features that can be read"
            raise InputError(path, fault, "give OpenCV's haarcascade_frontalface_default.xml") from error

    def detect(self, image: NDArray[np.uint8], *, smallest: int = 0) -> list[tuple[Box, int]]:
        """Faces of (height, width, 3) pixels, as squares from ``smallest`` pixels on, the surest first.

        Beside each stands how many overlapping windows showed it: four or more.
        """
        grey, found, factor = _grey(as_rgb(image)), [], 1.0
        height, width = grey.shape
        while round(self.side * factor) <= min(height, width):
            scale = np.float32(factor)
            if (side := round(float(self.side * scale))) >= smallest:
                reduced = _resized(grey, round(float(height / scale)), round(float(width / scale)))
                for x, y in self._windows(reduced, step=1 if scale >= 2 else 2).tolist():
                    found.append((round(float(x * scale)), round(float(y * scale)), side))
            factor *= _FACTOR
        return sorted(_grouped(np.array(found, np.int64).reshape(-1, 3)), key=lambda one: (-one[1], one[0]))

    def _windows(self, grey: NDArray[np.uint8], *, step: int) -> Indices:
        """(windows, 2) the corners x, y of the windows that every stage accepts."""
        height, width = grey.shape
        rows, columns = (np.arange(0, one - self.side + 1, step) for one in (height, width))
        if not len(rows) or not len(columns):
            return np.zeros((0, 2), np.int64)
        y, x = (grid.ravel() for grid in np.meshgrid(rows, columns, indexing="ij"))
        corners, line = y * (width + 1) + x, width + 1
        sums, squares = _integral(grey.astype(np.int64)), _integral(grey.astype(np.int64) ** 2)
        inner, area = np.array([1, 1, self.side - 2, self.side - 2]), float((self.side - 2) ** 2)
        whole = _areas(sums, corners, inner, line).astype(np.float64)
        spread = area * _areas(squares, corners, inner, line) - whole**2
        deviation = np.sqrt(np.maximum(spread, 0))
        alive = np.flatnonzero(deviation > _FLAT * area)
        for stage in self.stages:
            refused = stage.sums(sums, corners[alive], deviation[alive], line) < stage.least - _EPSILON
            if stage is self.stages[0]:
                skipped = np.zeros((len(rows), len(columns)), bool)
                skipped.flat[alive[refused]] = True
                refused |= ~_visited(skipped).ravel()[alive]
            alive = alive[~refused]
        return np.stack([x[alive], y[alive]], 1)


def installed_cascade() -> HaarCascade:
    """The cascade of frontal faces in the package ``opencv-python-headless``, which is not imported.

    Raises:
        MissingPartError: it is not installed.
        InputError: its file is damaged.
    """
    found = importlib.util.find_spec("cv2")
    for place in (found.submodule_search_locations or []) if found is not None else []:
        if (path := Path(place) / "data" / _FILE).is_file():
            return _read_once(path)
    fault = "its file of Haar features is not installed"
    raise MissingPartError("OpenCV", fault, "pip install opencv-python-headless")


_read_once = cache(HaarCascade.read)


def _feature(node: ElementTree.Element) -> Floats:
    """(3, 5) x, y, width, height and weight of its rectangles."""
    found = np.zeros((3, 5))
    for row, one in zip(found, node.iterfind("rects/_"), strict=False):
        row[:] = [float(number) for number in (one.text or "").split()]
    return found


def _stage(node: ElementTree.Element, features: list[Floats]) -> _Stage:
    nodes, answers = [], []
    for one in node.iterfind("weakClassifiers/_"):
        nodes.append([float(number) for number in (one.findtext("internalNodes") or "").split()])
        answers.append([float(number) for number in (one.findtext("leafValues") or "").split()])
    if any(one[:2] != [0.0, -1.0] or len(one) != 4 for one in nodes):
        raise ValueError  # a tree of several features
    used = np.array([features[int(one[2])] for one in nodes])
    thresholds = np.array([one[3] for one in nodes])
    least = float(node.findtext("stageThreshold") or "")
    return _Stage(least, used[..., :4].astype(np.int64), used[..., 4], thresholds, np.array(answers))


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(height, width) by OpenCV's whole numbers."""
    weighted = pixels.astype(np.int64) @ np.array([9798, 19235, 3735])
    grey: NDArray[np.uint8] = ((weighted + (1 << 14)) >> 15).astype(np.uint8)
    return grey


def _resized(grey: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Bilinear, by OpenCV's whole numbers (INTER_LINEAR_EXACT)."""
    if grey.shape == (height, width):
        return grey
    (top, down), (left, right) = (_between(*one) for one in zip(grey.shape, (height, width), strict=True))
    wide = grey.astype(np.int64)
    last_row, last_column = (
        np.minimum(one + 1, n - 1) for one, n in zip((top, left), grey.shape, strict=True)
    )
    across = wide[:, left] * (256 - right) + wide[:, last_column] * right
    both = across[top] * (256 - down)[:, None] + across[last_row] * down[:, None]
    resized: NDArray[np.uint8] = ((both + (1 << 15)) >> 16).astype(np.uint8)
    return resized


def _between(source: int, target: int) -> tuple[Indices, Indices]:
    """Of each target pixel: the source pixel before it, and the weight of the next, in 256ths."""
    at = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
    first = np.floor(at).astype(np.int64)
    return first, np.rint((at - first) * 256).astype(np.int64)


def _integral(values: Indices) -> Indices:
    """Sums of everything above and left, (height + 1) times (width + 1) flattened."""
    return np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0))).ravel()


def _areas(table: Indices, corners: Indices, rectangles: Indices, line: int) -> Indices:
    """The sums within rectangles of windows at these corners, from a table with lines of this length."""
    x, y, width, height = np.moveaxis(rectangles, -1, 0)
    first = corners + y * line + x
    below = first + height * line
    found: Indices = table[below + width] - table[below] - table[first + width] + table[first]
    return found


def _visited(skipped: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Windows that are looked at: after one that the first stage refuses the next in its row is left out."""
    visited = np.ones_like(skipped)
    for column in range(1, skipped.shape[1]):
        visited[:, column] = ~(visited[:, column - 1] & skipped[:, column - 1])
    return visited


def _grouped(windows: Indices) -> list[tuple[Box, int]]:
    """The mean of each group of alike windows (x, y, side), and how many they are."""
    left = np.ones(len(windows), bool)
    groups: list[tuple[Indices, int]] = []
    while left.any():
        group = np.zeros(len(windows), bool)
        fresh = [int(np.flatnonzero(left)[0])]
        while fresh:
            one = fresh.pop()
            group[one] = True
            reach = _ALIKE * np.minimum(windows[:, 2], windows[one, 2])
            apart = np.abs(windows - windows[one])
            edges = np.abs(windows[:, :2] + windows[:, 2:] - windows[one, :2] - windows[one, 2])
            near = (np.maximum(apart[:, :2].max(1), edges.max(1)) <= reach) & left & ~group
            group |= near
            fresh += np.flatnonzero(near).tolist()
        left &= ~group
        if group.sum() > _NEIGHBOURS:
            groups.append((np.rint(windows[group].mean(0)).astype(np.int64), int(group.sum())))
    kept = [one for one in groups if not any(_is_part(one, other) for other in groups if other is not one)]
    return [((float(x), float(y), float(x + side), float(y + side)), n) for (x, y, side), n in kept]


def _is_part(one: tuple[Indices, int], other: tuple[Indices, int]) -> bool:
    """Whether a face lies within another that more windows show."""
    (x, y, side), (x2, y2, side2), slack = one[0], other[0], np.rint(other[0][2] * _ALIKE)
    inside = x >= x2 - slack and y >= y2 - slack
    inside = inside and x + side <= x2 + side2 + slack and y + side <= y2 + side2 + slack
    return bool(inside and other[1] > max(3, one[1]))
