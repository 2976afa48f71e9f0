"""What a corpus source lists: items to be decoded later, people, and what it could not use.

A source (a file of ``corpus/sources``) only lists and checks; `voiceface.corpus.prepare` does all
media work, item by item. Everything here is small, frozen and picklable, for it crosses process
borders. Where no file holds the media, the listing has a `MediaGenerator` that makes them in the worker.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from voiceface.records import Box, Person

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from voiceface.media.movie import MovieFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class _ListedItem:
    """What every item of a listing has."""

    key: str
    """Unique among the listing's items of one kind and the row's id; items are sorted by it."""
    person: str
    path: str
    """The file, relative to the listing's root with ``/`` between folders (`relative` makes it)."""
    session: str = ""
    split: str = ""
    """The authors' split of this item (``train``, ``validation``, ``test``), if it is not its person's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _TimedItem(_ListedItem):
    """What an item with sound has."""

    start: float = 0.0
    stop: float | None = None
    """Where the stretch ends, in seconds; None is the end of the file."""
    language: str = ""
    emotion: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceItem(_TimedItem):
    """One sound file, or a stretch of one, with one person's voice; becomes one row of ``voices/``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceItem(_ListedItem):
    """One picture with one person's face; becomes one row of ``faces/``."""

    box: Box | None = None
    """The face's box (left, top, right, bottom in pixels of the upright picture); None: detect it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoItem(_TimedItem):
    """One video, or a stretch of one, of one person talking; becomes rows of each table in ``want``.

    Without a session the video is a session of its own, named by the key.
    """

    want: tuple[str, ...] = ("voices", "faces", "clips")


Item: TypeAlias = VoiceItem | FaceItem | VideoItem


class VideoReader(Protocol):
    """One video item's sound and pictures, read from a file or generated, on demand."""

    def samples(self) -> npt.NDArray[np.int16]:
        """Its sound: (samples,) at 16 kHz."""
        ...

    def facts(self) -> MovieFacts:
        """Its length, rate and size."""
        ...

    def frames(self, *, fps: float) -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
        """Its pictures (height, width, 3), each with its time in seconds."""
        ...

    def box(self, time: float) -> Box | None:
        """The face's box at a moment, if known without detection."""
        ...


class MediaGenerator(Protocol):
    """Generates items' media where no file contains them; picklable, equal for equal items on any machine."""

    def facts(self) -> Mapping[str, Any]:
        """What ``corpus.json`` keeps of it as ``made``, as JSON: other facts, another corpus."""
        ...

    def write(self, out: Path) -> None:
        """Write what belongs beside the tables into the corpus' folder; the same again if it is there."""
        ...

    def sound(self, item: VoiceItem) -> npt.NDArray[np.int16]:
        """A voice: (samples,) at 16 kHz."""
        ...

    def picture(self, item: FaceItem) -> tuple[npt.NDArray[np.uint8], Box]:
        """A picture (height, width, 3) and where the face is in it, for a detector that finds none."""
        ...

    def video(self, item: VideoItem) -> VideoReader:
        """A video."""
        ...

    def padded_size(self, item: FaceItem | VideoItem) -> int:
        """Bytes that each encoded picture is padded to, so that its length gives nothing away."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Something that could not be used, with the one-line reason a user can act on."""

    path: str
    reason: str
    person: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All a source found under its root; order carries no meaning, the engine sorts by key."""

    root: Path
    people: Sequence[Person]
    """Who is known; a person an item names but nobody lists is added with nothing known."""
    items: Sequence[Item]
    rejected: Sequence[Rejection] = field(default=())
    generator: MediaGenerator | None = None
    """Generates the media, if no files below ``root`` contain them; items' paths are then names alone."""


def relative(path: Path, root: Path) -> str:
    """The path as an item stores it: from the root, with ``/``; absolute only if on another drive.

    >>> relative(Path("voices/x/a.wav"), Path("voices"))
    'x/a.wav'
    """
    try:
        return Path(os.path.relpath(path, root)).as_posix()
    except ValueError:
        return path.resolve().as_posix()
