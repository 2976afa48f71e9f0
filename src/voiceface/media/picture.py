"""Pictures in and out: any usual format, upright and in RGB, whatever it was stored as."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from voiceface.errors import InputError
from voiceface.media.bounded_reader import MOST_PIXELS
from voiceface.media.files import atomic_path, check_readable, source_name
from voiceface.media.open_file import open_file
from voiceface.media.open_picture import GIVE_PICTURE, check_pixels, open_picture
from voiceface.media.origin import Origin, read_origin

PictureSource = str | Path | BinaryIO | NDArray[Any] | Image.Image
"""A path, a file object open for binary reading, an array, or a Pillow image."""

PICTURE_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""What pictures are written as, by the end of their name."""
_QUALITY = 95
_BACKGROUND = (128, 128, 128)  # shows through transparent parts: neither a dark nor a light frame
_ORIENTATION = 0x0112  # EXIF 2.3, table 4
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def load_picture(source: PictureSource, *, long_side: int | None = None) -> Image.Image:
    """A picture as RGB, turned upright by its EXIF; of an animation the first frame.

    Transparent parts show mid-grey; 16 bits are scaled to 8; colour profiles are not applied.
    Memory stays bounded: JPEGs above 80 megapixels (or far above ``long_side``) are decoded at a
    half, a quarter or an eighth of their size, other formats above 80 megapixels are refused.

    Args:
        source: Path, binary file object, Pillow image (left as it is), or an array ``(height, width)`` or
            ``(height, width, 1 | 3 | 4)`` of uint8, uint16, bool or floats in [0, 1].
        long_side: Pixels that the longer side may have at most; larger pictures are scaled down.

    Raises:
        InputError: missing, empty, no picture, damaged, cut short or too large.

    >>> load_picture(np.zeros((40, 60), np.uint8), long_side=30).size
    (30, 20)
    """
    if long_side is not None and long_side < 1:
        raise InputError("long_side", f"is {long_side}", "give at least 1 pixel")
    if isinstance(source, Image.Image):
        return _finished(source, "<picture>", long_side)
    if isinstance(source, np.ndarray):
        return _finished(_of_array(source), "<array>", long_side)
    check_readable(source)
    if isinstance(source, str | os.PathLike):
        with open_file(source) as file:
            return _read(file, str(source), long_side)
    return _read(source, source_name(source), long_side)


def save_png(
    path: str | Path,
    image: Image.Image | NDArray[Any],
    *,
    metadata: Mapping[str, str] = MappingProxyType({}),
    origin: Origin | None = None,
) -> None:
    """Write a PNG, whole or not at all, with ``metadata`` as its text entries (any Unicode).

    A generated picture is given with its ``origin``, which `voiceface.media.origin.read_origin`
    finds again; a `GeneratedImage`, and what was made of one, brings its own.

    Raises:
        InputError: ``path`` does not end in .png or cannot be written, or a key is too long.
    """
    if Path(path).suffix.lower() != ".png":
        raise InputError(path, "does not end in .png", "name it so")
    if origin is None and isinstance(image, Image.Image):
        origin = read_origin(image)
    texts = PngInfo() if origin is None else origin.png_info()
    for key, text in metadata.items():
        if not 1 <= len(key.encode("latin-1", errors="ignore")) == len(key) <= 79 or "\0" in key + text:
            raise InputError(path, f"cannot hold the entry {key!r}", "give keys of 1 to 79 Latin-1 signs")
        texts.add_text(key, text)
    picture = image if isinstance(image, Image.Image) else _of_array(image)
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG", pnginfo=texts)


def save_picture(path: str | Path, image: Image.Image) -> None:
    """Write a picture as PNG, JPEG or WebP by the end of its name, whole or not at all.

    A generated picture keeps its origin: a PNG in text entries and XMP, the others in XMP.

    Raises:
        InputError: ``path`` ends in something else, or cannot be written.
    """
    kind = PICTURE_FORMATS.get(Path(path).suffix.lower())
    if kind is None:
        raise InputError(path, f"does not end in {', '.join(PICTURE_FORMATS)}", "name it so")
    if kind == "PNG":
        save_png(path, image)
        return
    origin = read_origin(image)
    xmp = {} if origin is None else {"xmp": origin.xmp().encode()}
    with atomic_path(path) as temporary:
        image.convert("RGB").save(temporary, format=kind, quality=_QUALITY, **xmp)


def encode_jpeg(image: Image.Image | NDArray[Any], quality: int = 92) -> bytes:
    """A picture (Pillow image or array, as `load_picture` takes them) as the bytes of a JPEG file."""
    buffer = io.BytesIO()
    load_picture(image).save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


def decode_jpeg(data: bytes | bytearray | memoryview) -> Image.Image:
    """The RGB picture in a JPEG file's bytes.

    Raises:
        InputError: they are no JPEG, or cut short.

    >>> decode_jpeg(encode_jpeg(np.full((8, 8, 3), 200, np.uint8))).getpixel((3, 3))
    (200, 200, 200)
    """
    return load_picture(io.BytesIO(data))


def picture_size(source: str | Path | BinaryIO) -> tuple[int, int]:
    """Width and height of a picture as it is stored, in pixels, without decoding it.

    Raises:
        InputError: missing, empty or no picture.
    """
    check_readable(source)
    if isinstance(source, str | os.PathLike):
        with open_file(source) as file:
            return picture_size(file)
    with open_picture(source, source_name(source)) as image:
        return image.size


def _read(file: BinaryIO, name: str, long_side: int | None) -> Image.Image:
    with open_picture(file, name) as image:
        _bounded(image, name, long_side)
        image.load()
        return _finished(image, name, long_side)


def _bounded(image: Image.Image, name: str, long_side: int | None) -> None:
    """Make sure that decoding ``image`` stays within the pixel limit, by scaling a JPEG if need be."""
    # libjpeg keeps all coefficients of a progressive file at full size, whatever the scale.
    scales = image.format == "JPEG" and not image.info.get("progressive")
    if not scales:
        check_pixels(image, name)
    width, height = image.size
    if image.format != "JPEG":
        return
    scale = 1
    while scale < 8 and width * height > MOST_PIXELS * scale**2:
        scale *= 2
    # Somewhat larger than what is wanted, so that the better filter does the last step.
    while scale < 8 and long_side is not None and max(width, height) // (scale * 2) >= 1.5 * long_side:
        scale *= 2
    if scale > 1:
        image.draft(None, (width // scale, height // scale))


def _finished(image: Image.Image, name: str, long_side: int | None) -> Image.Image:
    """A decoded picture as RGB, scaled and upright."""
    if 0 in image.size:
        raise InputError(name, f"has {image.size[0]} x {image.size[1]} pixels", GIVE_PICTURE)
    try:
        turn = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged metadata is no reason to refuse the picture
        turn = 1
    picture = _rgb(image, name)
    if long_side is not None and max(picture.size) > long_side:
        share = long_side / max(picture.size)
        size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if turn in _TURNS:
        picture = picture.transpose(_TURNS[turn])
    if picture is image:
        picture = image.copy()  # the caller's own, or a decoder's object that holds on to its file
    picture.info = {}  # nothing but the pixels goes on: no colour profile, place or comment
    return picture


def _rgb(image: Image.Image, name: str) -> Image.Image:
    """Any of Pillow's modes as RGB; what is RGB already as it is."""
    if image.mode == "F" or image.mode.startswith("I"):
        image = _of_array(_deep_gray(image, name), name)
    elif image.has_transparency_data:
        if image.mode == "La":  # Pillow knows no direct way from here
            image = image.convert("LA")
        ground = Image.new("RGBA", image.size, (*_BACKGROUND, 255))
        ground.alpha_composite(image.convert("RGBA"))
        image = ground
    return image if image.mode == "RGB" else image.convert("RGB")


def _deep_gray(image: Image.Image, name: str) -> NDArray[Any]:
    """The values of a one-channel picture of more than 8 bits, in a type that says their full scale."""
    values: NDArray[Any] = np.asarray(image)
    if values.dtype.kind == "u":
        return values
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)) or low < 0 or high > 65535:
        raise InputError(name, f"has values from {low:g} to {high:g}", "convert it to 8 or 16 bits")
    if image.mode == "F":
        return values / np.float32(1 if high <= 1 else 255 if high <= 255 else 65535)
    return values.astype(np.uint16 if image.format == "PNG" or high > 255 else np.uint8)


def _of_array(array: NDArray[Any], name: str = "<array>") -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))) or array.size == 0:
        raise InputError(name, f"has the shape {array.shape}", "give (height, width) or (height, width, 3)")
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f":
        # The comparison is false for NaN too; a resampler's overshoot is clipped.
        if not (array.min() >= -0.05 and array.max() <= 1.05):
            raise InputError(name, "contains floats out of [0, 1] or NaN", "scale them, or give uint8")
        array = np.rint(np.clip(array, 0, 1) * 255.0)
    elif kind == "u" and size == 2:
        array = (array.astype(np.uint32) + 128) // 257
    elif kind == "b":
        array = array * np.uint8(255)
    elif not (kind == "u" and size == 1):
        raise InputError(
            name, f"contains {array.dtype}, whose full scale is unknown", "give uint8, or floats in [0, 1]"
        )
    return Image.fromarray(np.ascontiguousarray(array.astype(np.uint8)))
