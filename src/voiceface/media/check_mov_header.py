"""What the header of a MOV or MP4 announces: so little that FFmpeg can make its tables of it."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator

from voiceface.errors import InputError
from voiceface.media.bounded_reader import BoundedReader

# Boxes of ISO/IEC 14496-12 and QuickTime. FFmpeg needs some 35 bytes of memory for every sample, also for
# those that a box announces by their number alone, and for every sample of every edit.
_KNOWN = frozenset({b"ftyp", b"moov", b"moof", b"mdat", b"wide", b"free", b"hoov", b"skip", b"pnot", b"udta"})
_MOST_HEADER = 256_000_000  # bytes
_MOST_UNPACKED = 16_000_000  # bytes; an hour's header has one to three million
_MOST_SAMPLES = 5_000_000  # of one size, which no table lists: 27 hours of AMR
_SMALLEST = 16  # bytes of such a sample, where a file is long: ADPCM has 34
_MOST_BOXES = 1_000_000
_MANY_EDITS, _MOST_EDITED = 16, 20_000_000
_SIZES = re.compile(rb"st(?:sz|z2)....(....)(....)", re.DOTALL)
_RUN = re.compile(rb"trun.(...)(....)", re.DOTALL)
_RUN_LISTS = 0x0F00  # flags: something of every sample is listed
_EDITS = re.compile(rb"elst....(....)", re.DOTALL)
# Uncompressed sound: one entry of a duration of 1. Such samples are found by their chunks.
_PLAIN_SOUND = re.compile(rb"stts....\x00\x00\x00\x01....\x00\x00\x00\x01", re.DOTALL)
_HANDLER = re.compile(rb"hdlr.{8}(....)", re.DOTALL)
_OF_SOUND = {b"soun", b"url ", b"alis"}  # of the media, and in QuickTime also of where they lie
_PACKED = re.compile(rb"dcomzlib....cmvd(....)", re.DOTALL)


def check_mov_header(file: BoundedReader) -> None:
    """Refuse a MOV or MP4 whose header would cost far more memory and time than its bytes can need.

    Any other file passes, and one that cannot be wound back. The file is wound back to its beginning.

    Raises:
        InputError: a compressed header over 16 MB, one over 256 MB, more samples that are not listed than
            its bytes can hold (five million are always believed), or edits that repeat the samples too often.
    """
    if not file.seekable():
        return
    try:
        size = file.seek(0, os.SEEK_END)
        boxes = list(_boxes(file, size))
        if not any(kind in _KNOWN for kind, _, _ in boxes):
            return
        unlisted = runs = 0
        for kind, begin, length in boxes:
            if kind == b"mdat":
                continue
            if length > _MOST_HEADER:
                raise _refused(file, f"has a header of {length / 1e6:.0f} MB")
            file.seek(begin)
            header = _unpacked(file, file.read(length))
            tracks = header.split(b"trak")
            unlisted += sum(map(_unlisted, tracks))
            runs += sum(_number(run[2]) for run in _RUN.finditer(header) if not _number(run[1]) & _RUN_LISTS)
            if unlisted > max(_MOST_SAMPLES, size // _SMALLEST) or runs > size:
                raise _refused(file, f"announces {max(unlisted, runs):,} samples that it cannot hold")
            for track in tracks:
                edits = sum(_number(found[1]) for found in _EDITS.finditer(track))
                samples = max((_number(found[2]) for found in _SIZES.finditer(track)), default=0)
                if edits > _MANY_EDITS and edits * samples > _MOST_EDITED:
                    raise _refused(file, f"has {edits:,} edits of {samples:,} samples")
    finally:
        file.seek(0)


def _boxes(file: BoundedReader, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, beginning and length of the contents of each outermost box, as far as they follow each other."""
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        length, kind, begin = _number(head[:4]), head[4:8], at + 8
        if length == 1:
            length, begin = _number(head[8:]), at + 16
        end = size if length == 0 else at + length
        if end < begin:
            return
        yield kind, begin, min(end, size) - begin
        at = end
        if at >= size:
            return
    raise _refused(file, f"has over {_MOST_BOXES:,} parts")


def _unpacked(file: BoundedReader, header: bytes) -> bytes:
    """The header with what is compressed in it."""
    parts = [header]
    for packed in _PACKED.finditer(header):
        if _number(packed[1]) > _MOST_UNPACKED:
            raise _refused(file, f"has a compressed header of {_number(packed[1]) / 1e6:.0f} MB")
        try:
            parts.append(zlib.decompressobj().decompress(header[packed.end() :], _MOST_UNPACKED))
        except zlib.error:
            continue  # FFmpeg cannot read it either
    return b"".join(parts)


def _unlisted(track: bytes) -> int:
    """Samples of a track that are all of one size, and of which nothing else is listed."""
    handlers = set(_HANDLER.findall(track))
    if b"soun" in handlers <= _OF_SOUND and track.count(b"stts") == 1 and _PLAIN_SOUND.search(track):
        return 0
    return sum(_number(found[2]) for found in _SIZES.finditer(track) if _number(found[1]))


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _refused(file: BoundedReader, fault: str) -> InputError:
    return InputError(file.name, fault, "convert it anew, with ffmpeg for instance")
