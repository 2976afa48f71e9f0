"""Find faces in a picture: dlib's HOG detector first, its convolutional one where that finds none.

A cascade of Haar features, which older work used, finds them instead where it is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from voiceface.face import dlib_models
from voiceface.face.haar_cascade import installed_cascade
from voiceface.face.mmod_detector import mmod_faces
from voiceface.face.pixels import as_rgb, shrink
from voiceface.records import Box

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

PORTRAIT_LONG_SIDE = 240
"""Pictures are looked at in this size first, where a face that fills half of it is found in 5 ms."""
PORTRAIT_SHARE = 0.5
"""Of a picture's long side: a face as large leaves no room for other people, who need a longer look."""
HOG_LONG_SIDE = 1280
"""Larger pictures are reduced to it first: time grows with the area, 5.8 s at 4,000 pixels."""
CNN_LONG_SIDE = 480
"""The same for the network, whose memory grows with the area too."""
HAAR_LONG_SIDE, HAAR_SMALLEST = 640, 40
"""The same for the cascade of Haar features, and the smallest face it looks for there."""
LARGE_LONG_SIDE = 4096
"""The size of a second look at larger pictures in which nothing was found: 1.3 s at 12 megapixels."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Detection:
    """One face found in one picture."""

    box: Box
    """left, top, right, bottom in pixels of the picture; may reach outside it."""
    score: float
    """The detector's confidence, on a scale of its own: higher is better."""
    landmarks: NDArray[np.float32] | None = field(default=None, repr=False)
    """(5, 2) points x, y in dlib's order (see ``landmarks.five_points``), where the detector gives them."""
    detector: str = ""

    @property
    def side(self) -> float:
        """Side in pixels of the square that has the box's area."""
        left, top, right, bottom = self.box
        return math.sqrt(max(0.0, right - left) * max(0.0, bottom - top))


def detect(
    image: NDArray[np.uint8], *, upsample: int = 1, threshold: float = 0.0, fallback: bool = True
) -> list[Detection]:
    """Return the faces in (height, width, 3) uint8 pixels, highest score first; an empty list if none.

    The HOG detector looks at the picture reduced to ``PORTRAIT_LONG_SIDE`` first. Unless a face fills half of
    it, it looks at the picture reduced to ``HOG_LONG_SIDE`` and enlarged ``upsample`` times by two; only when
    it finds nothing (and ``fallback``) the network looks at it reduced to ``CNN_LONG_SIDE``, and then, at a
    picture larger than ``HOG_LONG_SIDE``, the HOG detector up to ``LARGE_LONG_SIDE``: that finds faces from
    about 60 of its pixels. Boxes are in pixels of the picture given. Time and memory are bounded whatever
    its size.

    >>> detect(np.zeros((1, 1, 3), dtype=np.uint8))
    []
    """
    pixels = as_rgb(image)
    found = detect_hog(pixels, upsample=0, threshold=threshold, long_side=PORTRAIT_LONG_SIDE)
    if not any(face.side >= PORTRAIT_SHARE * max(pixels.shape[:2]) for face in found):
        found = detect_hog(pixels, upsample=upsample, threshold=threshold) or found
    if not found and fallback:
        found = detect_cnn(pixels, upsample=upsample)
    if not found and fallback and max(pixels.shape[:2]) > HOG_LONG_SIDE:
        found = detect_hog(pixels, upsample=0, threshold=threshold, long_side=LARGE_LONG_SIDE)
    return found


def detect_hog(
    image: NDArray[np.uint8],
    *,
    upsample: int = 1,
    threshold: float = 0.0,
    long_side: int = HOG_LONG_SIDE,
) -> list[Detection]:
    """Return the faces that dlib's HOG detector of frontal faces finds, highest score first.

    One ``upsample`` finds faces from about 40 pixels, none from about 80 and five times as fast. Scores
    are distances from the detector's plane; ``threshold`` (0) below zero finds more, right and wrong. The
    picture is reduced to ``long_side`` pixels first.
    """
    pixels, across, down = shrink(as_rgb(image), long_side)
    with dlib_models.frontal_detector() as detector:
        boxes, scores, _ = detector.run(pixels, upsample, threshold)
    # dlib's right and bottom are the last pixels inside: one more is the edge.
    edges = [(box.left(), box.top(), box.right() + 1, box.bottom() + 1) for box in boxes]
    return _by_score(zip(edges, scores, strict=True), across, down, "hog")


def detect_cnn(image: NDArray[np.uint8], *, upsample: int = 1) -> list[Detection]:
    """Return the faces that dlib's max-margin convolutional detector finds, highest score first.

    It sees turned and covered faces that HOG does not. Where it finds none the picture is enlarged by two,
    at most ``upsample`` times and while its long side stays within ``CNN_LONG_SIDE``.
    """
    pixels, across, down = shrink(as_rgb(image), CNN_LONG_SIDE)
    found: list[tuple[Box, float]] = []
    for doublings in range(upsample + 1):
        if found or max(pixels.shape[:2]) * 2**doublings > CNN_LONG_SIDE:
            break
        found = mmod_faces(pixels, doublings=doublings)
    return _by_score(found, across, down, "cnn")


def detect_haar(image: NDArray[np.uint8]) -> list[Detection]:
    """Return the faces that OpenCV's cascade of frontal faces finds, highest score first.

    The picture is reduced to ``HAAR_LONG_SIDE`` pixels first. Boxes are squares, scores count the windows
    that show the face.

    Raises:
        MissingPartError: OpenCV's file of the cascade is not installed.
    """
    pixels, across, down = shrink(as_rgb(image), HAAR_LONG_SIDE)
    return _by_score(installed_cascade().detect(pixels, smallest=HAAR_SMALLEST), across, down, "haar")


def _by_score(
    found: Iterable[tuple[Box, float]], across: float, down: float, detector: str
) -> list[Detection]:
    faces = [
        Detection(
            box=(left * across, top * down, right * across, bottom * down),
            score=float(score),
            detector=detector,
        )
        for (left, top, right, bottom), score in found
    ]
    return sorted(faces, key=lambda face: (-face.score, face.box))
