"""VoxCeleb's three naming schemes, and the names of its people, read by one layer.

The same recording or frame is written differently in the data set's releases and in the trial lists
made on it::

    A.R._Rahman/6WO410QOeuo_0000001.wav          VoxCeleb1 as first published; Learnable PINs' lists
    id10002/6WO410QOeuo/00001.wav                VoxCeleb1 since version 1.1, VoxCeleb2 (.wav, .m4a, .mp4)
    A.R._Rahman/1.6/6WO410QOeuo/0003800.jpg      frames (1.6 is the detector's margin); some releases put
    A.R._Rahman/1.6/6WO410QOeuo/1/0003800.jpg    the frames of each utterance in a folder of its own, and
    A.R._Rahman/6WO410QOeuo/0003800.jpg          Learnable PINs' lists leave the margin out
    A.R._Rahman/00000819.jpg                     VGGFace's pictures of the same people

Everything here turns them into one key, ``PERSON/VIDEO/ITEM`` (``id10002/6WO410QOeuo/00001``), with
``vox1_meta.csv`` telling which name is which id. The utterance numbers of the two schemes are taken to
mean the same utterances, as every published list that mixes them does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from voiceface.errors import InputError
from voiceface.media.media_kind import media_kind
from voiceface.media.text_tables import open_text_table, read_words
from voiceface.media.unicode_names import in_one_form

# Letters that Unicode does not take apart into a plain letter and an accent.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
_VIDEO = re.compile(r"[A-Za-z0-9_-]{11}")
_JOINED = re.compile(r"([A-Za-z0-9_-]{11})_(\d+)")
_MARGIN = re.compile(r"\d\.\d+")
_ID = re.compile(r"id\d{5}")
_CLASS = re.compile(r"n\d{6}")


@dataclass(frozen=True, slots=True)
class VoxCelebFile:
    """What the name of one VoxCeleb file says."""

    person: str
    """As written: an id (``id10002``) or a name (``A.R._Rahman``)."""
    video: str
    """The YouTube video it was cut from; ``""`` where the name does not tell (VGGFace)."""
    item: str
    """The utterance (five digits) or the frame (as written, after its utterance where the path has it)."""
    kind: str
    """``"sound"``, ``"image"`` or ``"video"``."""

    @property
    def key(self) -> str:
        """``PERSON/VIDEO/ITEM`` with the person as written; of a picture of VGGFace ``PERSON/ITEM``."""
        return self.key_of(self.person)

    def key_of(self, person: str) -> str:
        """`key` with the person's id or another of the names."""
        return "/".join(part for part in (person, self.video, self.item) if part)


def parse_voxceleb_path(path: str) -> VoxCelebFile | None:
    """Read a VoxCeleb path in any of its schemes; None if it is in none of them.

    Folders before the person's (``dev/wav``, ``unzippedFaces``) do not matter; a picture of VGGFace has
    none.

    >>> parse_voxceleb_path("wav/id10002/6WO410QOeuo/00001.wav").key
    'id10002/6WO410QOeuo/00001'
    >>> parse_voxceleb_path("A.R._Rahman/6WO410QOeuo_0000001.wav").key
    'A.R._Rahman/6WO410QOeuo/00001'
    >>> parse_voxceleb_path("A.R._Rahman/1.6/6WO410QOeuo/0003800.jpg").key
    'A.R._Rahman/6WO410QOeuo/0003800'
    """
    *folders, name = path.replace("\\", "/").split("/")
    kind = media_kind(name)
    stem = name.rpartition(".")[0]
    if not kind or not folders:
        return None
    joined = _JOINED.fullmatch(stem)
    if joined and kind != "image":
        return VoxCelebFile(folders[-1], joined[1], f"{int(joined[2]):05d}", kind)
    if not stem.isdecimal():
        return None
    if len(folders) == 1:
        return VoxCelebFile(folders[0], "", stem, kind) if folders[0] else None
    if kind != "image":
        if not _VIDEO.fullmatch(folders[-1]):
            return None
        return VoxCelebFile(folders[-2], folders[-1], f"{int(stem):05d}", kind)
    # From the back: an utterance's folder is a short number, a video's name has 11 characters.
    item = stem
    if folders[-1].isdecimal() and not _VIDEO.fullmatch(folders[-1]):
        item = f"{int(folders.pop()):05d}/{stem}"
    if len(folders) < 2 or not _VIDEO.fullmatch(folders[-1]):
        return None
    video = folders.pop()
    if _MARGIN.fullmatch(folders[-1]):
        folders.pop()
    return VoxCelebFile(folders[-1], video, item, kind) if folders else None


def fold_name(name: str) -> str:
    """A person's name without accents, case, spaces, underscores and dots, to match by.

    >>> fold_name("Harry_Connick_Jr.") == fold_name("Harry Connick Jr")
    True
    >>> fold_name("Beyoncé"), fold_name("Søren_Łącki")
    ('beyonce', 'sorenlacki')
    """
    apart = unicodedata.normalize("NFKD", name.casefold().translate(_PLAIN))
    return "".join(letter for letter in apart if letter.isalnum())


@dataclass(frozen=True, slots=True)
class VoxCelebPerson:
    """One person in the data set's metadata."""

    id: str
    name: str = ""
    """The name (VoxCeleb1) or the VGGFace2 class ``n000012`` (VoxCeleb2)."""
    gender: str = ""
    nationality: str = ""
    set: str = ""
    """``dev`` or ``test`` as the authors put it."""


class VoxCelebNames:
    """The people of VoxCeleb by id and by name; empty where no metadata is at hand.

    A name is matched as written, or else without accents, case and punctuation if that fits one
    person alone.
    """

    def __init__(self, people: Iterable[VoxCelebPerson] = ()) -> None:
        self.people = {person.id: person for person in people}
        self._named: dict[str, VoxCelebPerson] = {}
        self._folded: dict[str, VoxCelebPerson | None] = {}
        for person in self.people.values():
            if person.name:
                self._named[person.name] = person
                folded = fold_name(person.name)
                self._folded[folded] = None if folded in self._folded else person

    def __len__(self) -> int:
        """How many people the metadata knows."""
        return len(self.people)

    def identity(self, written: str) -> VoxCelebPerson | None:
        """Who an id or a name means, or None."""
        if written in self.people:
            return self.people[written]
        return self._named.get(written) or self._folded.get(fold_name(written))

    def person(self, written: str) -> str:
        """The id for an id or a name; a name the metadata does not know stands for itself."""
        known = self.identity(written)
        return known.id if known else in_one_form(written)

    @property
    def ids(self) -> dict[str, str]:
        """The id of every id and of every name as the metadata writes it."""
        return {who: one.id for one in self.people.values() for who in (one.name, one.id) if who}

    def people_of(self, paths: Iterable[str]) -> list[str]:
        """Ids of the people whose media these are: the first folder of each path.

        Raises:
            InputError: somebody is not in the metadata.
        """
        known: dict[str, str] = {}
        return [
            known.get(one) or known.setdefault(one, self._known(one))
            for one in (path.partition("/")[0] for path in paths)
        ]

    def known_key(self, path: str) -> str:
        """`key` for a list of trials, whose people are all in the metadata.

        Raises:
            InputError: the path is in no scheme, or its person is not in the metadata.
        """
        file = parse_voxceleb_path(path)
        if file is None:
            remedy = "give e.g. id10002/6WO410QOeuo/00001.wav"
            raise InputError(repr(path), "follows no known naming of VoxCeleb files", remedy)
        return file.key_of(self._known(file.person))

    def _known(self, written: str) -> str:
        found = self.identity(written)
        if found is None:
            raise InputError(repr(written), "is nobody in the metadata", "give the matching metadata")
        return found.id

    def key(self, path: str) -> str | None:
        """The one key of a VoxCeleb path in any scheme (``id10002/6WO410QOeuo/00001``), or None.

        >>> names = VoxCelebNames([VoxCelebPerson("id10002", "A.R._Rahman")])
        >>> names.key("A.R._Rahman/6WO410QOeuo_0000001.wav") == names.key("id10002/6WO410QOeuo/00001.wav")
        True
        """
        file = parse_voxceleb_path(path)
        return None if file is None else file.key_of(self.person(file.person))


def is_voxceleb_id(written: str) -> bool:
    """Whether a person is written as VoxCeleb writes ids."""
    return _ID.fullmatch(written) is not None


def is_vggface2_class(written: str) -> bool:
    """Whether a person is written as VGGFace2 writes its classes (``n000012``)."""
    return _CLASS.fullmatch(written) is not None


def read_names(*tables: Path) -> VoxCelebNames:
    """The people of ``vox1_meta.csv``, ``vox2_meta.csv`` or a list of ``ID NAME`` lines (``.txt``).

    Raises:
        InputError: a table is missing, no text, lacks the column of ids, or has a row cut short.
    """
    people: list[VoxCelebPerson] = []
    for table in tables:
        if table.name.removesuffix(".gz").endswith(".txt"):
            for number, words in read_words(table):
                if len(words) != 2:
                    raise InputError(f"{table}, line {number}", "is no 'ID NAME' pair", "give vox1_meta.csv")
                people.append(VoxCelebPerson(words[0], words[1]))
            continue
        columns = {"id": ("VoxCeleb1 ID", "VoxCeleb2 ID", "VoxCeleb ID")}
        others = {
            "name": ("VGGFace1 ID", "VGGFace2 ID", "VGGFace ID"),
            "gender": (),
            "nationality": (),
            "set": (),
        }
        found = open_text_table(table, columns, others)
        for row in found.rows():
            if len(row.cells) <= max(found.columns.values()):
                fault = f"has {len(row.cells)} columns, not {len(found.header)}"
                raise InputError(f"{table}, line {row.line}", fault, "fetch the table again")
            if row.values["id"]:
                values = {
                    field: row.values.get(field, "") for field in ("name", "gender", "nationality", "set")
                }
                people.append(VoxCelebPerson(row.values["id"], **values))
    return VoxCelebNames(people)
