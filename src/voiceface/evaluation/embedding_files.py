"""Embeddings with their people from files, and tables of scores."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.media.files import check_readable
from voiceface.media.unicode_names import array_in_one_form
from voiceface.pipelines.embed import read_embeddings
from voiceface.protocols.input_checks import few
from voiceface.protocols.read_lines import read_lines

Names = NDArray[np.str_]


@dataclass(frozen=True, kw_only=True)
class NamedEmbeddings:
    """Embeddings of one side with their names, and with their people where they are known."""

    path: Path
    names: Names
    embeddings: NDArray[np.float32]
    people: Names | None = None
    columns: Mapping[str, Names] = field(default_factory=dict)
    """Further columns of the file: gender, nationality, session."""


def read_named_embeddings(path: Path) -> NamedEmbeddings:
    """A file as `voiceface embed` writes it: ``names`` and ``embeddings``, and others of their length.

    Raises:
        InputError: the file is none, or an array is missing or of another length.
    """
    check_readable(path)
    arrays = read_embeddings(path)
    rows, names = arrays.pop("embeddings"), arrays.pop("names")
    names = array_in_one_form(names)
    _check_names(path, names, rows)
    columns = {
        name: array_in_one_form(array)
        for name, array in arrays.items()
        if array.shape == names.shape and array.dtype.kind in "US"
    }
    people = columns.pop("people", None)
    if people is not None and not (people != "").all():
        people = None  # embeddings of single files: their people are not known
    return NamedEmbeddings(
        path=path, names=names, embeddings=rows.astype(np.float32), people=people, columns=columns
    )


def _check_names(path: Path, names: Names, rows: NDArray[np.floating]) -> None:
    """Refuse one name for two different vectors: either could be meant."""
    _, first, where = np.unique(names, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[where] != np.arange(len(names)))
    apart = again[(rows[again] != rows[first[where][again]]).any(axis=1)]
    if len(apart):
        fault = f"has {few(sorted(set(names[apart].tolist())))} names more than once, with different vectors"
        raise InputError(path, fault, "embed each item once")


def item_attributes(
    side: NamedEmbeddings, names: Sequence[str], tables: Mapping[str, Mapping[str, str]]
) -> dict[str, Names]:
    """Each attribute of every item: from its own column, or by its person from ``tables``.

    Raises:
        InputError: no source gives the attribute.
    """
    found = {}
    for name in names:
        if name in side.columns:
            found[name] = side.columns[name]
        elif tables.get(name) and side.people is not None:
            found[name] = np.array([tables[name].get(person, "") for person in side.people.tolist()])
        else:
            raise InputError(f"--same {name}", f"{side.path} does not give it", "give --corpus or --people")
    return found


def read_scores(path: Path) -> dict[str, list[str]]:
    """A table of scores: the columns by name, ``score`` among them.

    Raises:
        InputError: it is not a CSV with a header and a column ``score``, or rows differ in length.
    """
    rows = list(csv.reader(read_lines(path)))
    heads = [head.strip().lower().lstrip("\ufeff") for head in rows[0]]
    if "score" not in heads or len(set(heads)) < len(heads):
        fault = f"has the columns {', '.join(heads)[:60]}"
        raise InputError(path, fault, "begin it with a header: voice,face,score or label,score")
    if len(rows) < 2:
        raise InputError(path, "contains no scores", "write one row per trial below the header")
    bad = [at for at, row in enumerate(rows[1:], start=2) if len(row) != len(heads)]
    if bad:
        raise InputError(path, f"{few(bad)} rows do not have {len(heads)} columns (by line)", "correct them")
    table = {head: [row[at].strip() for row in rows[1:]] for at, head in enumerate(heads)}
    for head in {"score", "probability"} & table.keys():
        lost = [at for at, value in enumerate(table[head], start=2) if not _is_number(value)]
        if lost:
            fault = f"{few(lost)} of {len(table[head]):,} rows have no number as {head} (by line)"
            raise InputError(path, fault, "score every trial")
    return table


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
