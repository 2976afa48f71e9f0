"""What a file holds, by the end of its name."""

from __future__ import annotations

import os

__all__ = ["media_kind"]

SOUNDS = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".wma", ".aif", ".aiff", ".aifc"}
    | {".au", ".amr", ".caf", ".spx", ".w64", ".mka", ".sph"}
)
IMAGES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jp2", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"}
    | {".pgm", ".avif"}
)
VIDEOS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".flv", ".f4v", ".mpg", ".mpeg", ".wmv", ".3gp"}
    | {".3g2", ".ogv", ".vob", ".mts", ".m2ts", ".asf"}
)


def media_kind(name: str) -> str:
    """What a file holds by its suffix, whatever its case: sound, image, video or ``""``.

    >>> media_kind("A.WAV"), media_kind("notes.txt")
    ('sound', '')
    """
    suffix = os.path.splitext(name)[1].lower()
    if suffix in SOUNDS:
        return "sound"
    if suffix in IMAGES:
        return "image"
    return "video" if suffix in VIDEOS else ""
