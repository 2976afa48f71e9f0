"""A gallery's folder: its card, which names the matcher, and the list of its segments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec

from voiceface.errors import InputError
from voiceface.media.files import write_json
from voiceface.media.read_json import read_json
from voiceface.media.writer_lock import writer_lock
from voiceface.pipelines.gallery_segment import RESTORE, SEGMENTS, SegmentEntry
from voiceface.pipelines.matcher import Matcher

CARD = "gallery.json"
IN_FOLDER, IN_DATABASE = 2, 3
"""Formats: where the items lie. In the first they lay in a table of LanceDB (`import_lance_gallery`)."""
_ITEMS = "items.json"
"""The list of segments: what it names is the gallery, and replacing it is a commit."""


class _Head(TypedDict):
    kind: Literal["voiceface-gallery"]
    format: int


class _Card(_Head):
    matcher: str
    source: str
    weights: Annotated[str, msgspec.Meta(min_length=1)]
    dim: Annotated[int, msgspec.Meta(ge=1, le=65_536)]
    database: NotRequired[str]


class _Segments(TypedDict):
    segments: list[SegmentEntry]


def make_gallery(path: Path, matcher: Matcher, source: str | Path | None, database: str = "") -> None:
    """Make the folder, an empty list of segments and the card, unless another process has just done so.

    Raises:
        InputError: the folder holds something else or cannot be made.
    """
    # Hidden files are the lock and what a kill left; the card comes last and makes it a gallery.
    if path.exists() and (not path.is_dir() or _others(path)):
        if not (path / CARD).is_file():
            raise InputError(path, "holds something else than a gallery", "name a new folder")
        return
    try:
        (path / SEGMENTS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(path, f"cannot be made ({error.strerror})", "choose another folder") from error
    place = str(Path(source).resolve()) if source is not None and Path(source).is_dir() else matcher.name
    card = {"kind": "voiceface-gallery", "format": IN_FOLDER, "matcher": matcher.name, "source": place}
    if database:
        card |= {"format": IN_DATABASE, "database": database}
    with writer_lock(path, wait=-1):
        if not (path / CARD).is_file():
            write_segments(path, [])
            write_card(path, card | {"weights": matcher.fingerprint, "dim": matcher.dim})


def read_card(path: Path) -> dict[str, Any]:
    """The card of a gallery.

    Raises:
        InputError: it is damaged or of a newer format.
    """
    head = read_json(path / CARD, _Head, remedy=RESTORE)
    if head["format"] > IN_DATABASE:
        fault = f"is of format {head['format']}, this version reads {IN_DATABASE}"
        raise InputError(path, fault, "install a newer voiceface")
    card: dict[str, Any] = read_json(path / CARD, _Card, remedy=RESTORE)
    return card


def write_card(path: Path, card: dict[str, Any]) -> None:
    """Write the card, whole or not at all."""
    write_json(path / CARD, card)


def read_segments(path: Path) -> list[SegmentEntry]:
    """The segments that are the gallery now, oldest first.

    Raises:
        InputError: the list is damaged or gone.
    """
    told: _Segments = read_json(path / _ITEMS, _Segments, remedy=RESTORE)
    return told["segments"]


def write_segments(path: Path, segments: Sequence[SegmentEntry]) -> None:
    """Replace the list of segments: from then on these are the gallery.

    Raises:
        InputError: it cannot be written.
    """
    write_json(path / _ITEMS, {"segments": list(segments)})


def _others(path: Path) -> bool:
    """Whether a folder holds anything but what the making of a gallery leaves when it is killed."""
    there = {file.name for file in path.iterdir() if not file.name.startswith(".")}
    return bool(there - {SEGMENTS, _ITEMS})
