"""What a container's own bytes say that FFmpeg does not tell: a RIFF's announced size, joined Ogg files."""

from __future__ import annotations

import os
import re

from voiceface.media.bounded_reader import BoundedReader

# A recorder that wrote to a pipe, or was killed, leaves a placeholder: the largest numbers, or a round one.
_PLACEHOLDERS_FROM = 0x7FFF0000
_ROUND = 1_000_000_000
_OGG_PAGE = re.compile(rb"OggS\x00([\x00-\x07])")  # RFC 3533, section 6
_BEGINS = 2  # the flag of a stream's first page
_BLOCK = 1 << 20
_SAMPLES = (1, 3)  # the codings of a WAV that are integers and floats as they are
_DISGUISED_FROM = 44_100


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
        size = int.from_bytes(head[4:8], "little")
        if head[8:] == b"WAVE":
            while (chunk := file.read(8))[:4] != b"data":
                if len(chunk) < 8:
                    return None
                skipped = int.from_bytes(chunk[4:], "little")
                file.seek(skipped + skipped % 2, os.SEEK_CUR)
            size = int.from_bytes(chunk[4:], "little")
        else:
            size -= 4
        begin = file.tell()
        known = 0 < size < _PLACEHOLDERS_FROM and size % _ROUND
        return min(1.0, max(0, file.seek(0, os.SEEK_END) - begin) / size) if known else None
    finally:
        file.seek(0)


def is_plain_wave(file: BoundedReader) -> bool:
    """Whether a file is a WAV of samples that can be nothing else, so that FFmpeg need not try its beginning.

    Stereo at 44,100 Hz and more may be DTS or AC-3 that calls itself PCM. The file is wound back to its
    beginning.
    """
    if not file.seekable():
        return False
    head = file.read(28)
    file.seek(0)
    if len(head) < 28 or head[:4] != b"RIFF" or head[8:16] != b"WAVEfmt ":
        return False
    coding, channels, rate = (int.from_bytes(head[a:b], "little") for a, b in ((20, 22), (22, 24), (24, 28)))
    return coding in _SAMPLES and (channels == 1 or rate < _DISGUISED_FROM)


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
