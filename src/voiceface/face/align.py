"""Crop a face upright and always in the same position: a similarity transform of five points to a template.

A template is a square window on dlib's mean face. It is given in units of that face (0 to 1 spans the
brows across, and from brows to lower lip down), so that the same window serves every size of picture.
"""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from voiceface.errors import InputError
from voiceface.face.pixels import as_rgb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

MEAN_FACE = np.array(
    [
        (0.8595674595992, 0.2134981538014),
        (0.6460604764104, 0.2289674387677),
        (0.1205750620789, 0.2137274526848),
        (0.3340850613712, 0.2290642403242),
        (0.4901123135679, 0.6277975316475),
    ]
)
"""Where the five points lie in dlib's mean face (dlib, image_transforms/interpolation.h)."""

TEMPLATES: dict[str, tuple[float, float, float]] = {
    # dlib.get_face_chip with padding 0.25: what the 128-d recogniser was trained on.
    "dlib": (-0.25, -0.25, 1.5),
    # Eye centres where ArcFace's 112-pixel template has them: (38.29, 51.70) and (73.53, 51.50). Its other
    # three points (tip of the nose, corners of the mouth) are not among dlib's five: the mean face stands in.
    "arcface": (-0.3449, -0.5484, 1.6703),
    # From the hairline to below the chin: what a photograph's face crop nearly always holds.
    "head": (-0.42, -0.56, 1.84),
    # Fitted to where dlib finds its five points in ten faces of 64 pixels that Wen, Singh and Raj published:
    # 0.12 pixels away on average (ArcFace's 1.1, dlib's 9.8). How they aligned them is not stated.
    "wen": (-0.424, -0.641, 1.818),
    # The head with hair and chin.
    "portrait": (-0.71, -1.02, 2.4),
}
"""Name to window: left, top, side in units of the mean face."""

MAX_SAMPLES = 3
"""Up to so many samples a side are averaged into one pixel; the picture is halved beforehand for more."""


def align(
    image: NDArray[np.uint8],
    landmarks: ArrayLike,
    *,
    size: int,
    template: str = "dlib",
    border: str = "black",
) -> NDArray[np.uint8]:
    """Return the (size, size, 3) uint8 picture of the face turned upright into ``template``.

    ``landmarks`` are the (5, 2) points x, y of ``five_points``. Every pixel of the result is the average
    over its area in the picture (no aliasing however far it is reduced). What lies outside the picture is
    black or, with ``border="edge"``, repeats the picture's edge. InputError for an unknown template (naming
    the nearest), for points that coincide or are not finite.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise InputError(
            "landmarks", f"have the shape {points.shape} or are not finite", "give 5 points x, y"
        )
    # Landmarks count pixel centres; half a pixel more is the distance from the picture's corner.
    matrix = fit_similarity_transform(template_points(template, size), points + 0.5)
    return _warp(as_rgb(image), matrix, size, border)


def crop_box(
    image: NDArray[np.uint8], box: Sequence[float], size: int, *, border: str = "black"
) -> NDArray[np.uint8]:
    """Return what is inside ``box`` (left, top, right, bottom) as (size, size, 3) uint8, not turned.

    The box is stretched to a square, as Roldán's crops are. It may reach outside the picture. InputError
    if it is empty.
    """
    edges = np.asarray(box, dtype=np.float64)
    if edges.shape != (4,) or not np.isfinite(edges).all() or (edges[2:] <= edges[:2]).any():
        raise InputError("face box", f"is {tuple(box)}", "give left < right, top < bottom")
    left, top, right, bottom = edges
    matrix = np.array([[(right - left) / size, 0.0, left], [0.0, (bottom - top) / size, top]])
    return _warp(as_rgb(image), matrix, size, border)


def change_template(pictures: NDArray[np.uint8], *, source: str, target: str, size: int) -> NDArray[np.uint8]:
    """Cut faces that are in one template to another: (n, size, size, 3) of (n, side, side, 3) uint8.

    What the source's window does not show repeats its edge.

    Raises:
        InputError: no such template, or other shapes.
    """
    if pictures.ndim != 4 or pictures.shape[1] != pictures.shape[2] or pictures.shape[3] != 3:
        raise InputError("face pictures", f"have the shape {pictures.shape}", "give (n, side, side, 3)")
    side = pictures.shape[1]
    matrix = fit_similarity_transform(template_points(target, size), template_points(source, side))
    made = [_warp(picture, matrix, size, "edge") for picture in pictures]
    return np.stack(made) if made else np.zeros((0, size, size, 3), np.uint8)


def template_points(template: str, size: int) -> NDArray[np.float64]:
    """Return the (5, 2) positions x, y of the mean face's points in a ``size`` pixel picture of a template.

    >>> template_points("arcface", 112)[[0, 1]].mean(axis=0).round(1).tolist()
    [73.6, 51.6]
    """
    if template not in TEMPLATES:
        near = difflib.get_close_matches(template, TEMPLATES, n=1, cutoff=0.0)
        raise InputError("template", f"there is none called {template!r}", f"did you mean {near[0]!r}?")
    if size < 1:
        raise InputError("size", f"is {size} pixels", "give 1 or more")
    left, top, side = TEMPLATES[template]
    return (MEAN_FACE - (left, top)) / side * size


def fit_similarity_transform(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (2, 3) turn, scale and shift that brings ``source`` points (n, 2) nearest to ``target``.

    Umeyama 1991, equations 40 to 42: least squares, no mirroring. InputError where the points coincide.

    >>> source, target = np.array([[0.0, 0], [1, 0], [0, 1]]), np.array([[1.0, 1], [1, 3], [-1, 1]])
    >>> fit_similarity_transform(source, target).round(6) + 0
    array([[ 0., -2.,  1.],
           [ 2.,  0.,  1.]])
    """
    # In Python's numbers, for numpy's calls take ten times as long on five points. To turn and scale x + iy
    # is to multiply it, so that the least squares are those of one factor.
    origins = [complex(*point) for point in source.tolist()]
    goals = [complex(*point) for point in target.tolist()]
    count = len(origins)
    middle, goal = sum(origins) / count, sum(goals) / count
    spread = turn = 0j
    for one, other in zip(origins, goals, strict=True):
        back = (one - middle).conjugate()
        spread += back * (one - middle)
        turn += back * (other - goal)
    turn = turn / spread.real if spread.real > 0 else 0j
    if not abs(turn) > 1e-9:
        raise InputError("landmarks", "coincide", "give five different points")
    shift = goal - turn * middle
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _warp(
    pixels: NDArray[np.uint8], matrix: NDArray[np.float64], size: int, border: str
) -> NDArray[np.uint8]:
    """Sample ``pixels`` at ``matrix`` (from the result to the picture, from the corners)."""
    if border not in ("black", "edge"):
        raise InputError("border", f"there is none called {border!r}", "give 'black' or 'edge'")
    (a, b), (c, d) = matrix[:, :2].tolist()
    reach = (math.hypot(a + d, b - c) + math.hypot(a - d, b + c)) / 2  # the larger singular value
    reduce = max(1, math.floor(reach / (MAX_SAMPLES - 1)))
    samples = max(1, math.ceil(reach / reduce - 1e-6))
    corners = matrix @ np.array([(0, size, 0, size), (0, 0, size, size), (1, 1, 1, 1)], dtype=np.float64)
    margin = 2 * reduce
    low = np.floor(corners.min(axis=1)).astype(int) - margin
    high = np.ceil(corners.max(axis=1)).astype(int) + margin
    part, (left, top) = _cut(pixels, low, high, reduce, border)
    if part is None:
        return np.zeros((size, size, 3), dtype=np.uint8)
    inverse = matrix.copy()
    inverse[:, :2] /= samples
    inverse[:, 2] -= (left, top)
    wanted = (inverse / reduce).ravel().tolist()
    # Bicubic only enlarges; between averaged samples linear interpolation adds no ringing.
    kernel = Image.Resampling.BILINEAR if samples > 1 or reduce > 1 else Image.Resampling.BICUBIC
    picture = part.transform(
        (size * samples, size * samples), Image.Transform.AFFINE, wanted, resample=kernel, fillcolor=0
    )
    return np.asarray(picture.reduce(samples) if samples > 1 else picture)


def _cut(
    pixels: NDArray[np.uint8], low: NDArray[np.int_], high: NDArray[np.int_], reduce: int, border: str
) -> tuple[Image.Image | None, tuple[int, int]]:
    """Cut the part of the picture that is needed, reduced; also its left and top, None if it lies outside."""
    height, width = pixels.shape[:2]
    x0, y0 = max(0, int(low[0])), max(0, int(low[1]))
    x1, y1 = min(width, int(high[0])), min(height, int(high[1]))
    if border == "edge":
        x0, y0 = min(x0, width - 1), min(y0, height - 1)
        x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    if x0 >= x1 or y0 >= y1:
        return None, (0, 0)
    part = Image.fromarray(pixels[y0:y1, x0:x1])
    if reduce > 1:
        part = part.reduce(reduce)
    if border == "black":
        return part, (x0, y0)
    before = [math.ceil(max(0, start - int(edge)) / reduce) for start, edge in ((y0, low[1]), (x0, low[0]))]
    after = [math.ceil(max(0, int(edge) - stop) / reduce) for stop, edge in ((y1, high[1]), (x1, high[0]))]
    padded = np.pad(np.asarray(part), ((before[0], after[0]), (before[1], after[1]), (0, 0)), mode="edge")
    return Image.fromarray(padded), (x0 - before[1] * reduce, y0 - before[0] * reduce)
