"""A split of a corpus by a file of names, and the names by which lists know its people."""

from __future__ import annotations

from pathlib import Path

from voiceface.corpus.corpus import Corpus
from voiceface.errors import InputError
from voiceface.media.text_tables import read_words
from voiceface.media.voxceleb_names import VoxCelebNames, VoxCelebPerson

PART_CODES = {"1": "train", "2": "validation", "3": "test", "4": "test"}
"""iden_split.txt has 1 to 3; Learnable PINs' identity_splits.txt has 4 for the unseen-unheard people."""
_PARTS = {name: name for name in ("train", "validation", "test")} | {"dev": "train", "val": "validation"}


def corpus_names(corpus: Corpus) -> tuple[VoxCelebNames, dict[str, str]]:
    """The people of a corpus by id and name, and the person of each item by the item's id."""
    names = VoxCelebNames(
        VoxCelebPerson(one.id, one.name, one.gender, one.nationality) for one in corpus.people
    )
    owners: dict[str, str] = {}
    for table in ("voices", "faces", "clips"):
        owners |= zip(corpus.column(table, "id").tolist(), corpus.person_of(table).tolist(), strict=True)
    return names, owners


def split_by_names(path: Path, corpus: Corpus) -> dict[str, str]:
    """Person or item to part, by a file of lines ``NAME PART``, ``NAME,PART`` or ``CODE RECORDING``.

    PART is train, validation, test, or VoxCeleb's code 1 to 4. People whom the corpus lacks are
    passed over: a published file names more than one has.

    Raises:
        InputError: the file is missing, a line names no part, or nobody in it is in the corpus.
    """
    names, owners = corpus_names(corpus)
    sessions: dict[str, str] = {}
    for table in ("voices", "clips"):
        sessions |= zip(
            corpus.column(table, "id").tolist(), corpus.column(table, "session").tolist(), strict=True
        )
    codes = PART_CODES | _PARTS
    found: dict[str, str] = {}
    for number, words in read_words(path):
        line = " ".join(words).replace(",", " ")
        cells = line.split()
        if number == 1 and cells[-1].lower() in ("split", "part", "set"):
            continue
        first, last = cells[0].lower(), cells[-1].lower()
        if len(cells) > 1 and last in codes:
            what, part = " ".join(cells[:-1]), codes[last]
        elif len(cells) > 1 and first in codes:
            what, part = " ".join(cells[1:]), codes[first]
        else:
            raise InputError(
                f"{path}, line {number}", "names no part", "write NAME and train, validation or test"
            )
        known = names.identity(what)
        item = what if what in owners else (names.key(what) or "")
        if known is not None:
            found[known.id] = part
        elif item in owners:
            found[item] = part
            # Frames go with their video; one whose recordings are in two parts is in none.
            if session := sessions.get(item):
                found[session] = part if found.get(session, part) == part else ""
    if not found:
        raise InputError(path, f"names nobody of {corpus.path}", "give the file that belongs to this corpus")
    return found
