"""Formats that a package of their own reads, and what to say where it is not installed."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from voiceface.errors import MissingPartError


@dataclass(frozen=True, kw_only=True)
class OptionalReader:
    """A package that teaches Pillow one more format."""

    format: str
    module: str
    package: str
    extra: str
    """voiceface's extra that installs it."""
    register: str
    """Its function that tells Pillow of it."""
    brands: frozenset[bytes]
    """What a file of the format has in its bytes 8 to 12, after ``ftyp``."""


READERS = (
    OptionalReader(
        format="HEIC",
        module="pillow_heif",
        package="pillow-heif",
        extra="heif",
        register="register_heif_opener",
        brands=frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}),
    ),
)


def register_reader(head: bytes, name: str) -> None:
    r"""Make ready the optional reader of a picture, if it needs one.

    Args:
        head: the file's first 12 bytes.
        name: the file's name, for the error.

    Raises:
        MissingPartError: its package is not installed; it is named.

    >>> register_reader(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01", "a.jpg")
    """
    for reader in READERS:
        if head[4:8] == b"ftyp" and head[8:12] in reader.brands:
            try:
                module = importlib.import_module(reader.module)
            except ImportError:
                fault = f"is a picture of the format {reader.format}, and {reader.package} is not installed"
                remedy = f'pip install "voiceface[{reader.extra}]", or save it as JPEG'
                raise MissingPartError(name, fault, remedy) from None
            getattr(module, reader.register)()
