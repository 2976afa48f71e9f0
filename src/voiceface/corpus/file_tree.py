"""Walking a data set's folders: every media file once, in one order on every system.

Only names are read (``os.scandir``; no file is opened or asked for its size), so a tree of a million
files takes seconds where the disk allows it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from voiceface.errors import InputError
from voiceface.media.media_kind import media_kind

_OF_THE_SYSTEM = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
"""What Windows and macOS put into folders (lower case); as little a user's file as a hidden one."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A media file; a file of another kind; or (``"fault"``) a folder or file that cannot be used."""

    path: str
    """From the root, with ``/``."""
    kind: str
    """``"sound"``, ``"image"``, ``"video"``; ``"other"``; ``"fault"``: see ``reason``."""
    reason: str = ""

    @property
    def parts(self) -> list[str]:
        """The folders and the file's name."""
        return self.path.split("/")

    @property
    def stem(self) -> str:
        """The file's name without its last suffix."""
        return stem_of(self.path)


def stem_of(path: str) -> str:
    """A path's last name without its suffix: ``a/b.c.wav`` gives ``b.c``."""
    return os.path.splitext(path.rpartition("/")[2])[0]


def checked_root(root: str | Path) -> Path:
    """The root as an absolute path.

    Raises:
        InputError: it is missing, no folder, or cannot be listed.
    """
    path = Path(os.path.abspath(root))
    try:
        with os.scandir(path):
            return path
    except FileNotFoundError:
        raise InputError(root, "no such folder", "give the folder the data set was unpacked into") from None
    except NotADirectoryError:
        raise InputError(
            root, "is a file", "give the folder that holds it; unpack it if it is an archive"
        ) from None
    except OSError as error:
        fault = f"cannot be listed ({error.strerror or error})"
        raise InputError(root, fault, "check the folder's permissions") from None


def walk_media(
    root: Path, *, under: str = "", skip: Collection[str] = (), others: bool = False
) -> Iterator[FoundFile]:
    """Every media file below the root, sorted by path within each folder; hidden names are left out.

    ``under`` starts in a folder of the root; ``skip`` names folders not to enter (lower case). Links
    to folders are followed, except one that leads back to where the walk came from. With ``others``
    also the files whose names end like no sound, picture or video, so that they can be named.
    """
    start = os.path.join(root, *under.split("/")) if under else str(root)
    for found in _walk(start, under, frozenset(skip), ()):
        if others or found.kind != "other":
            yield found


def _walk(folder: str, prefix: str, skip: frozenset[str], followed: tuple[str, ...]) -> Iterator[FoundFile]:
    try:
        with os.scandir(folder) as entries:
            inside = sorted(((entry.name, entry) for entry in entries), key=lambda pair: pair[0])
    except OSError as error:
        yield FoundFile(prefix or ".", "fault", f"the folder cannot be listed ({error.strerror or error})")
        return
    for name, entry in inside:
        if name.startswith(".") or name.lower() in _OF_THE_SYSTEM:
            continue
        path = f"{prefix}/{name}" if prefix else name
        if not name.isascii() and not _is_unicode(name):
            yield FoundFile(
                path.encode(errors="replace").decode(), "fault", "its name is no Unicode text; rename it"
            )
            continue
        linked = entry.is_symlink()
        if entry.is_dir():
            if name.lower() in skip:
                continue
            chain = followed
            if linked:
                target, here = os.path.realpath(entry.path), os.path.realpath(folder)
                if target in followed or here == target or here.startswith(target + os.sep):
                    yield FoundFile(path, "fault", "a link that leads back into its own folder")
                    continue
                chain = (*followed, target)
            yield from _walk(entry.path, path, skip, chain)
            continue
        if entry.is_file():
            yield FoundFile(path, media_kind(name) or "other")
        elif linked and not os.path.exists(entry.path):
            yield FoundFile(path, "fault", "a link to a file that is not there")
        else:
            yield FoundFile(path, "fault", "a pipe, a socket or a device")


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def find_file(root: Path, *names: str) -> Path | None:
    """The first of these files in the root, or else in one of its folders (``meta`` before others).

    Each is also looked for in upper and lower case and gzipped.
    """
    spellings = [
        spelling + suffix
        for name in names
        for spelling in dict.fromkeys((name, name.lower(), name.upper()))
        for suffix in ("", ".gz")
    ]
    try:
        with os.scandir(root) as entries:
            folders = sorted(
                entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()
            )
    except OSError:
        return None
    folders.sort(key=lambda name: (name.lower() not in ("meta", "data", "lists"), name))
    for folder in ["", *folders[:64]]:
        for spelling in spellings:
            path = root / folder / spelling
            if path.is_file():
                return path
    return None


def find_tables(root: Path, *, depth: int = 3, skip: Collection[str] = ()) -> Iterator[Path]:
    """The .txt, .csv and .tsv files in the root and its folders, down to a depth, sorted.

    ``skip`` names folders not to enter (lower case): those of the media, which hold too many files.
    """
    with os.scandir(root) as entries:
        inside = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    for name, is_folder in inside:
        if not is_folder and os.path.splitext(name)[1].lower() in (".txt", ".csv", ".tsv"):
            yield root / name
        elif is_folder and depth > 0 and name.lower() not in skip:
            yield from find_tables(root / name, depth=depth - 1, skip=skip)
