"""All that FFmpeg may read: one file, for a bounded time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from voiceface.errors import InputError
from voiceface.media.open_file import open_file

PATIENCE = 60.0
"""Seconds that opening a file, or finding its next packet, may take."""

MOST_PIXELS = 80_000_000
"""Of one frame, or of a picture that cannot be decoded smaller: 240 MB as RGB; a decoder holds several."""


class BoundedReader:
    """A binary file as FFmpeg sees it through PyAV: reads and seeks, and gives up after `PATIENCE`.

    FFmpeg opens nothing itself, so that no demuxer can follow a name that stands in the file.
    """

    def __init__(self, file: Any, name: str) -> None:  # noqa: ANN401 - whatever has read()
        self.file, self.name = file, name
        self._seekable = all(hasattr(file, part) for part in ("seek", "tell")) and bool(
            getattr(file, "seekable", lambda: True)()
        )
        self.corrected: tuple[int, bytes] | None = None
        """A position in the file, and what is read there in place of what stands there."""
        self.restart()

    def restart(self) -> None:
        """Begin to wait anew: something was found."""
        self._until = time.monotonic() + PATIENCE

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes.

        Raises:
            InputError: the disk fails, or `PATIENCE` has passed since `restart`.
        """
        if time.monotonic() > self._until:
            raise InputError(
                self.name, f"gave nothing for {PATIENCE:g} s", "copy it to a local disk, or convert it to WAV"
            )
        begin = self.tell() if self.corrected else 0
        try:
            data: bytes = self.file.read(size)
        except OSError as error:
            fault = f"cannot be read ({error.strerror or error})"
            raise InputError(self.name, fault, "check the disk it lies on") from error
        if self.corrected:
            at, right = self.corrected
            known = bytearray(data)
            for place, byte in enumerate(right, at - begin):
                if 0 <= place < len(known):
                    known[place] = byte
            data = bytes(known)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """As a file's; -1 where a damaged header leads before the file's beginning, or past any end."""
        try:
            return int(self.file.seek(offset, whence))
        except (OSError, ValueError, OverflowError):
            return -1

    def tell(self) -> int:
        """As a file's."""
        return int(self.file.tell())

    def seekable(self) -> bool:
        """Whether the file can be wound back."""
        return self._seekable

    def refuse(self, url: str, flags: int, options: dict[str, str]) -> NoReturn:
        """What answers FFmpeg when it asks for another file (``io_open`` of ``av.open``).

        Raises:
            InputError: always.
        """
        raise InputError(
            self.name, f"names another file ({url[:80]!r}), which is not opened", "give that one"
        )


@contextlib.contextmanager
def open_bounded(source: str | Path | BinaryIO, name: str) -> Iterator[BoundedReader]:
    """A reader of a path, closed at the end, or of a file object, which stays open."""
    if hasattr(source, "read"):
        yield BoundedReader(source, name)
        return
    with open_file(source, buffering=0) as file:
        yield BoundedReader(file, name)
