"""Videos of people talking, each showing one person: your own, or Roldán's.

Layout    ROOT/PERSON/*.mp4               a folder per person; folders in it are sessions
          ROOT/PERSON.mp4                 or one file per person
          ROOT/PERSON_3.mp4               or several, numbered (--person-in number): the name before the
                                          last number is the person
          ROOT/VIDEOID_3.mp4              clips of one video, numbered after its id of 11 characters, are
                                          one person's in one session (--person-in file: each its own)
          ROOT/videos.csv                 if there: video, person[, session], before all other rules; a video
                                          is a file from ROOT, with or without its ending, or a VIDEOID
          ROOT/people.csv                 if there: person, name, gender, nationality, age, split
Licence   the data's own
Splits    the column `split` of people.csv, if there is one
Paper     Roldán 2018: the best face is kept, speech is cut into windows of 4 s with 2 s overlap
Command   voiceface prepare videos ROOT -o CORPUS
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from voiceface.corpus.file_tree import FoundFile, checked_root, find_file, walk_media
from voiceface.corpus.item import Listing, VideoItem
from voiceface.corpus.listing_builder import ListingBuilder, add_people_from_table
from voiceface.errors import InputError
from voiceface.media.text_tables import open_text_table
from voiceface.media.unicode_names import in_one_form

SUGGESTS_SAME_PEOPLE = True
"""Files' and folders' names are no proof of who is who: `prepare` tells who may be one person."""
_CLIP_OF_VIDEO = re.compile(r"([A-Za-z0-9_-]{11})[\s_.-]+\d+(?:[\s_.-]+\d+)*[\s_.-]*")
_WORDS = re.compile(r"(?:[A-Z]?[a-z]{2,}|[A-Z]+|\d+|[_-])+")
"""Words and numbers, as in Interview01: eleven such characters are rather a name than a video's id."""
_NUMBERED = re.compile(r"(.*?)[\s_.-]*\d+[\s_.-]*")


def listing(
    root: Path,
    *,
    person_in: Literal["auto", "folder", "file", "number"] = "auto",
    table: str = "videos.csv",
    people: str = "people.csv",
    voices: bool = True,
    faces: bool = True,
    clips: bool = True,
) -> Listing:
    """List the videos of a folder by person.

    Args:
        root: the folder of videos
        person_in: where the person's name stands: in the ``folder``, in the ``file``'s name, or in the
            file's name before its last ``number``; ``auto``: the folder for files in folders, else \
the id of the video that a file is a numbered clip of, else the file
        table: a table of who is in which video, from the root: columns video, person and, if wanted, \
session; what it does not name follows ``person_in``
        people: a table of what is known of the people, from the root
        voices: cut voices from them
        faces: take faces from them
        clips: take talking clips from them

    Raises:
        InputError: root or a table asked for is missing, a table lacks a column, or there is no video.
    """
    root = checked_root(root)
    builder = ListingBuilder(root, "videos")
    want = tuple(name for name, wanted in (("voices", voices), ("faces", faces), ("clips", clips)) if wanted)
    if not want:
        raise InputError(
            "--no-voices --no-faces --no-clips", "leaves nothing to take", "leave one of them away"
        )
    videos_table = _find_table(root, table, "videos.csv", "--table")
    people_table = _find_table(root, people, "people.csv", "--people")
    if people_table is not None:
        add_people_from_table(builder, people_table)
    rows = _read_table(builder, videos_table) if videos_table is not None else {}
    for found in walk_media(root, others=True):
        if root / found.path in (videos_table, people_table) or builder.reject_if_fault(found):
            continue
        if found.kind != "video":
            builder.reject(found.path, f"is a file of {found.kind}, and this source takes videos alone")
            continue
        person, session = _person_and_session(found, rows, person_in)
        if not person:
            builder.reject(
                found.path, "lies in no person's folder" if person_in == "folder" else "names no person"
            )
            continue
        person = builder.add_person(person)
        key = _without_ending(found.path)
        builder.add(VideoItem(key=key, person=person, path=found.path, session=session, want=want))
    for video, row in rows.items():
        if not row.used:
            builder.reject(row.where, f"there is no video '{video}'", person=row.person)
    return builder.build(
        "videos (.mp4, .mov, .mkv, .webm, .avi, .mpg ...) in a folder per person, or one file per person"
    )


@dataclass(slots=True)
class _VideoRow:
    """A row of the table of videos."""

    person: str
    session: str
    where: str
    used: bool = False


def _find_table(root: Path, given: str, usual: str, option: str) -> Path | None:
    """A table in the root; only one of the usual name may be missing."""
    path = find_file(root, given)
    if path is None and given != usual:
        raise InputError(root / given, "no such table", f"check {option}")
    return path


def _read_table(builder: ListingBuilder, path: Path) -> dict[str, _VideoRow]:
    """The rows of the table of videos, by the video that each names."""
    rows: dict[str, _VideoRow] = {}
    for row in open_text_table(path, {"video": ("file", "path", "clip"), "person": ()}, ["session"]).rows():
        where = f"{path.name}, line {row.line}"
        video, person = row.values["video"], row.values["person"]
        if not video or not person:
            builder.reject(where, f"names no {'person' if video else 'video'}")
        elif video in rows:
            builder.reject(where, f"video '{video}' stands in {rows[video].where} already; that one is used")
        else:
            rows[video] = _VideoRow(person, row.values.get("session", ""), where)
    return rows


def _person_and_session(found: FoundFile, rows: dict[str, _VideoRow], person_in: str) -> tuple[str, str]:
    """The person and the session of a video: from the table, else by the rule."""
    person, session = _whose(found, person_in)
    for name in map(in_one_form, (found.path, _without_ending(found.path), session)):
        if name in rows:
            rows[name].used = True
            return rows[name].person, rows[name].session or session
    return person, session


def _without_ending(path: str) -> str:
    return path.rpartition(".")[0]


def _whose(found: FoundFile, person_in: str) -> tuple[str, str]:
    """The person and the session of a video; the person ``""`` if the rule finds none.

    >>> _whose(FoundFile("Ann Lee/monday/1.mp4", "video"), "auto")
    ('Ann Lee', 'Ann Lee/monday')
    >>> _whose(FoundFile("3DsHHfu4_co_106_.mp4", "video"), "number")
    ('3DsHHfu4_co', '')
    >>> _whose(FoundFile("3DsHHfu4_co_106_.mp4", "video"), "auto")
    ('3DsHHfu4_co', '3DsHHfu4_co')
    >>> _whose(FoundFile("Interview01_2.mp4", "video"), "auto")
    ('Interview01_2', '')
    """
    folders = found.parts[:-1]
    if person_in == "number":
        numbered = _NUMBERED.fullmatch(found.stem)
        return (numbered[1] if numbered else found.stem), ""
    if person_in == "auto" and not folders:
        clip = _CLIP_OF_VIDEO.fullmatch(found.stem)
        if clip and not _WORDS.fullmatch(clip[1]):
            return clip[1], clip[1]
    if person_in == "file" or (person_in == "auto" and not folders):
        return found.stem, ""
    if not folders:
        return "", ""
    return folders[0], "/".join(folders) if len(folders) > 1 else ""
