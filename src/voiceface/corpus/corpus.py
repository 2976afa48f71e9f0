"""A prepared corpus: people, their voices, faces and clips, read as they are asked for."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from voiceface.corpus.item import Rejection
from voiceface.corpus.object_storage import bucket_url, mirrored_corpus
from voiceface.corpus.read_parquet import read_parquet
from voiceface.corpus.row_checks import people_fault
from voiceface.corpus.table_reader import SOURCE_REJECTIONS, Commit, Records, Table, commits, read_card
from voiceface.corpus.tables import ARRAYS, SCHEMAS, part_facts
from voiceface.errors import InputError
from voiceface.media.picture import decode_jpeg
from voiceface.records import Clip, Face, Person, Voice

if TYPE_CHECKING:
    from PIL import Image


_LOG = logging.getLogger(__name__)


class Corpus:
    """A corpus folder, opened by `open`; items are numbered in the order of their ids.

    At first the shards' commits are read and the rows checked; records and media follow on demand, media
    through memory maps. A corpus does not change while it is open: open it again after preparing more.
    """

    def __init__(self, path: Path, card: Mapping[str, Any], parts: Sequence[Commit]) -> None:
        self.path, self.card = path, card
        self._parts = parts
        self.tables: Mapping[str, Table] = {name: Table(path, name, parts) for name in ARRAYS}

    @classmethod
    def open(cls, path: str | Path) -> Corpus:
        """Open a corpus folder, or one at ``s3://BUCKET/FOLDER`` (docs/cluster.md).

        Raises:
            InputError: it is not a corpus, of a newer format, a part of it is missing or cut short, or rows
                are of nobody, lie outside their arrays, or have landmarks that are no numbers.
        """
        url = bucket_url(path)
        path = Path(path) if url is None else mirrored_corpus(url)
        corpus = cls(path, read_card(path), commits(path))
        faults = [fault for table in corpus.tables.values() for fault in table.missing()]
        if not (path / "people" / "people.parquet").is_file():
            faults.append(InputError(path, "has no people table", "prepare it again"))
        if faults:
            raise faults[0]
        ids = pa.array([person.id for person in corpus.people], pa.string())
        if fault := people_fault(ids):
            raise InputError(path / "people" / "people.parquet", fault, "prepare the corpus again")
        for table in corpus.tables.values():
            if wrong := table.row_fault(ids):
                raise wrong
        _LOG.info("%r", corpus)
        return corpus

    def __repr__(self) -> str:
        """Path and sizes."""
        sizes = ", ".join(f"{len(table)} {name}" for name, table in self.tables.items())
        return f"Corpus({str(self.path)!r}: {len(self.people)} people, {sizes})"

    @property
    def complete(self) -> bool:
        """Whether its preparation reached the end of its listing."""
        planned = sum(plan["shards"] for plan in self.card.get("plans", ()))
        return bool(self.card.get("complete")) and len(self._parts) <= planned

    @cached_property
    def people(self) -> list[Person]:
        """Everybody, sorted by id."""
        path = self.path / "people" / "people.parquet"
        rows = read_parquet(path, schema=SCHEMAS["people"], remedy="prepare the corpus again")
        return [Person(**row) for row in rows.to_pylist()]

    @cached_property
    def person_index(self) -> dict[str, int]:
        """Person id to its place in `people`."""
        return {person.id: index for index, person in enumerate(self.people)}

    @cached_property
    def voices(self) -> Records[Voice]:
        """All recordings (or windows of them), each built when it is asked for."""
        return Records(self.tables["voices"], _voice)

    @cached_property
    def faces(self) -> Records[Face]:
        """All pictures; box and landmarks are in the pixels of `picture`."""
        return Records(self.tables["faces"], _face)

    @cached_property
    def clips(self) -> Records[Clip]:
        """All stretches of video."""
        return Records(self.tables["clips"], _clip)

    @cached_property
    def rejected(self) -> list[Rejection]:
        """What could not be used, and why: first what the source refused, then what could not be read."""
        parts = [part.part for part in self._parts if part.rows("rejected")]
        if (self.path / "rejected" / f"{SOURCE_REJECTIONS}.parquet").is_file():
            parts.insert(0, SOURCE_REJECTIONS)
        found = []
        for part in parts:
            path = self.path / "rejected" / f"{part}.parquet"
            rows = read_parquet(path, columns=["path", "reason", "person"], remedy="prepare the corpus again")
            found += [Rejection(**row) for row in rows.to_pylist()]
        return found

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that name the contents: people, rows and media, not how they are stored.

        Raises:
            InputError: a digest in the corpus is damaged.
        """
        people = part_facts(self.path / "people" / "people.parquet")
        try:
            sums = [int(people["sum"], 16)]
            for name in ARRAYS:
                of_table = (part.facts[name]["sum"] for part in self._parts if part.rows(name))
                sums.append(sum(int(one, 16) for one in of_table) % (1 << 256))
        except (ValueError, TypeError, KeyError):
            raise InputError(self.path, "has a damaged digest", "prepare it again") from None
        return hashlib.sha256("\n".join(f"{one:064x}" for one in sums).encode()).hexdigest()

    def column(self, table: str, name: str) -> npt.NDArray[Any]:
        """One column of ``voices``, ``faces`` or ``clips`` as a read-only numpy array, a value a row.

        Raises:
            InputError: there is no such table or column.
        """
        if table not in self.tables:
            raise InputError(table, "no such table", f"there are {', '.join(self.tables)}")
        return self.tables[table].column(name)

    def person_of(self, table: str) -> npt.NDArray[np.str_]:
        """Ids of the people of every item of ``voices``, ``faces`` or ``clips``, in the table's order.

        Raises:
            InputError: there is no such table.
        """
        return self.column(table, "person").astype(str)

    def wave(self, index: int) -> npt.NDArray[np.int16]:
        """Samples of voice ``index``: (samples,) int16 at 16 kHz, memory-mapped."""
        return self.tables["voices"].media("samples", _within(self.voices, index))

    def picture(self, index: int) -> Image.Image:
        """The context crop of face ``index``."""
        return decode_jpeg(self.tables["faces"].media("pictures", _within(self.faces, index)).tobytes())

    def frame(self, index: int) -> Image.Image:
        """The whole picture that face ``index`` is in.

        Raises:
            InputError: the corpus was prepared without ``frame_side``.
        """
        data = self.tables["faces"].media("frames", _within(self.faces, index))
        if not len(data):
            raise InputError(self.path, "keeps no whole frames", "prepare it with frame_side=256, say")
        return decode_jpeg(data.tobytes())

    def clip_wave(self, index: int) -> npt.NDArray[np.int16]:
        """Sound of clip ``index``: (samples,) int16 at 16 kHz, exactly as long as its frames."""
        return self.tables["clips"].media("samples", _within(self.clips, index))

    def clip_pictures(self, index: int) -> list[Image.Image]:
        """The context crops of clip ``index``, one a frame: all show the same part of their frames."""
        data = self.tables["clips"].media("pictures", _within(self.clips, index)).tobytes()
        stops = np.cumsum(self.tables["clips"].row(index % len(self.clips))["sizes"]).tolist()
        return [decode_jpeg(data[start:stop]) for start, stop in zip([0, *stops], stops, strict=False)]


def _within(records: Sequence[Any], index: int) -> int:
    size = len(records)
    if not -size <= index < size:
        raise IndexError(f"{index} of {size}")
    return index % size


def _picked(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names}


_IDENTITY_COLUMNS = ("id", "person", "session", "source", "split")


def _voice(row: Mapping[str, Any]) -> Voice:
    return Voice(**_picked(row, (*_IDENTITY_COLUMNS, "start", "seconds", "language", "emotion")))


def _face(row: Mapping[str, Any]) -> Face:
    points = row["landmarks"]
    return Face(
        **_picked(row, (*_IDENTITY_COLUMNS, "time")),
        box=(row["left"], row["top"], row["right"], row["bottom"]),
        landmarks=tuple(zip(points[::2], points[1::2], strict=True)),
    )


def _clip(row: Mapping[str, Any]) -> Clip:
    return Clip(**_picked(row, (*_IDENTITY_COLUMNS, "start", "seconds", "fps", "emotion")))
