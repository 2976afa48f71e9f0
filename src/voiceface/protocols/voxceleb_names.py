"""One layer over the ways VoxCeleb's files are named in published lists."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from voiceface.errors import InputError
from voiceface.protocols.read_lines import read_lines

__all__ = ["MediaName", "VoxCelebPeople", "parse_name"]

_FRAME_FOLDER = "1.6"  # Nagrani's frames at 1/6 s live in NAME/1.6/VIDEO/
_JOINED = re.compile(r"(?P<video>.+)_(?P<item>\d{7})\.wav")


@dataclass(frozen=True, slots=True)
class MediaName:
    """What a file's name tells: whose it is, from which video, and which piece of it."""

    person: str
    """As written: ``id10002`` or ``A.R._Rahman``."""
    video: str
    """Video on the web; empty where the scheme does not tell (pictures of VGGFace)."""
    item: int
    """Utterance of a voice, frame of a face."""
    kind: str
    """``"voice"`` or ``"face"``."""


def parse_name(name: str) -> MediaName:
    """Read any of the schemes found in published lists.

    Args:
        name: ``Name/VIDEO_0000001.wav``, ``id10002/VIDEO/00001.wav``, ``Name/VIDEO/0003800.jpg``,
            ``Name/1.6/VIDEO/0003800.jpg`` or ``Name/00000819.jpg``.

    Raises:
        InputError: the name follows none of them.

    >>> parse_name("A.R._Rahman/1.6/6WO410QOeuo/0003800.jpg")
    MediaName(person='A.R._Rahman', video='6WO410QOeuo', item=3800, kind='face')
    >>> parse_name("A.R._Rahman/gaQqIoV_aLY_0000001.wav").video
    'gaQqIoV_aLY'
    """
    person, *folders, last = name.split("/") if "/" in name else ("", name)
    stem, _, ending = last.rpartition(".")
    kind = {"wav": "voice", "m4a": "voice", "jpg": "face", "png": "face"}.get(ending.lower(), "")
    if folders[:1] == [_FRAME_FOLDER]:
        folders = folders[1:]
    joined = _JOINED.fullmatch(last)
    if person and kind and not folders and joined:
        return MediaName(person, joined["video"], int(joined["item"]), kind)
    if person and kind and len(folders) <= 1 and stem.isdecimal():
        return MediaName(person, folders[0] if folders else "", int(stem), kind)
    raise InputError(
        repr(name), "follows no known naming of VoxCeleb files", "give e.g. id10002/VIDEO/00001.wav"
    )


@dataclass(frozen=True)
class VoxCelebPeople:
    """People of VoxCeleb by id and by name, with what the metadata tells of them."""

    ids: dict[str, str]
    """From id and from name (``A.R._Rahman``) to id."""
    gender: dict[str, str] = field(default_factory=dict)
    """By id: ``"f"`` or ``"m"``."""
    nationality: dict[str, str] = field(default_factory=dict)
    """By id."""

    @classmethod
    def read(cls, path: str | Path) -> VoxCelebPeople:
        """Read ``vox1_meta.csv`` (tabs) or a Shape-of-Sound people file (commas).

        Raises:
            InputError: a column is missing, or the file cannot be read.
        """
        lines = read_lines(path)
        rows = list(csv.reader(lines, delimiter="\t" if "\t" in lines[0] else ","))
        heads = [h.strip().lstrip("\ufeff").replace(" ", "_") for h in rows[0]]
        wanted = ("VoxCeleb1_ID", "VGGFace1_ID", "Gender", "Nationality")
        if any(w not in heads for w in wanted):
            raise InputError(path, f"has columns {heads}", f"give {', '.join(wanted)}")
        where = [heads.index(w) for w in wanted]
        ids: dict[str, str] = {}
        gender, nationality = {}, {}
        for number, row in enumerate(rows[1:], start=2):
            if len(row) != len(heads):
                raise InputError(f"{path}:{number}", f"has {len(row)} columns, not {len(heads)}", "repair it")
            key, name, sex, country = (row[i].strip() for i in where)
            ids[key] = ids[name] = key
            gender[key], nationality[key] = sex, country
        return cls(ids, gender, nationality)

    def id_of(self, person: str) -> str:
        """The id of a person written as id or name.

        Raises:
            InputError: nobody of that name is known.
        """
        try:
            return self.ids[person]
        except KeyError:
            raise InputError(
                repr(person), "is nobody in the metadata", "give the matching metadata"
            ) from None

    def key(self, name: str) -> str:
        """One key for a media file however it is named: ``id/video/kind item``."""
        parsed = parse_name(name)
        return f"{self.id_of(parsed.person)}/{parsed.video}/{parsed.kind} {parsed.item}"

    def people(self, names: Iterable[str]) -> list[str]:
        """Ids of the people whose media these are."""
        known: dict[str, str] = {}
        out = []
        for name in names:
            person = name.partition("/")[0]
            if person not in known:
                known[person] = self.id_of(person)
            out.append(known[person])
        return out
