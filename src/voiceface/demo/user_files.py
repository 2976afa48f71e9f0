"""The files that a user names on one line, as make and the shell hand them over."""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from voiceface.errors import InputError
from voiceface.media.files import check_readable
from voiceface.pipelines.input_files import expand_folders


def find_pictures(words: Sequence[str]) -> list[Path]:
    """The pictures that are meant, each once; a folder stands for the pictures in it.

    A word is a path as it stands, else a pattern (``photos/*.jpg``), else several of these in one line,
    which is what ``make demo FACES="a.jpg 'b c.jpg'"`` gives.

    Raises:
        InputError: a file is missing or empty, or a folder holds no picture.
    """
    pictures = expand_folders([path for word in words for path in _paths(word)], "face")
    for picture in pictures:
        check_readable(picture)
    return pictures


def find_voice(word: str) -> Path:
    """The recording's path.

    Raises:
        InputError: it is missing, empty or a folder.
    """
    voice = _user_path(word)
    check_readable(voice)
    return voice


def check_outside(path: Path, folder: Path) -> None:
    """Refuse a file in the folder that will be replaced.

    Raises:
        InputError: it lies there.
    """
    if Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents:
        raise InputError(path, "lies in the folder that the demo replaces", "copy it somewhere else first")


def shown_name(path: str | Path) -> str:
    """A path, or a message with one, as text that can be written as UTF-8, on one line."""
    return " ".join(os.fsencode(path).decode("utf-8", "replace").split())


def _paths(word: str) -> Iterator[Path]:
    path = _user_path(word)
    if path.exists():
        yield path
        return
    matches = sorted(glob.glob(str(path))) if glob.has_magic(word) else []
    if matches:
        yield from map(Path, matches)
        return
    words = _split(word)
    if len(words) == 1 and words[0] == word:
        yield path  # reading it says what is wrong
        return
    for part in words:
        yield from _paths(part)


def _user_path(word: str) -> Path:
    try:
        return Path(word).expanduser()
    except RuntimeError:  # no such user's home
        return Path(word)


def _split(line: str) -> list[str]:
    reader = shlex.shlex(line, posix=True, punctuation_chars=False)
    reader.whitespace_split, reader.commenters = True, ""
    if os.name == "nt":
        reader.escape = ""  # there a backslash stands between folders
    try:
        return list(reader) or [line]
    except ValueError:  # a quote that is part of a name
        return line.split() or [line]
