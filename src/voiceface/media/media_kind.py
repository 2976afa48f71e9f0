"""What a file holds, by the end of its name."""

from __future__ import annotations

import os

SOUNDS = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".wma", ".aif", ".aiff", ".aifc"}
    | {".au", ".snd", ".amr", ".awb", ".3ga", ".caf", ".spx", ".w64", ".mka", ".weba", ".sph", ".mp2"}
    | {".mpa", ".ac3", ".eac3", ".m4b", ".m4r", ".dts", ".ape", ".wv", ".tta", ".tak", ".mpc", ".voc"}
    | {".gsm", ".oma", ".qcp", ".dss"}
)
IMAGES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jp2", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"}
    | {".pgm", ".pbm", ".pnm", ".avif", ".jfif", ".jif", ".pjpeg", ".pjp", ".heic", ".heif", ".hif"}
    | {".apng", ".jpf", ".jpx", ".j2k", ".dib", ".tga"}
)
VIDEOS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".flv", ".f4v", ".mpg", ".mpeg", ".wmv", ".3gp"}
    | {".3g2", ".ogv", ".ogm", ".vob", ".mts", ".m2ts", ".m2t", ".ts", ".m2v", ".mpe", ".mpv", ".mp4v"}
    | {".qt", ".mxf", ".dv", ".divx", ".rm", ".rmvb", ".wtv", ".asf"}
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


def ends_as_file(name: str) -> bool:
    """Whether a name ends as names of files do: in a dot and two to four letters.

    >>> ends_as_file("face.pgn"), ends_as_file("faces"), ends_as_file("run.2")
    (True, False, False)
    """
    ending = os.path.splitext(name)[1][1:]
    return 2 <= len(ending) <= 4 and ending.isalpha()
