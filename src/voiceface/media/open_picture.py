"""Opening a picture file without decoding it; decoders see only the formats that pictures come in."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from voiceface.errors import InputError
from voiceface.media.bounded_reader import MOST_PIXELS
from voiceface.media.optional_reader import register_reader

GIVE_PICTURE = "give a JPEG or PNG picture"
# Pillow opens others too: PostScript, for which it runs Ghostscript, a whole programming language; FITS,
# which it unpacks without a limit; icons, whose pictures are larger than they say; stubs for other packages.
_FORMATS = (
    *("BMP", "DIB", "GIF", "PPM", "PNG", "JPEG", "WEBP", "TIFF", "JPEG2000", "TGA", "PCX", "PSD", "SGI"),
    "QOI",
)
_OPTIONAL = ("AVIF", "HEIF")  # not in every build; files of both begin alike
_POSTSCRIPT = (b"%!PS", b"\xc5\xd0\xd3\xc6")


@contextlib.contextmanager
def open_picture(file: BinaryIO, name: str) -> Iterator[Image.Image]:
    """A picture as its header tells it; whatever a decoder raises inside the block becomes one error.

    Args:
        file: open for binary reading, at its beginning.
        name: the file's name, for the errors.

    Raises:
        InputError: it is no picture, or damaged, or its optional reader is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on size and metadata; we have our own limit
            yield _opened(file, name)
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise InputError(name, "is no picture", GIVE_PICTURE) from error
    except Image.DecompressionBombError as error:
        raise InputError(name, "has too many pixels to be read safely", "scale it down first") from error
    except MemoryError as error:
        raise InputError(name, "needs more memory than there is", "scale it down first") from error
    except Exception as error:  # decoders of broken files raise almost anything
        raise InputError(name, f"is a damaged picture ({error})", "copy or download it again") from error


def check_pixels(image: Image.Image, name: str) -> None:
    """Refuse a picture of over `MOST_PIXELS` before it is decoded (InputError)."""
    width, height = image.size
    if width * height > MOST_PIXELS:
        fault = f"has {width} x {height} pixels, more than the {MOST_PIXELS // 10**6} million that are read"
        raise InputError(name, fault, "scale it down first")


def _opened(file: BinaryIO, name: str) -> Image.Image:
    """A JPEG directly, because `Image.open` refuses large ones that can be scaled."""
    if not getattr(file, "seekable", lambda: False)():
        return Image.open(file, formats=_FORMATS)
    start = file.read(12)
    file.seek(0)
    if start[:3] == b"\xff\xd8\xff":
        return JpegImageFile(file)
    if start[:4] in _POSTSCRIPT:
        raise InputError(name, "is a PostScript program, not a picture", GIVE_PICTURE)
    if start[4:8] != b"ftyp":
        return Image.open(file, formats=_FORMATS)
    register_reader(start, name)
    Image.init()
    return Image.open(file, formats=[one for one in _OPTIONAL if one in Image.OPEN])
