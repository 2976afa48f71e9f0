"""Find faces again near where they were a moment ago: a small part of a picture instead of all of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from voiceface.face.detect import Detection, detect_cnn, detect_hog
from voiceface.records import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR_SIDE = 100.0
"""A part with a smaller face is enlarged by two: HOG sees from about 88 pixels, and the face may shrink."""
WORTHWHILE = 0.5
"""Parts that come to more than this share of the pixels of the whole, enlarged, are not looked at apart."""
SAME_FACE = 0.3
"""Intersection over union above which two boxes are of one face."""


def detect_near(
    image: NDArray[np.uint8], known: Sequence[Box], *, reach: float = 1.0
) -> list[Detection] | None:
    """Return the faces near known boxes, highest score first; None where fewer are found than are known.

    Each box is enlarged by ``reach`` of its sides in every direction, boxes that then touch are one part, and
    the HOG detector looks at each, enlarged by two if the smallest face in it needs that; where it finds too
    few the network looks too. None, too, where nothing is known or the parts are nearly all of the picture:
    look at the whole then.

    Args:
        image: (height, width, 3) uint8.
        known: left, top, right, bottom in its pixels.
        reach: how far a face may have moved, in sides of its box.
    """
    height, width = image.shape[:2]
    parts = _parts(known, reach, width, height)
    work = sum((part[2] - part[0]) * (part[3] - part[1]) * 4.0 ** _doublings(boxes) for part, boxes in parts)
    if not parts or work > WORTHWHILE * 4 * width * height:
        return None
    found: list[Detection] = []
    for part, boxes in parts:
        here = _look(image, part, boxes)
        if len(here) < len(boxes):
            return None
        found += here
    return sorted(found, key=lambda face: (-face.score, face.box))


def distinct_faces(first: Sequence[Detection], more: Sequence[Detection]) -> list[Detection]:
    """The first faces and those of the others that overlap none of them, highest score first."""
    added = [face for face in more if all(_overlap(face.box, one.box) <= SAME_FACE for one in first)]
    return sorted([*first, *added], key=lambda face: (-face.score, face.box))


_Part = tuple[int, int, int, int]


def _parts(known: Sequence[Box], reach: float, width: int, height: int) -> list[tuple[_Part, list[Box]]]:
    """Whole pixels to look at, and the known boxes in each."""
    parts: list[tuple[_Part, list[Box]]] = []
    for box in known:
        far = reach * _side(box)
        part = (
            max(0, int(box[0] - far) // 4 * 4),
            max(0, int(box[1] - far) // 4 * 4),
            min(width, round(box[2] + far)),
            min(height, round(box[3] + far)),
        )
        if part[2] - part[0] < 2 or part[3] - part[1] < 2:
            continue
        boxes = [box]
        while touched := [one for one in parts if _overlap(one[0], part) > 0]:
            for other, others in touched:
                part = (
                    min(part[0], other[0]), min(part[1], other[1]),
                    max(part[2], other[2]), max(part[3], other[3]),
                )  # fmt: skip
                boxes = [*others, *boxes]
            parts = [one for one in parts if one not in touched]
        parts.append((part, boxes))
    return parts


def _doublings(boxes: Sequence[Box]) -> int:
    return int(min(map(_side, boxes)) < NEAR_SIDE)


def _look(image: NDArray[np.uint8], part: _Part, boxes: Sequence[Box]) -> list[Detection]:
    """The faces in a part of a picture, in pixels of the picture."""
    left, top, right, bottom = part
    pixels = np.ascontiguousarray(image[top:bottom, left:right])
    found = detect_hog(pixels, upsample=_doublings(boxes))
    if len(found) < len(boxes):
        found = detect_cnn(pixels)
    return [
        replace(
            face,
            box=(face.box[0] + left, face.box[1] + top, face.box[2] + left, face.box[3] + top),
        )
        for face in found
    ]


def _side(box: Box) -> float:
    return math.sqrt(max(1.0, (box[2] - box[0]) * (box[3] - box[1])))


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    if across <= 0 or down <= 0:
        return 0.0
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return across * down / (areas - across * down)
