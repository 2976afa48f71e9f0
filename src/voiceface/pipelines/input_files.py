"""Which of the files that a user names are voices and which are faces."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from voiceface.corpus.file_tree import walk_media
from voiceface.corpus.object_storage import bucket_url
from voiceface.errors import InputError, MissingPartError
from voiceface.media.files import check_readable
from voiceface.media.media_kind import media_kind
from voiceface.media.open_file import open_file

SIDE_OF_KIND = {"sound": "voice", "video": "voice", "image": "face"}
_OTHER = {"voice": "face", "face": "voice"}


def side_of(path: Path) -> str:
    """``"voice"`` or ``"face"``: by the suffix, otherwise by the file's first bytes.

    Raises:
        InputError: the file is missing, empty, a folder or not readable.
    """
    kind = media_kind(path.name)
    if kind:
        return SIDE_OF_KIND[kind]
    check_readable(path)
    from voiceface.media.open_picture import open_picture

    try:
        with open_file(path) as file, open_picture(file, str(path)):
            return "face"
    except MissingPartError:  # a picture, whose reader is not installed
        return "face"
    except InputError:
        return "voice"  # the audio decoder reports what is wrong, if it is not one


def query_side(query: Path, candidates: Sequence[Path], direction: str) -> str:
    """The side of the query, from the file types or ``direction``; candidates are of the other.

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
        remedy = "give one voice and faces, or one face and voices (or give --direction)"
        raise InputError(query, fault, remedy)
    return side


def expand_folders(paths: Iterable[Path], side: str, *, videos: bool = False) -> list[Path]:
    """The files named, and those of ``side`` in the folders named, each once and in order.

    Args:
        paths: files and folders.
        side: ``"voice"`` or ``"face"``.
        videos: take videos as faces too; as voices they are always taken.

    Raises:
        InputError: a folder holds none.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            found[path] = None
            continue
        inside = list(_inside(path, side, videos=videos))
        if not inside:
            what = "images" if side == "face" else "audio"
            raise InputError(
                path, f"contains no {what}", f"name a folder of {side}s, or the files themselves"
            )
        found |= dict.fromkeys(inside)
    return list(found)


def left_out_of_folders(
    paths: Iterable[Path], kinds: Collection[str], *, besides: Iterable[Path]
) -> list[str]:
    """What of the folders named is no file of these kinds, so that a command can say so.

    Args:
        paths: files, of which nothing is left out, and folders.
        kinds: ``"voices"``, ``"faces"``, ``"videos"`` or several of them.
        besides: files and folders that are not asked for and may lie in these folders.

    Returns:
        The paths, in order; what could not be walked with its reason in brackets.
    """
    found: dict[str, None] = {}
    sides = {kind.removesuffix("s") for kind in kinds}
    apart = {path.absolute() for path in besides}
    for folder in paths:
        for one in walk_media(folder, others=True) if folder.is_dir() else ():
            path = folder / one.path
            wanted = {SIDE_OF_KIND.get(one.kind), one.kind} & sides
            if wanted or apart & {path.absolute(), *path.absolute().parents}:
                continue
            found[f"{path} ({one.reason})" if one.reason else str(path)] = None
    return list(found)


def _inside(folder: Path, side: str, *, videos: bool) -> Iterator[Path]:
    for one in walk_media(folder):
        wanted = SIDE_OF_KIND.get(one.kind) == side or (videos and one.kind == "video")
        if wanted:
            yield folder / one.path


def is_corpus(path: Path) -> bool:
    """Whether this folder was prepared by voiceface; what lies in a bucket can be nothing else."""
    return bucket_url(path) is not None or (path / "corpus.json").is_file()
