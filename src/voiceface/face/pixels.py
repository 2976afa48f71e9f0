"""What every function of this room takes for a picture: 8-bit pixels, rows by columns by red, green, blue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from voiceface.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def as_rgb(image: Any) -> NDArray[np.uint8]:  # noqa: ANN401  arrays of any kind and PIL pictures are what is checked
    """Return ``image`` as a contiguous (height, width, 3) uint8 array, without copying one that already is.

    Takes (height, width) grey, (height, width, 1), 3 or 4 channels (transparency is dropped) of uint8 or
    bool, or a PIL picture. Anything else (floats, 16 bits, stacks) is an InputError, because
    guessing its range of values would silently turn a face black.

    >>> as_rgb(np.zeros((4, 6), dtype=np.uint8)).shape
    (4, 6, 3)
    """
    if isinstance(image, Image.Image):
        image = np.asarray(image.convert("RGB"))
    pixels = np.asarray(image)
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype != np.uint8:
        fault = f"has pixels of type {pixels.dtype}"
        raise InputError("picture", fault, "give 8-bit pixels, 0 to 255 (load_picture does)")
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or 0 in pixels.shape:
        raise InputError(
            "picture", f"has the shape {pixels.shape}", "give height x width x 3 (or grey) pixels"
        )
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels if pixels.shape[2] == 3 else pixels[:, :, :3])


def shrink(image: NDArray[np.uint8], long_side: int) -> tuple[NDArray[np.uint8], float, float]:
    """Return the picture at most ``long_side`` pixels long, and how many old pixels a new one is (x, y).

    >>> smaller, across, down = shrink(np.zeros((100, 400, 3), dtype=np.uint8), 200)
    >>> smaller.shape, across, down
    ((50, 200, 3), 2.0, 2.0)
    """
    height, width = image.shape[:2]
    longest = max(height, width)
    if longest <= long_side:
        return image, 1.0, 1.0
    size = max(1, round(width * long_side / longest)), max(1, round(height * long_side / longest))
    smaller = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(smaller), width / size[0], height / size[1]
