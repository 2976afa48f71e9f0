"""Five points of a face, by dlib's regression trees (Kazemi, Sullivan 2014)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from voiceface.errors import InputError
from voiceface.face import dlib_models
from voiceface.face.pixels import as_rgb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from voiceface.face.detect import Detection

POINTS = ("left eye, outer", "left eye, inner", "right eye, outer", "right eye, inner", "base of the nose")
"""The order of the points; left and right are the person's own, so the left eye lies right in the picture."""


def five_points(image: NDArray[np.uint8], box: Sequence[float]) -> NDArray[np.float32]:
    """Return the (5, 2) float32 points x, y in pixels, ordered as ``POINTS``, of the face in ``box``.

    ``box`` is left, top, right, bottom as a detector gives it; it may reach outside the picture.
    InputError if it is empty or not finite.
    """
    edges = np.asarray(box, dtype=np.float64)
    if edges.shape != (4,) or not np.isfinite(edges).all() or (edges[2:] <= edges[:2]).any():
        raise InputError("face box", f"is {tuple(box)}", "give left < right, top < bottom")
    left, top, right, bottom = (round(edge) for edge in edges)
    rectangle = dlib_models.dlib_module().rectangle(left, top, max(left, right - 1), max(top, bottom - 1))
    shape = dlib_models.landmark_predictor()(as_rgb(image), rectangle)
    return np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float32)


def with_landmarks(image: NDArray[np.uint8], face: Detection) -> Detection:
    """Return the detection with its landmarks, found now unless its detector already gave them."""
    if face.landmarks is not None:
        return face
    return replace(face, landmarks=five_points(image, face.box))
