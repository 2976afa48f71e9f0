"""VGGFace (1) and VGGFace2: photographs of celebrities.

Layout    VGGFace    ROOT/[images/]NAME/*.jpg             what its links gave, or crops of them
                     ROOT/files/NAME.txt                  its lists: number, link, box, pose, score, curated
          VGGFace2   ROOT/train/n000002/0001_01.jpg, ROOT/test/n000001/0001_01.jpg
                     ROOT/[meta/]identity_meta.csv        class, name, number, in training, gender
                     ROOT/[bb_landmark/]loose_bb_train.csv, loose_bb_test.csv   boxes (with --boxes)
Licence   metadata for research (VGGFace CC BY-NC 4.0); the pictures belong to their owners
Splits    VGGFace2's train and test people; VGGFace has none
Command   voiceface prepare vggface ROOT -o CORPUS
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from voiceface.corpus.file_tree import FoundFile, checked_root, find_file, walk_media
from voiceface.corpus.item import FaceItem, Listing
from voiceface.corpus.listing_builder import ListingBuilder, evenly_spaced, gender_of
from voiceface.errors import InputError
from voiceface.media.text_tables import open_text_table, read_words
from voiceface.media.voxceleb_names import is_vggface2_class
from voiceface.records import Box

_NUMBER = re.compile(r"\d+")
_EXPECTED_LAYOUT = "NAME/*.jpg (VGGFace) or train/n000002/0001_01.jpg (VGGFace2), at any depth"
_LISTS = ("files", "txt")


def listing(
    root: Path,
    *,
    boxes: bool = False,
    curated: bool = False,
    faces_per_person: int = 0,
) -> Listing:
    """List VGGFace's or VGGFace2's pictures by person.

    Args:
        root: the folder it was unpacked or downloaded into
        boxes: take the authors' face boxes instead of detecting faces; the pictures must be uncropped
        curated: take only the pictures that VGGFace's lists mark as curated
        faces_per_person: at most so many pictures a person, evenly spaced; 0 takes all

    Raises:
        InputError: root is missing, holds no picture in a person's folder, or lacks a list asked for.
    """
    root = checked_root(root)
    builder = ListingBuilder(root, "VGGFace")
    known = _known(root)
    people: dict[tuple[str, str], list[FoundFile]] = {}
    for found in walk_media(root, skip=_LISTS):
        if builder.reject_if_fault(found):
            continue
        if found.kind != "image":
            builder.reject(found.path, "is no picture")
        elif len(found.parts) < 2:
            builder.reject(found.path, "lies in no person's folder")
        else:
            people.setdefault((found.path.rpartition("/")[0], found.parts[-2]), []).append(found)
    two = any(is_vggface2_class(name) for _, name in people)
    marks = _second_boxes(root) if two and boxes else {}
    for (folder, written), pictures in people.items():
        if two and not is_vggface2_class(written):
            builder.reject(folder, f"{len(pictures)} pictures in a folder that is no class of VGGFace2")
            continue
        if not two:
            marks = _first_boxes(root, written, boxes, curated)
            if curated:
                pictures = _curated(builder, folder, pictures, marks)
        name, gender = known.get(written, (("" if two else written.replace("_", " ")), ""))
        person = builder.add_person(
            written, where=folder, name=name, gender=gender, split=_split(folder, two)
        )
        for found in evenly_spaced(pictures, faces_per_person):
            mark = f"{written}/{found.stem}" if two else _number(found.stem)
            box = marks.get(mark) if boxes else None
            builder.add(FaceItem(key=f"{person}/{found.stem}", person=person, path=found.path, box=box))
    return builder.build(_EXPECTED_LAYOUT)


def read_classes(table: Path) -> dict[str, tuple[str, str]]:
    """Name and gender by class from ``identity_meta.csv``.

    Its names stand in quotes and may hold commas, its columns begin with a space, its rows end with
    a comma, and a few names with commas lack the quotes: what stands between the class and the
    three last cells is the name.

    Raises:
        InputError: it is no such table.
    """
    classes: dict[str, tuple[str, str]] = {}
    for row in open_text_table(table, {"class_id": ()}, ("name", "gender")).rows():
        cells = list(row.cells)
        while cells and not cells[-1]:
            cells.pop()
        if len(cells) < 2 or not is_vggface2_class(cells[0]):
            raise InputError(
                f"{table}, line {row.line}", "is no class of VGGFace2", "give its identity_meta.csv"
            )
        # Other people's copies append columns (an age): the gender is the last cell that is one.
        last = max((at for at, cell in enumerate(cells) if at > 1 and gender_of(cell)), default=len(cells))
        end = max(2, last - 2)
        name = " ".join(", ".join(cells[1:end]).strip("\"' ").replace("_", " ").split())
        classes[cells[0]] = (name, gender_of(cells[last]) if last < len(cells) else "")
    return classes


def _known(root: Path) -> dict[str, tuple[str, str]]:
    table = find_file(root, "identity_meta.csv")
    return read_classes(table) if table else {}


def _split(folder: str, two: bool) -> str:
    above = [part.lower() for part in folder.split("/")[:-1]]
    if not two:
        return ""
    return (
        "test"
        if any("test" in part for part in above)
        else "train"
        if any("train" in p for p in above)
        else ""
    )


def _number(stem: str) -> str:
    """A picture's number in its person's list, written as the lists write it."""
    digits = _NUMBER.search(stem)
    return f"{int(digits[0]):08d}" if digits else stem


def _first_boxes(root: Path, person: str, boxes: bool, curated: bool) -> dict[str, Box]:
    """The boxes of one person's list (of VGGFace), by picture; the curated ones alone if asked for."""
    if not (boxes or curated):
        return {}
    lists = [root / name / f"{person}.txt" for name in _LISTS]
    path = next((path for path in lists if path.is_file()), None)
    if path is None:
        remedy = "fetch VGGFace's lists, or ask for neither boxes nor curation"
        raise InputError(lists[0], "no such list", remedy)
    marks: dict[str, Box] = {}
    for number, words in read_words(path):
        # number link left top right bottom pose score curated; a link may hold spaces
        try:
            left, top, right, bottom = (float(word) for word in words[-7:-3])
            keep = not curated or float(words[-1]) == 1
        except ValueError:
            raise InputError(
                f"{path}, line {number}", "is no line of a VGGFace list", "fetch it again"
            ) from None
        if keep:
            marks[_number(words[0])] = (left, top, right, bottom)
    return marks


def _curated(
    builder: ListingBuilder, folder: str, pictures: list[FoundFile], marks: dict[str, Box]
) -> list[FoundFile]:
    kept = [found for found in pictures if _number(found.stem) in marks]
    if len(kept) < len(pictures):
        builder.reject(folder, f"{len(pictures) - len(kept)} pictures are not marked as curated")
    return kept


def _second_boxes(root: Path) -> dict[str, Box]:
    """The boxes of VGGFace2, by ``class/picture``."""
    marks: dict[str, Box] = {}
    tables = [find_file(root, f"loose_bb_{part}.csv") for part in ("train", "test")]
    for table in filter(None, tables):
        for row in open_text_table(table, ("NAME_ID", "X", "Y", "W", "H")).rows():
            try:
                x, y, width, height = (float(row.values[name]) for name in "XYWH")
            except ValueError:
                raise InputError(f"{table}, line {row.line}", "is no box", "fetch it again") from None
            marks[os.path.splitext(row.values["NAME_ID"])[0]] = (x, y, x + width, y + height)
    if not marks:
        raise InputError(
            root, "has no loose_bb_train.csv", "fetch VGGFace2's bb_landmark, or leave --boxes away"
        )
    return marks
