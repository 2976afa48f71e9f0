"""What a container's own bytes say that FFmpeg does not tell: sizes, lengths, spare bits, joined files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from voiceface.media.bounded_reader import BoundedReader

# A recorder that wrote to a pipe, or was killed, leaves a placeholder: the largest numbers, or a round one.
PLACEHOLDERS_FROM = 0x7FFF0000
ROUND = 1_000_000_000
_OGG_PAGE = re.compile(rb"OggS\x00([\x00-\x07])")  # RFC 3533, section 6
_BEGINS = 2  # the flag of a stream's first page
_BLOCK = 1 << 20
_HEAD = 1 << 16
_ASF, _MATROSKA = bytes.fromhex("3026b275"), bytes.fromhex("1a45dfa3")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_MATROSKA_CLUSTER = b"\x1f\x43\xb6\x75"
_MATROSKA_DURATION = re.compile(rb"\x44\x89(?:\x84(.{4})|\x88(.{8}))", re.DOTALL)
_SAMPLES = (1, 3)  # the codings of a WAV that are integers and floats as they are
DISGUISED_FROM = 32_000
"""Hz: the lowest rate of AC-3, and of the DTS that is written as WAV."""
_EXTENSIBLE_SIZE = 40  # bytes of WAVEFORMATEXTENSIBLE
_PCM = bytes.fromhex("0100000000001000800000aa00389b71")  # KSDATAFORMAT_SUBTYPE_PCM


def share_of_riff(file: BoundedReader) -> float | None:
    """How much of the bytes that a WAV's or AVI's header announces is there, 0 to 1.

    None for another file, one that cannot be wound back, or one whose writer did not know the size.
    The file is wound back to its beginning.
    """
    if not file.seekable():
        return None
    try:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] not in (b"WAVE", b"AVI "):
            return None
        size: int | None = int.from_bytes(head[4:8], "little") - 4
        if head[8:] == b"WAVE":
            size = next((size for name, size in _chunks(file) if name == b"data"), None)
        if size is None:
            return None
        begin = file.tell()
        known = 0 < size < PLACEHOLDERS_FROM and size % ROUND
        return min(1.0, max(0, file.seek(0, os.SEEK_END) - begin) / size) if known else None
    finally:
        file.seek(0)


def _chunks(file: BoundedReader) -> Iterator[tuple[bytes, int]]:
    """The name and the size of every chunk of a WAV; the file stands at the beginning of its content."""
    at = file.seek(12)
    while len(head := file.read(8)) == 8:
        size = int.from_bytes(head[4:], "little")
        yield head[:4], size
        at += 8 + size + size % 2
        if file.seek(at) != at:
            return


def padded_bits(file: BoundedReader) -> tuple[int, bytes] | None:
    """Where a WAV names fewer bits than its samples take, and their true number as it would stand there.

    FFmpeg (8.1) takes the bits that are valid for those that are stored: samples of 24 bits in 32 are
    floats to it, those of 16 in 24 are half as many again. The file is wound back to its beginning.
    """
    if not file.seekable():
        return None
    try:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
            return None
        for name, size in _chunks(file):
            if name == b"data":
                return None
            if name != b"fmt " or size < _EXTENSIBLE_SIZE:
                continue
            begin, form = file.tell(), file.read(_EXTENSIBLE_SIZE)
            stored, valid = form[14:16], int.from_bytes(form[18:20], "little")
            plain = form[:2] == b"\xfe\xff" and form[24:] == _PCM
            whole = 8 * (-(-valid // 8)) == int.from_bytes(stored, "little")
            return (begin + 18, stored) if plain and valid and not whole else None
        return None
    finally:
        file.seek(0)


def is_plain_wave(file: BoundedReader) -> bool:
    """Whether a file is a WAV of samples that can be nothing else, so that FFmpeg need not try its beginning.

    Stereo at 32,000 Hz and more may be DTS or AC-3 that calls itself PCM. The file is wound back to its
    beginning.
    """
    if not file.seekable():
        return False
    head = file.read(28)
    file.seek(0)
    if len(head) < 28 or head[:4] != b"RIFF" or head[8:16] != b"WAVEfmt ":
        return False
    coding, channels, rate = (int.from_bytes(head[a:b], "little") for a, b in ((20, 22), (22, 24), (24, 28)))
    return coding in _SAMPLES and (channels == 1 or rate < DISGUISED_FROM)


def states_length(file: BoundedReader) -> bool:
    """Whether a Matroska's or an ASF file's header states a length; FFmpeg guesses it by the bit rate if not.

    A stream that went through a pipe, and a recording whose writer was killed, state none. The file is
    wound back to its beginning.
    """
    if not file.seekable():
        return False
    known = (head := file.read(4)) in (_ASF, _MATROSKA)
    head += file.read(_HEAD) if known else b""
    file.seek(0)
    properties = head.find(_ASF_PROPERTIES)
    if properties >= 0:
        return len(head) > properties + 88 and not head[properties + 88] & 1  # the broadcast flag
    found = _MATROSKA_DURATION.search(head.split(_MATROSKA_CLUSTER)[0])
    return found is not None and any(found[1] or found[2])


def is_chained_ogg(file: BoundedReader) -> bool:
    """Whether streams begin in an Ogg file behind another's pages, as in files that were joined.

    The file is left where it stood.
    """
    stood, tail, running = file.tell(), b"", False
    file.seek(0)
    try:
        while block := file.read(_BLOCK):
            for page in _OGG_PAGE.finditer(tail + block):
                begins = bool(page[1][0] & _BEGINS)
                if begins and running:
                    return True
                running = running or not begins
            tail = block[-5:]
        return False
    finally:
        file.seek(stood)
