"""Mouths without mouth landmarks: a window on the mean face, cut by template from five points."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from voiceface.errors import InputError
from voiceface.face.align import TEMPLATES, align, template_points

Greys = NDArray[np.uint8]

WINDOW = (0.1, 0.45, 0.8)
"""Left, top and side in units of dlib's mean face: from the nose to the chin."""
_PARTS = 30
"""The window falls on whole pixels of a ``dlib`` picture whose side is a multiple of this."""
_LEFT, _TOP, _SIDE = 7, 14, 16


def crop_mouths_by_template(pictures: NDArray[np.uint8], *, size: int = 48, template: str = "dlib") -> Greys:
    """Cut the mouths out of faces that are already in a template, (n, size, size) uint8 grey.

    Args:
        pictures: (n, side, side, 3) uint8.
        size: Pixels a side of the result.
        template: The pictures' (`voiceface.face.align.TEMPLATES`); it must reach down to the chin.

    Raises:
        InputError: other shapes, an unknown template, or one that ends above the chin.
    """
    if pictures.ndim != 4 or pictures.shape[1] != pictures.shape[2] or pictures.shape[3] != 3:
        raise InputError("face pictures", f"have the shape {pictures.shape}", "give (n, side, side, 3)")
    side = pictures.shape[1]
    template_points(template, side)  # refuses an unknown one
    left, top, span = TEMPLATES[template]
    x, y = (WINDOW[0] - left) / span * side, (WINDOW[1] - top) / span * side
    reach = WINDOW[2] / span * side
    if min(x, y) < 0 or max(x, y) + reach > side + 1e-6:
        raise InputError(f"template {template!r}", "does not show the whole mouth and chin", "take 'dlib'")
    box = (x, y, min(x + reach, side), min(y + reach, side))
    cut = [
        np.asarray(Image.fromarray(one).convert("L").resize((size, size), Image.Resampling.BICUBIC, box))
        for one in pictures
    ]
    return np.stack(cut) if cut else np.zeros((0, size, size), np.uint8)


def crop_aligned_mouths(faces: NDArray[np.uint8]) -> Greys:
    """The window of ``dlib`` pictures of side 30 k as it is, without resampling: (n, 16 k, 16 k) grey.

    Raises:
        InputError: another side.
    """
    side = faces.shape[1] if faces.ndim == 4 else 0
    if not side or side % _PARTS or faces.shape[2:] != (side, 3):
        raise InputError(
            "face pictures", f"have the shape {faces.shape}", "cut them at 30, 60, 90 ... pixels"
        )
    k = side // _PARTS
    part = faces[:, _TOP * k : (_TOP + _SIDE) * k, _LEFT * k : (_LEFT + _SIDE) * k]
    # Pillow's own weights, so that both ways give the same grey.
    weighted = part.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32) + 0x8000
    return (weighted >> 16).astype(np.uint8)


def crop_mouths_from_frames(
    frames: NDArray[np.uint8], points: ArrayLike, *, size: int = 48, smooth: float = 5.0
) -> Greys:
    """Cut the mouths out of whole frames of one clip: (frames, size, size) uint8 grey.

    The window follows `smooth_landmarks`: points that jitter from frame to frame would look like speech.

    Args:
        frames: (frames, height, width, 3) uint8.
        points: (frames, 5, 2) of every frame, NaN where no face was found, or (5, 2) for all.
        size: A multiple of 16.
        smooth: As in `smooth_landmarks`.

    Raises:
        InputError: another size, points of another number of frames, or no frame with a face.
    """
    if size % _SIDE or size < _SIDE:
        raise InputError("mouth size", f"is {size}", f"give a multiple of {_SIDE}")
    given = np.asarray(points, dtype=np.float64)
    given = np.broadcast_to(given, (len(frames), *given.shape)) if given.ndim == 2 else given
    if len(given) != len(frames):
        fault = f"are of {len(given)} frames beside {len(frames)}"
        raise InputError("landmarks", fault, "give those of every frame")
    smoothed = smooth_landmarks(given, smooth=smooth)
    side = size // _SIDE * _PARTS
    faces = [
        align(frame, landmarks, size=side, template="dlib", border="edge")
        for frame, landmarks in zip(frames, smoothed, strict=True)
    ]
    return crop_aligned_mouths(np.stack(faces)) if faces else np.zeros((0, size, size), np.uint8)


def smooth_landmarks(points: ArrayLike, *, smooth: float = 5.0) -> NDArray[np.float64]:
    """A face's landmarks in every frame, without jitter and without gaps, (frames, 5, 2).

    Gaps are bridged on a straight line (kept from the nearest face at the ends); then each frame is the
    mean of its neighbours under a Gaussian of ``smooth`` frames' deviation, 0 for none.

    Raises:
        InputError: no points (frames, 5, 2), or none in any frame.
    """
    given = np.asarray(points, dtype=np.float64)
    if given.ndim != 3 or given.shape[1:] != (5, 2):
        raise InputError("landmarks", f"have the shape {given.shape}", "give (frames, 5, 2)")
    known = np.isfinite(given).all(axis=(1, 2))
    if not known.any():
        raise InputError("landmarks", "are of no frame", "leave out a clip without a face")
    at = np.arange(len(given))
    flat = given.reshape(len(given), 10)
    bridged = np.stack([np.interp(at, at[known], column[known]) for column in flat.T], axis=1)
    if smooth > 0:
        weights = np.exp(-0.5 * ((at[:, None] - at[None]) / smooth) ** 2)
        bridged = weights / weights.sum(axis=1, keepdims=True) @ bridged
    steady: NDArray[np.float64] = bridged.reshape(-1, 5, 2)
    return steady
