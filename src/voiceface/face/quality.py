"""How usable a detected face is: its size, sharpness and pose."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from voiceface.face.align import align, fit_similarity_transform
from voiceface.face.landmarks import with_landmarks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from voiceface.face.detect import Detection

HEAD_POINTS = np.array(
    [
        (0.3695, -0.2059, 0.08),
        (0.1560, -0.1905, 0.0),
        (-0.3695, -0.2059, 0.08),
        (-0.1560, -0.1905, 0.0),
        (0.0, 0.2089, -0.16),
    ]
)
"""The five points of an average head: x right, y down, z away from the viewer, in units of the mean face.

x and y are dlib's mean face made symmetric. A unit is about 12 cm; an eye's outer corner lies about 1 cm
behind its inner one, the base of the nose about 2 cm before it. Heads differ: angles from it are estimates.
"""

LEVEL = -8.0
"""Pitch in degrees that the model reads for people facing the camera (median of 200): taken as zero."""

STEPS = 20
"""Steps towards the best fit at most: angles within 60 degrees settle in half as many."""

GOOD_SIDE = 80.0
"""Side of the box in pixels from which more pixels hardly help a 64-pixel view."""
GOOD_BLUR = 150.0
"""Variance of the Laplacian from which a face is sharp (a tenth of real video faces lie below)."""
GOOD_SCORE = 1.0
"""Score from which a detection is hardly ever wrong, for HOG and the network alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceQuality:
    """Measures of how usable a face is; angles in degrees."""

    size: float
    """Side in pixels of the square with the box's area."""
    blur: float
    """Variance of the Laplacian of the aligned 64-pixel face: low is blurred (above 150 is sharp)."""
    yaw: float
    """Turned to the picture's right (above 0) or left."""
    pitch: float
    """Looking down (above 0) or up."""
    roll: float
    """Tilted clockwise as the picture is seen (above 0)."""
    score: float
    """All of it and the detector's own score in one number from 0 to 1: the higher, the better the face."""


def quality(image: NDArray[np.uint8], face: Detection) -> FaceQuality:
    """Return the size, sharpness, pose and combined score of a face found in (height, width, 3) pixels."""
    face = with_landmarks(image, face)
    if face.landmarks is None:  # with_landmarks fills them
        raise AssertionError
    sharpness = blur(align(image, face.landmarks, size=64, template="dlib"))
    yaw, pitch, roll = pose(face.landmarks)
    # Each part is 1 where more of it no longer helps, so that no single one can make up for another.
    facing = max(0.0, math.cos(math.radians(yaw))) ** 2 * max(0.0, math.cos(math.radians(pitch)))
    parts = (
        min(1.0, face.side / GOOD_SIDE),
        min(1.0, sharpness / GOOD_BLUR) ** 0.5,
        min(1.0, max(0.0, face.score) / GOOD_SCORE) ** 0.5,
    )
    return FaceQuality(
        size=face.side,
        blur=sharpness,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        score=facing * math.prod(parts),
    )


def best_face(image: NDArray[np.uint8], faces: Sequence[Detection]) -> Detection | None:
    """Return the face with the highest combined quality, with its landmarks; None if there is none."""
    known = [with_landmarks(image, face) for face in faces]
    if len(known) < 2:
        return known[0] if known else None
    return max(known, key=lambda face: quality(image, face).score)


def blur(face: NDArray[np.uint8]) -> float:
    """Return the variance of the Laplacian of a (height, width, 3) uint8 face, in squared grey levels.

    Pech-Pacheco et al. 2000 (LAPV); comparable only between pictures of one size and template.

    >>> blur(np.zeros((64, 64, 3), dtype=np.uint8))
    0.0
    """
    grey = np.asarray(Image.fromarray(face).convert("L"), dtype=np.float64)
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return float(laplacian.var())


def pose(landmarks: ArrayLike) -> tuple[float, float, float]:
    """Return yaw, pitch and roll in degrees, estimated from the (5, 2) points of ``five_points``.

    The turn and scale of an average head whose far view (scaled orthographic projection) fits the points
    best, by Gauss and Newton's method. On photographs the angles of a face and of its mirror image differ
    by 1 degree (median); pitch is off by what a person's nose is longer or shorter than the average.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    head = HEAD_POINTS - HEAD_POINTS.mean(axis=0)
    target = points - points.mean(axis=0)
    if not (target**2).sum() > 0:
        return 0.0, 0.0, 0.0
    flat = fit_similarity_transform(HEAD_POINTS[:, :2], points)
    size = math.hypot(flat[0, 0], flat[1, 0])
    turn = np.eye(3)
    turn[:2, :2] = flat[:, :2] / size
    slopes = np.zeros((len(points), 2, 4))
    for _ in range(STEPS):
        seen = head @ turn.T
        moved = size * seen
        slopes[:, :, 0] = seen[:, :2]
        # The vector products with the three axes, without what lies along the view.
        slopes[:, 0, 2] = moved[:, 2]
        slopes[:, 0, 3] = -moved[:, 1]
        slopes[:, 1, 1] = -moved[:, 2]
        slopes[:, 1, 3] = moved[:, 0]
        step = _least_squares(slopes.reshape(-1, 4), (target - moved[:, :2]).ravel())
        size += step[0]
        turn = _rotation_matrix(step[1:]) @ turn
        if max(map(abs, step[1:])) < 1e-6:
            break
    # Roll after yaw after pitch: the first column and the last row hold all three.
    yaw = math.asin(float(np.clip(turn[2, 0], -1.0, 1.0)))
    pitch = math.atan2(turn[2, 1], turn[2, 2])
    roll = math.atan2(turn[1, 0], turn[0, 0])
    return math.degrees(yaw), math.degrees(pitch) - LEVEL, math.degrees(roll)


def _least_squares(slopes: NDArray[np.float64], wanted: NDArray[np.float64]) -> list[float]:
    """The four numbers whose product with the slopes (n, 4) is nearest to what is wanted (n,)."""
    found: NDArray[np.floating[Any]]
    try:  # a fifth of the time of `lstsq`, and what it lacks in accuracy the next step makes good
        found = np.linalg.solve(slopes.T @ slopes, slopes.T @ wanted)
    except np.linalg.LinAlgError:
        found = np.linalg.lstsq(slopes, wanted, rcond=None)[0]
    return found.tolist()  # type: ignore[no-any-return]


def _rotation_matrix(vector: list[float]) -> NDArray[np.float64]:
    """Return the rotation about an axis by its length in radians, half a radian at most (Rodrigues)."""
    x, y, z = vector
    angle = math.sqrt(x * x + y * y + z * z)
    if angle < 1e-12:
        return np.eye(3)
    x, y, z, angle = x / angle, y / angle, z / angle, min(angle, 0.5)
    sine, rest = math.sin(angle), 1 - math.cos(angle)
    return np.array(
        [
            [1 - rest * (y * y + z * z), rest * x * y - sine * z, rest * x * z + sine * y],
            [rest * x * y + sine * z, 1 - rest * (x * x + z * z), rest * y * z - sine * x],
            [rest * x * z - sine * y, rest * y * z + sine * x, 1 - rest * (x * x + y * y)],
        ]
    )
