"""WAV files of plain samples, read without FFmpeg: opening one costs it ten times what reading costs.

Only a file that can mean one thing is taken: RIFF, PCM or floats, mono or stereo, one ``fmt`` and one
``data`` chunk that lies in the file whole. Whatever else a WAV may be (cut short, of unknown size, RF64,
compressed, of odd chunks) is left to FFmpeg. Numpy alone converts the samples: the standard library's
``wave`` (3.11) knows no floats and believes a header's sizes, and libsndfile would be one more dependency
that reads nothing which FFmpeg does not.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.media.bounded_reader import BoundedReader, open_bounded
from voiceface.media.container_bytes import DISGUISED_FROM, PLACEHOLDERS_FROM, ROUND
from voiceface.media.files import source_name
from voiceface.media.samples import RATES

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_TYPES = {(_PCM, 8): "u1", (_PCM, 16): "<i2", (_PCM, 32): "<i4", (_FLOAT, 32): "<f4", (_FLOAT, 64): "<f8"}
_PACKED = (_PCM, 24)
_SUBTYPE = bytes.fromhex("000000001000800000aa00389b71")  # behind the coding: KSDATAFORMAT_SUBTYPE_...
_LAYOUTS = {1: ["FC"], 2: ["FL", "FR"]}
_MASKS = {1: (0, 4), 2: (0, 3)}
"""Bits of the speakers in WAVEFORMATEXTENSIBLE that mean these layouts; 0: not said."""
_IGNORED = {b"LIST", b"JUNK", b"junk", b"PAD ", b"FLLR", b"PEAK", b"bext", b"iXML", b"smpl", b"fact"}
"""Chunks that say nothing of the samples; ``fact`` repeats their number."""
_LEAST = {b"LIST": 4, b"bext": 602}
"""Bytes of chunks that FFmpeg reads, and refuses if they are shorter."""
_MOST_CHUNKS = 32
_HEAD = 1 << 14
_SEARCHED = 1 << 16
_PASSED_ON = bytes.fromhex("72f81f4e")
"""Begins every burst of a coded stream that calls itself PCM on its way to a decoder (IEC 61937)."""


@dataclass(frozen=True)
class PlainWave:
    """The samples of an open WAV."""

    name: str
    rate: int
    """Hz."""
    channels: list[str]
    """Where they play, as FFmpeg names it."""
    samples: int
    """Of each channel."""
    packet: int
    """Samples that FFmpeg (8.1) decodes at a time."""
    _reader: BoundedReader
    _coding: tuple[int, int]
    _begin: int

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Samples ``[first, last)`` as they are stored, ``(channels, samples)``; 24 bits as the upper of 32.

        Raises:
            InputError: the disk fails.
        """
        self._reader.restart()
        count, width = len(self.channels), self._coding[1] // 8
        first, last = max(first, 0), min(last, self.samples)
        self._reader.seek(self._begin + first * count * width)
        data = self._reader.read(max(0, last - first) * count * width)
        if len(data) < max(0, last - first) * count * width:
            raise InputError(self.name, "became shorter while it was read", "copy or download it again")
        if self._coding == _PACKED:
            wide = np.zeros((len(data) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            found: NDArray[Any] = wide.view("<i4")[:, 0]
        else:
            found = np.frombuffer(data, _TYPES[self._coding])
        return found.reshape(-1, count).T


@contextlib.contextmanager
def open_plain_wave(source: str | Path | BinaryIO) -> Iterator[PlainWave | None]:
    """A WAV whose samples are plain, or None: then FFmpeg opens it; a file object stands at its beginning.

    Raises:
        InputError: the disk fails.
    """
    name = source_name(source)
    with open_bounded(source, name) as reader:
        yield _parse(reader, name)


def _parse(reader: BoundedReader, name: str) -> PlainWave | None:
    if not reader.seekable():
        return None
    head = reader.read(_HEAD)
    try:
        if head[:4] != b"RIFF" or head[8:16] != b"WAVEfmt ":
            return None
        chunks = _chunks(head, reader.seek(0, os.SEEK_END), reader)
        if chunks is None:
            return None
        begin, length = chunks[b"data"]
        reader.seek(begin)
        beginning = reader.read(min(length, _SEARCHED))
    finally:
        reader.seek(0)
    format_begin, format_length = chunks[b"fmt "]
    form = _format(head[format_begin : format_begin + format_length])
    if form is None or length >= PLACEHOLDERS_FROM or not length % ROUND:
        return None
    coding, count, rate, frame = form
    disguised = coding == (_PCM, 16) and count > 1 and rate >= DISGUISED_FROM
    samples, rest = divmod(length, frame)
    if rest or disguised or _PASSED_ON in beginning or not _same_number(chunks, head, samples):
        return None
    packet = 1 << (max(1, rate // 10).bit_length() - 1)
    return PlainWave(name, rate, _LAYOUTS[count], samples, packet, reader, coding, begin)


def _chunks(head: bytes, size: int, reader: BoundedReader) -> dict[bytes, tuple[int, int]] | None:
    """Where a whole file's chunks begin and how long they are; None if one is not known, or not there."""
    found: dict[bytes, tuple[int, int]] = {}
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at >= size:
            return found if b"data" in found else None
        if at + 8 <= len(head):
            top = head[at : at + 8]
        else:
            if b"data" not in found:
                return None
            reader.seek(at)
            top = reader.read(8)
        kind, length = top[:4], int.from_bytes(top[4:], "little")
        at += 8
        known = kind in _IGNORED and length >= _LEAST.get(kind, 0)
        if len(top) < 8 or at + length > size:
            return None
        if not (known or (kind in (b"fmt ", b"data") and kind not in found)):
            return None
        if kind == b"data" and b"fmt " not in found:
            return None
        if kind not in found:
            found[kind] = at, length
        at += length + length % 2
    return None


def _format(form: bytes) -> tuple[tuple[int, int], int, int, int] | None:
    """Coding and bits, channels, Hz and bytes of all channels' sample; None if it is not plain."""
    if len(form) not in (16, 18, 40):
        return None
    coding, count, rate, _, frame, bits = struct.unpack_from("<HHIIHH", form)
    extra = int.from_bytes(form[16:18], "little")
    if coding == _EXTENSIBLE:
        if len(form) != 40 or extra != 22 or form[26:] != _SUBTYPE:
            return None
        valid, mask, coding = struct.unpack_from("<HIH", form, 18)
        if valid != bits or mask not in _MASKS.get(count, ()):
            return None
    elif extra:
        return None
    kind = coding, bits
    if count not in _LAYOUTS or rate not in RATES or frame != count * bits // 8:
        return None
    return (kind, count, rate, frame) if kind in _TYPES or kind == _PACKED else None


def _same_number(chunks: dict[bytes, tuple[int, int]], head: bytes, samples: int) -> bool:
    """Whether ``fact``, where there is one, states as many samples as ``data`` holds."""
    if b"fact" not in chunks:
        return True
    begin, length = chunks[b"fact"]
    return length >= 4 and head[begin : begin + 4] == samples.to_bytes(4, "little")
