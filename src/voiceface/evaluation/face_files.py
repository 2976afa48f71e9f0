"""Faces to evaluate from files: folders of pictures, or embeddings of any recogniser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceface.corpus.file_tree import checked_root, stem_of, walk_media
from voiceface.corpus.listing_builder import gender_of
from voiceface.corpus.workers import HERE, Workers
from voiceface.errors import InputError
from voiceface.evaluation.generated_faces import FaceSet
from voiceface.evaluation.picture_faces import PICTURE_SIZE, find_picture_faces, picture_blocks
from voiceface.media.media_kind import media_kind
from voiceface.media.text_tables import open_text_table
from voiceface.media.unicode_names import array_in_one_form, in_one_form
from voiceface.metrics.image import sharpness
from voiceface.models.corpus_embeddings import DLIB_DIM
from voiceface.pipelines.embed import read_embeddings
from voiceface.protocols.face_set import Faces
from voiceface.protocols.input_checks import few

Progress = Callable[[int, int], None]

_COLUMNS = {"name": ("file", "picture", "image", "face", "id"), "person": ("people", "identity", "speaker")}


@dataclass(frozen=True, kw_only=True)
class PeopleTable:
    """The person of each picture or embedding, and the people's genders, from a table."""

    path: Path
    person: Mapping[str, str]
    """By name."""
    gender: Mapping[str, str]
    """By person."""


def read_people_table(path: Path) -> PeopleTable:
    """Read a table with the columns name and person, and gender if known.

    Raises:
        InputError: a column is missing, a cell is blank, one name has two people, or one person two genders.
    """
    sheet = open_text_table(path, _COLUMNS, {"gender": ("sex",)})
    person: dict[str, str] = {}
    gender: dict[str, str] = {}
    for row in sheet.rows():
        where = f"{path}, line {row.line}"
        name, who = _plain(row.values["name"]), row.values["person"]
        if not name or not who:
            raise InputError(where, "leaves the name or the person blank", "write both")
        if person.setdefault(name, who) != who:
            raise InputError(
                where, f"gives {name} to {who}, but before to {person[name]}", "keep one of them"
            )
        sex = gender_of(row.values["gender"]) if "gender" in sheet.columns else ""
        if sex and gender.setdefault(who, sex) != sex:
            raise InputError(where, f"says {who} is {sex}, but before {gender[who]}", "keep one of them")
    if not person:
        raise InputError(path, "has no row", "write one a picture: name,person,gender")
    return PeopleTable(path=path, person=person, gender=gender)


def read_face_set(
    path: Path,
    people: PeopleTable | None,
    *,
    what: str,
    workers: Workers = HERE,
    progress: Progress | None = None,
) -> tuple[FaceSet, dict[str, int]]:
    """Read faces from a folder of pictures or a file of embeddings, and count the unusable ones.

    Of each picture in a folder the best face is embedded (dlib); a picture without one is kept as a face
    not found. Names are paths from the folder, without suffix. A file is a ``.npz`` as
    `voiceface embed` writes it: ``names``, ``embeddings``, and optionally ``people``, ``gender``, ``found``.

    Args:
        path: The folder or file.
        people: The person of each; None: from the file, or the folder that each picture is in.
        what: Their name in messages.
        workers: Who looks for the faces of pictures.
        progress: Called after every picture, or block of them where others work.

    Raises:
        InputError: nothing there, damaged, or nothing says whose they are.
    """
    if path.is_dir():
        return _of_folder(path, people, what, workers, progress)
    return _of_file(path, people, what)


def _of_file(path: Path, people: PeopleTable | None, what: str) -> tuple[FaceSet, dict[str, int]]:
    arrays = read_embeddings(path)
    rows, names = arrays["embeddings"], array_in_one_form(arrays["names"])
    owners = _owners(path, names, people, _column(arrays, "people", path, len(rows)), what)
    genders = _column(arrays, "gender", path, len(rows))
    if people is not None and people.gender:
        genders = _genders(owners, people)
    faces = Faces.of(
        rows,
        owners,
        genders=None if genders is None else np.array([gender_of(g) for g in genders.tolist()]),
        names=names,
        found=arrays.get("found"),
        what=what,
    )
    return FaceSet(faces=faces), {}


def _of_folder(
    path: Path, people: PeopleTable | None, what: str, workers: Workers, progress: Progress | None
) -> tuple[FaceSet, dict[str, int]]:
    root = checked_root(path)
    inside = list(walk_media(root, others=True))
    files = [found for found in inside if found.kind == "image"]
    if not files:
        raise InputError(path, "holds no pictures", "give a folder of pictures")
    names = np.array([_plain(found.path) for found in files])
    folders = np.array([in_one_form(found.parts[0]) if len(found.parts) > 1 else "" for found in files])
    owners = _owners(path, names, people, folders, what)
    rows = np.zeros((len(files), DLIB_DIM))
    seen = np.zeros(len(files), dtype=bool)
    views = np.zeros((len(files), PICTURE_SIZE, PICTURE_SIZE, 3), np.uint8)
    damaged = done = 0
    blocks = picture_blocks(root, [found.path for found in files], workers)
    for block, one in workers.run(find_picture_faces, blocks, folders=[root]):
        part = slice(block.first, block.first + len(block.paths))
        rows[part], seen[part], views[part] = one.rows, one.found, one.views
        damaged, done = damaged + one.damaged, done + len(block.paths)
        if progress is not None:
            progress(done, len(files))
    faces = Faces.of(
        rows,
        owners,
        genders=_genders(owners, people),
        names=names,
        found=seen,
        sharpness=np.where(seen, sharpness(views), np.nan),
        what=what,
    )
    counts = {
        f"{what}: pictures that cannot be read, counted as not found": damaged,
        f"{what}: files that are no pictures, left out": len(inside) - len(files),
    }
    return FaceSet(faces=faces, pictures=views), {note: count for note, count in counts.items() if count}


def _owners(
    path: Path,
    names: npt.NDArray[np.str_],
    people: PeopleTable | None,
    default: npt.NDArray[np.str_] | None,
    what: str,
) -> npt.NDArray[np.str_]:
    """Person of each name, from the table or by default."""
    if people is not None:
        found = np.array(
            [people.person.get(name, people.person.get(_plain(name), "")) for name in names.tolist()]
        )
        lost = names[found == ""]
        if len(lost):
            fault = f"{few(lost)} of {len(names):,} {what} have no row in it"
            raise InputError(people.path, fault, "name them, or take them out")
        return found
    if default is None or not (default != "").all():
        blank = len(names) if default is None else int((default == "").sum())
        fault = f"does not say whose {blank:,} of {len(names):,} {what} are"
        raise InputError(path, fault, "give --people table.csv with the columns name,person,gender")
    return default


def _genders(owners: npt.NDArray[np.str_], people: PeopleTable | None) -> npt.NDArray[np.str_]:
    known = {} if people is None else people.gender
    return np.array([known.get(who, "") for who in owners.tolist()], dtype=str)


def _column(arrays: Mapping[str, Any], name: str, path: Path, count: int) -> npt.NDArray[np.str_] | None:
    if name not in arrays:
        return None
    values = arrays[name]
    if values.shape != (count,):
        raise InputError(path, f"holds {name} of shape {values.shape} for {count:,} rows", "give one a row")
    return array_in_one_form(values)


def _plain(name: str) -> str:
    """A picture's path with ``/``, in one Unicode form, without its suffix if it has a picture's."""
    path = in_one_form(name).strip().replace("\\", "/").removeprefix("./")
    folder, slash, last = path.rpartition("/")
    return f"{folder}{slash}{stem_of(last) if media_kind(last) else last}"
