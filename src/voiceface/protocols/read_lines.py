"""Text files of one record a line, whole or refused."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from voiceface.errors import InputError
from voiceface.media.open_file import open_file
from voiceface.media.unicode_names import in_one_form


def read_lines(path: str | Path) -> list[str]:
    """Lines of a text file, plain or gzip, without their ends, in one Unicode form.

    Raises:
        InputError: it is missing, empty, not UTF-8, or a gzip archive that ends in the middle.
    """
    try:
        with open_file(path) as file:
            raw = file.read()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})", "check the path") from None
    return decode_lines(raw, path)


def decode_lines(raw: bytes, path: str | Path) -> list[str]:
    """The same of the bytes of a file.

    Raises:
        InputError: they are none, not UTF-8, or a gzip archive that ends in the middle.
    """
    try:
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8")
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(path, "is a gzip file cut short or damaged", "fetch it again") from None
    except UnicodeDecodeError:
        raise InputError(path, "is not UTF-8 text", "give the published text file") from None
    if not text.strip():
        raise InputError(path, "is empty", "give the published list")
    return in_one_form(text).splitlines()
