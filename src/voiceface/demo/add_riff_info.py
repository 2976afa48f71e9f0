"""Texts in a WAV file: what made it, and that nobody spoke."""

from __future__ import annotations

import struct
from collections.abc import Mapping


def add_riff_info(wav: bytes, entries: Mapping[str, str]) -> bytes:
    r"""A WAV file's bytes with RIFF INFO entries, by four-letter names, appended to the audio.

    Source: Microsoft and IBM, Multimedia Programming Interface and Data Specifications 1.0, 1991, chapter 2.

    >>> wav = b"RIFF" + struct.pack("<I", 12) + b"WAVE" + b"data" + struct.pack("<I", 0)
    >>> add_riff_info(wav, {"ICMT": "made"})[20:]
    b'LIST\x12\x00\x00\x00INFOICMT\x05\x00\x00\x00made\x00\x00'
    """
    body = b"INFO"
    for name, text in entries.items():
        data = text.encode("utf-8") + b"\0"
        body += name.encode("ascii") + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    whole = wav[8:] + b"LIST" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(whole)) + whole
