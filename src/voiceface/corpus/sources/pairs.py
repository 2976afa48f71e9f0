"""Pairs of a voice and a face, named by a table.

Layout    ROOT/pairs.csv            clip, person; also understood: gender, nationality, age, name,
                                    ethnicity, video (or session), split, language, emotion, start, stop
          ROOT/voices/CLIP.wav      any sound FFmpeg reads
          ROOT/faces/CLIP.jpg       any usual picture format
          ROOT/faces_only/*.jpg     further faces without a voice (with --faces-only), one person each
          Instead of `clip` the table may name the files: columns voice and face, from ROOT.
Licence   the data's own
Splits    the column `split`, if there is one
Command   voiceface prepare pairs ROOT -o CORPUS
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from voiceface.corpus.file_tree import checked_root, stem_of, walk_media
from voiceface.corpus.item import FaceItem, Item, Listing, VoiceItem, relative
from voiceface.corpus.listing_builder import NO_KNOWN_KIND, ListingBuilder, age_of, gender_of, split_of
from voiceface.errors import InputError
from voiceface.media.media_kind import media_kind
from voiceface.media.text_tables import TextRow, TextTable, open_text_table
from voiceface.media.unicode_names import in_one_form, path_as_on_disk

_COLUMNS = {
    "person": ("speaker", "identity", "person_id", "speaker_id"),
    "voice": ("voice_path", "audio", "audio_path", "wav"),
    "face": ("face_path", "image", "image_path", "jpg"),
    "session": ("video", "session_id", "recording"),
    "gender": ("sex",),
    "name": (), "nationality": (), "age": (), "ethnicity": (), "split": ("set",),
    "language": (), "emotion": (), "start": (), "stop": (),
}  # fmt: skip
_CLIP = ("clip_id", "id", "key", "file")
_WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_EXPECTED_LAYOUT = "the table's clips in the folders of voices and faces"


def listing(
    root: Path,
    *,
    table: str = "pairs.csv",
    voices: str = "voices",
    faces: str = "faces",
    faces_only: bool = False,
) -> Listing:
    """List the voices and faces that a table pairs.

    Args:
        root: the folder that holds the table and the folders of voices and faces
        table: the table's name, from the root
        voices: the folder of voices, from the root
        faces: the folder of faces, from the root
        faces_only: also take the faces of ``faces_only/``, as people of whom nothing is known

    Raises:
        InputError: root or table is missing, a column is missing, or no file of the table is there.
    """
    root = checked_root(root)
    builder = ListingBuilder(root, "pairs")
    text_table = _open_table(root, table)
    folders = {
        "voice": _Folder(builder, voices, ("sound", "video")),
        "face": _Folder(builder, faces, ("image",)),
    }
    clips: dict[str, int] = {}
    for row in text_table.rows():
        name = text_table.path.name
        if any(row.cells[len(text_table.header) :]):
            fault = f"has {len(row.cells)} cells and the first line {len(text_table.header)}"
            builder.reject(f"{name}, line {row.line}", f"{fault}; write 1.5, not 1,5, or quote the cell")
        else:
            _take(builder, row, clips, folders, name)
    if builder.count():  # else the rows say why, and every file would be listed
        for folder in folders.values():
            for path in folder.unnamed():
                builder.reject(path, f"not named in {text_table.path.name}")
    if faces_only:
        for found in walk_media(root, under="faces_only"):
            if not builder.reject_if_fault(found) and found.kind == "image":
                person = builder.add_person(f"only-{stem_of(found.path)}")
                builder.add(FaceItem(key=f"faces_only/{stem_of(found.path)}", person=person, path=found.path))
    return builder.build(_EXPECTED_LAYOUT)


def _open_table(root: Path, table: str) -> TextTable:
    path = root / table
    if not path.is_file() and table == "pairs.csv":
        tables = sorted(other for pattern in ("*.csv", "*.tsv") for other in root.glob(pattern))
        if len(tables) != 1:
            fault = "has no pairs.csv" + (f" and {len(tables)} other tables" if tables else "")
            raise InputError(root, fault, "name the table with --table")
        path = tables[0]
    text_table = open_text_table(path, {}, {"clip": _CLIP, **_COLUMNS})
    if not {"clip", "voice", "face"} & set(text_table.columns):
        open_text_table(path, {"clip": _CLIP})  # raises, naming the columns there are
    return text_table


def _take(
    builder: ListingBuilder, row: TextRow, clips: dict[str, int], folders: dict[str, _Folder], table: str
) -> None:
    values, where = row.values, f"{table}, line {row.line}"
    clip = values.get("clip", "")
    named = {kind: values.get(kind, "") for kind in folders}
    if not clip and not any(named.values()):
        builder.reject(where, "names no clip")
        return
    if clip and clip in clips:
        builder.reject(where, f"clip '{clip}' stands in line {clips[clip]} already; the first one is used")
        return
    clips[clip] = row.line
    times = _times(values)
    if times is None:
        start, stop = values.get("start", ""), values.get("stop", "")
        fault = f"start '{start}' and stop '{stop}' are no stretch of time"
        fault += "; write 1.5, not 1,5" if "," in start + stop else "; give seconds"
        builder.reject(where, fault)
        for kind, folder in folders.items():
            folder.find(named[kind], clip)  # the row names its files all the same
        return
    person = builder.add_person(
        values.get("person") or clip or _stem(named["voice"] or named["face"]),
        where=where,
        gender=gender_of(values.get("gender", "")),
        age=age_of(values.get("age", "")),
        split=split_of(values.get("split", "")),
        **{fact: values.get(fact, "") for fact in ("name", "nationality", "ethnicity")},
    )
    for kind, folder in folders.items():
        if not clip and not named[kind]:
            continue  # a row may name a voice or a face alone
        path = folder.find(named[kind], clip)
        if path is None:
            wanted = named[kind] or f"{folder.name}/{clip}.*"
            fault = "the file is not there"
            if other := folder.others.get(clip):
                fault = f"{other} {NO_KNOWN_KIND}"
            if _WINDOWS_PATH.match(named[kind] or clip):
                fault = (
                    "a path on another computer; write it from the table's folder on, such as voices/a.wav"
                )
            builder.reject(where, f"no {kind} {wanted}: {fault}", person=person)
            continue
        _add(builder, kind, clip or path.rpartition(".")[0], person, path, row, times, where)


def _add(
    builder: ListingBuilder,
    kind: str,
    key: str,
    person: str,
    path: str,
    row: TextRow,
    times: tuple[float, float | None],
    where: str,
) -> None:
    """One item; a row may name again, with another partner, what an earlier one named."""
    values = row.values
    session = values.get("session", "")
    item: Item = FaceItem(key=key, person=person, path=path, session=session)
    if kind == "voice":
        start, stop = times
        # One recording may be cut into several rows.
        key += f"@{start:g}" if start and not values.get("clip") else ""
        language, emotion = values.get("language", ""), values.get("emotion", "")
        item = VoiceItem(
            key=key, person=person, path=path, session=session, start=start, stop=stop, language=language,
            emotion=emotion,
        )  # fmt: skip
    held = builder.item_with_key(item)
    if held is None:
        builder.add(item)
    elif held.person != person:
        builder.reject(
            where, f"{path} is {held.person}'s already, and cannot be {person}'s too", person=person
        )
    elif held.path != path:
        builder.reject(where, f"{path} has the name of {held.path}; the first one is used", person=person)


def _stem(written: str) -> str:
    return stem_of(written.replace("\\", "/"))


def _times(values: Mapping[str, str]) -> tuple[float, float | None] | None:
    """Start and stop in seconds, or None if they are no stretch of time."""
    try:
        start = float(values.get("start") or 0.0)
        stop = float(values["stop"]) if values.get("stop") else None
    except ValueError:
        return None
    return (start, stop) if start >= 0 and (stop is None or start < stop) else None


class _Folder:
    """The files of one folder by clip: as written, or else whatever its case and Unicode form."""

    def __init__(self, builder: ListingBuilder, name: str, kinds: tuple[str, ...]) -> None:
        self.name, self._root = name.replace("\\", "/").strip("/"), builder.root
        self._exact: dict[str, str] = {}
        self._loose: dict[str, str] = {}
        self._used: set[str] = set()
        self.others: dict[str, str] = {}
        """Files of no known kind, by clip."""
        if not (builder.root / self.name).is_dir():
            return
        for found in walk_media(builder.root, under=self.name, others=True):
            inside = os.path.splitext(found.path[len(self.name) + 1 :])[0]
            if builder.reject_if_fault(found):
                if found.kind == "other":
                    self.others[inside] = found.path
            elif found.kind not in kinds:
                builder.reject(found.path, f"is no {kinds[0]}; this folder is for {kinds[0]}s")
            elif inside in self._exact:
                builder.reject(found.path, f"clip '{inside}' is already {self._exact[inside]}")
            else:
                self._exact[inside] = found.path
                self._loose.setdefault(_loose(inside), found.path)

    def find(self, written: str, clip: str) -> str | None:
        """The path of a clip, or of the file the table names outright."""
        found: str | None = None
        if written:
            for spelling in (written, written.replace("\\", "/")):
                # A cell longer than any name is no file either.
                with contextlib.suppress(OSError):
                    there = path_as_on_disk(self._root / spelling)
                    if there is not None and there.is_file():
                        found = relative(there, self._root)
                        break
        else:
            found = self._exact.get(clip) or self._loose.get(_loose(clip))
            if found is None and media_kind(clip):  # the table may give the file's name with its suffix
                stem = clip.replace("\\", "/").removeprefix(f"{self.name}/").rpartition(".")[0]
                found = self._exact.get(stem)
        if found:
            self._used.add(found)
        return found

    def unnamed(self) -> list[str]:
        """Files no row asked for."""
        return [path for path in self._exact.values() if path not in self._used]


def _loose(stem: str) -> str:
    return in_one_form(stem).casefold()
