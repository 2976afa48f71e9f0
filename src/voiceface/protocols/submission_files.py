"""The files of a challenge submission, from a folder or from the flat zip archive that challenges take."""

from __future__ import annotations

import csv
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.media.open_file import open_file
from voiceface.protocols.input_checks import few
from voiceface.protocols.read_lines import decode_lines, read_lines

Names = NDArray[np.str_]

_MOST_BYTES = 64_000_000
"""Of one file of an archive; the challenges' lists have tens of thousands of rows."""


def read_submission(path: str | Path, pattern: re.Pattern[str], expected: str) -> dict[str, list[str]]:
    """Lines of every file of a submission by name; files of other names are no part of it.

    Args:
        path: A folder, or a zip archive of the files themselves (the challenges refuse a zipped folder).
        pattern: What the names of the files match.
        expected: The same in words, for messages.

    Raises:
        InputError: nothing matches, the archive is damaged or holds a folder, or a file cannot be read.
    """
    root = Path(path)
    if root.is_dir():
        names = sorted(file.name for file in root.iterdir() if pattern.fullmatch(file.name))
        found = {name: read_lines(root / name) for name in names}
    else:
        found = _read_archive(root, pattern)
    if not found:
        raise InputError(path, "contains no file of a submission", f"the files are named {expected}")
    return found


def _read_archive(path: Path, pattern: re.Pattern[str]) -> dict[str, list[str]]:
    found = {}
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                folder, _, name = info.filename.rpartition("/")
                if not pattern.fullmatch(name):
                    continue
                if folder:
                    fault = f"holds {name} in a folder, which the challenge refuses"
                    raise InputError(path, fault, "zip the files themselves")
                if info.file_size > _MOST_BYTES:
                    raise InputError(path, f"holds {name} of {info.file_size:,} bytes", "give text files")
                found[name] = decode_lines(archive.read(info), f"{path}: {name}")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise InputError(path, "is no folder and no intact zip archive", "give the submission") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})", "check the path") from None
    return dict(sorted(found.items()))


def read_table(name: str | Path, lines: Sequence[str], needed: Sequence[str]) -> dict[str, Names]:
    """Columns of a CSV with a header, all rows of its width and no needed cell blank.

    Args:
        name: The file's name, for messages.
        lines: Its lines.
        needed: Columns that it must have; others are returned too.

    Raises:
        InputError: a column is missing, or a row has another width or a blank in a needed column.
    """
    rows = [row for row in csv.reader(lines) if row]
    heads = [head.strip().lower().lstrip("\ufeff") for head in rows[0]]
    lost = [head for head in needed if head not in heads]
    if lost or len(set(heads)) < len(heads) or len(rows) < 2:
        fault = f"lacks the column {lost[0]}" if lost else "has no rows below a header of different names"
        raise InputError(name, fault, f"the header is {','.join(needed)}")
    places = [heads.index(head) for head in needed]
    bad = [
        line
        for line, row in enumerate(rows[1:], start=2)
        if len(row) != len(heads) or not all(row[at].strip() for at in places)
    ]
    if bad:
        fault = f"rows {few(bad)} do not have {len(heads)} filled columns"
        raise InputError(name, fault, "correct them")
    return {head: np.array([row[at].strip() for row in rows[1:]]) for at, head in enumerate(heads)}


def unique_keys(name: str | Path, keys: Names) -> dict[str, int]:
    """Row of every key.

    Raises:
        InputError: a key stands there twice.
    """
    places = {key: at for at, key in enumerate(keys.tolist())}
    if len(places) < len(keys):
        values, counts = np.unique(keys, return_counts=True)
        raise InputError(name, f"repeats {few(values[counts > 1])} keys", "give each trial once")
    return places


def join_keys(name: str | Path, keys: Names, answers: dict[str, int]) -> NDArray[np.intp]:
    """Row of the answers for every key of a submission.

    The organisers' scripts leave out a key that one side lacks, and score a smaller test; here it is a fault.

    Args:
        name: The submission's name.
        keys: Its keys.
        answers: Row of the answers by key.

    Raises:
        InputError: a key has no answer.
    """
    lost = [key for key in keys.tolist() if key not in answers]
    if lost:
        raise InputError(name, f"has {few(lost)} keys without an answer", "give the answers of this test")
    return np.array([answers[key] for key in keys.tolist()], dtype=np.intp)
