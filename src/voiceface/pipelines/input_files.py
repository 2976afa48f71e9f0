"""Which of the files a user names are voices and which are faces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from voiceface.corpus.file_tree import media_kind, walk_media
from voiceface.errors import InputError
from voiceface.media.files import readable

__all__ = ["query_side", "expand_folders", "is_corpus", "side_of"]

SIDES = {"sound": "voice", "video": "voice", "image": "face"}
_OTHER = {"voice": "face", "face": "voice"}


def side_of(path: Path) -> str:
    """``"voice"`` or ``"face"``: by the suffix, or where that tells nothing by the file's first bytes.

    Raises:
        InputError: the file is missing, empty, a folder or not to be read.
    """
    kind = media_kind(path.name)
    if kind:
        return SIDES[kind]
    readable(path)
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path):
            return "face"
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return "voice"  # the decoder of sound says what is wrong, if it is none


def query_side(query: Path, candidates: Sequence[Path], direction: str) -> str:
    """The side of the query, from the files' kinds or as it is told; candidates are of the other.

    Raises:
        InputError: query and candidates are of one side.
    """
    if direction != "auto":
        return "voice" if direction == "voice-to-face" else "face"
    side = side_of(query)
    files = [path for path in candidates if not path.is_dir()]
    alike = [path for path in files if media_kind(path.name) and side_of(path) == side]
    if files and len(alike) == len(files):
        fault = f"is a {side}, and so is {alike[0]}" if len(files) == 1 else f"and all candidates are {side}s"
        remedy = "give one voice and faces, or one face and voices (or say --direction)"
        raise InputError(query, fault, remedy)
    return side


def expand_folders(places: Iterable[Path], side: str) -> list[Path]:
    """The files named, and those of ``side`` in the folders named, each once and in order.

    Raises:
        InputError: a folder holds none.
    """
    found: dict[Path, None] = {}
    for place in places:
        if not place.is_dir():
            found[place] = None
            continue
        inside = list(_inside(place, side))
        if not inside:
            what = "pictures" if side == "face" else "sounds"
            raise InputError(place, f"holds no {what}", f"name a folder of {side}s, or the files themselves")
        found |= dict.fromkeys(inside)
    return list(found)


def _inside(folder: Path, side: str) -> Iterator[Path]:
    for one in walk_media(folder):
        if one.kind != "fault" and SIDES[one.kind] == side:
            yield folder / one.path


def is_corpus(path: Path) -> bool:
    """Whether this folder was prepared by voiceface."""
    return (path / "corpus.json").is_file()
