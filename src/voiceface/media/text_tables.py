"""Tables and lists that came with a data set: CSV, TSV and plain text, read in bounded memory.

Everything is read row by row, so a list of millions of lines costs no more than one of ten. A table
may be gzipped, begin with a byte order mark, separate its cells by comma, semicolon, tab or ``|``,
and end its lines as any system does. Its text is brought to one Unicode form. What cannot be read is an
`InputError` that names the line.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from voiceface.errors import InputError
from voiceface.media.open_file import open_file
from voiceface.media.unicode_names import in_one_form

_LONGEST_LINE = 100_000  # characters; a table's lines are far shorter, a binary file's "line" is not
_DELIMITERS = ",;\t|"
_EXCELS_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # Excel's own first line names the delimiter


@dataclass(frozen=True, slots=True)
class TextRow:
    """One line of a table."""

    line: int
    """Its number in the file, from 1."""
    values: Mapping[str, str]
    """By the names asked for; an optional column that is missing or a cell that is empty gives ``""``."""
    cells: Sequence[str]
    """All cells as they stand, for tables whose rows are ragged."""


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table whose columns have been found; its rows are read when asked for."""

    path: Path
    header: Sequence[str]
    columns: Mapping[str, int]
    """Which cell holds which of the wanted columns."""
    delimiter: str
    header_line: int = 1

    def rows(self) -> Iterator[TextRow]:
        """Its rows, blank ones left out.

        Raises:
            InputError: a line is no text, far too long, or has a quote that is never closed.
        """
        with _text(self.path) as handle:
            reader = csv.reader(
                _bounded(handle, self.path), delimiter=self.delimiter, skipinitialspace=True, strict=False
            )
            while True:
                begins = reader.line_num + 1
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    raise InputError(
                        f"{self.path}, line {begins}",
                        f"is no row of a table ({error})",
                        "look for an open quote",
                    ) from None
                if begins <= self.header_line or not any(cell.strip() for cell in cells):
                    continue
                cells = [cell.strip() for cell in cells]
                values = {name: cells[at] if at < len(cells) else "" for name, at in self.columns.items()}
                yield TextRow(begins, values, cells)


def open_text_table(
    path: str | Path,
    required: Mapping[str, Sequence[str]] | Sequence[str] = (),
    optional: Mapping[str, Sequence[str]] | Sequence[str] = (),
) -> TextTable:
    """Find a table's delimiter and its columns.

    ``required`` and ``optional`` name the columns wanted; a mapping gives each further names it may
    go by. Case, spaces and underscores do not count: ``VoxCeleb1 ID`` is ``voxceleb1_id``.

    Raises:
        InputError: no such file, no text, empty, or a required column is missing (naming the nearest).
    """
    path = Path(path)
    wanted = {**_spellings(required), **_spellings(optional)}
    with _text(path) as handle:
        lines = _bounded(handle, path)
        first = next(lines, "")
        told = _EXCELS_LINE.fullmatch(first)
        first = next(lines, "") if told else first
    if not first.strip():
        raise InputError(path, "is empty", "give a table whose first line names its columns")
    header, delimiter, columns = _best_reading(first, wanted, told[1] if told else _DELIMITERS)
    missing = [name for name in _spellings(required) if name not in columns]
    if missing:
        named = ", ".join(cell for cell in header if cell)
        near = get_close_matches(missing[0], [_plain(cell) for cell in header], n=1)
        fault = f"has no column '{missing[0]}' (its first line names: {named[:200]})"
        raise InputError(path, fault, f"rename '{near[0]}' to it" if near else "add it to the first line")
    return TextTable(path, header, columns, delimiter, 2 if told else 1)


def read_words(
    path: str | Path, *, separator: str | None = None, comment: str = "#"
) -> Iterator[tuple[int, list[str]]]:
    """The lines of a plain list as (line number, words), blank lines and comments left out.

    Words are parted by white space, or by ``separator`` where one is given (``|`` in SPEAKERS.TXT).

    Raises:
        InputError: no such file, or it is no text.
    """
    path = Path(path)
    with _text(path) as handle:
        for number, line in enumerate(_bounded(handle, path), 1):
            text = line.strip()
            if text and not text.startswith(comment):
                yield number, [word.strip() for word in text.split(separator)]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.strip().casefold()).strip("_")


def _spellings(columns: Mapping[str, Sequence[str]] | Sequence[str]) -> dict[str, list[str]]:
    if isinstance(columns, Mapping):
        return {name: [_plain(name), *map(_plain, others)] for name, others in columns.items()}
    return {name: [_plain(name)] for name in columns}


def _best_reading(
    line: str, wanted: Mapping[str, Sequence[str]], delimiters: str
) -> tuple[list[str], str, dict[str, int]]:
    """Of the delimiters, the one that finds most wanted columns (then: most columns)."""
    best: tuple[tuple[int, int], list[str], str, dict[str, int]] | None = None
    for delimiter in delimiters:
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
        header = [cell.strip() for cell in cells]
        columns_by_name: dict[str, int] = {}
        for at, cell in enumerate(header):
            columns_by_name.setdefault(_plain(cell), at)
        columns = {
            name: next(columns_by_name[spelling] for spelling in spellings if spelling in columns_by_name)
            for name, spellings in wanted.items()
            if any(spelling in columns_by_name for spelling in spellings)
        }
        merit = (len(columns), len(header))
        if best is None or merit > best[0]:
            best = (merit, header, delimiter, columns)
    assert best is not None
    return best[1:]


def _text(path: Path) -> TextIO:
    try:
        with _opened(path) as head:
            mark = head.read(4)
        raw = _opened(path)
    except FileNotFoundError:
        raise InputError(path, "no such file", "check the name") from None
    except IsADirectoryError:
        raise InputError(path, "is a folder", "give a table") from None
    except (OSError, EOFError) as error:
        raise InputError(path, f"cannot be read ({error})", "check the file and its permissions") from None
    wide = mark.startswith((b"\xff\xfe", b"\xfe\xff"))  # what spreadsheets call "Unicode text"
    # A byte that is no UTF-8 is kept, so that `_bounded` meets it in its own line: decoding works in blocks.
    encoding, errors = ("utf-16", "strict") if wide else ("utf-8-sig", "surrogateescape")
    return io.TextIOWrapper(raw, encoding=encoding, errors=errors, newline=None)


def _opened(path: Path) -> BinaryIO:
    file = open_file(path)
    return cast(BinaryIO, gzip.open(file, "rb")) if path.suffix.casefold() == ".gz" else file


def _bounded(handle: TextIO, path: Path) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        try:
            line = handle.readline(_LONGEST_LINE)
            line.encode()
        except UnicodeError:
            raise InputError(
                f"{path}, line {number}", "is not UTF-8 text", "save the table as UTF-8 (CSV UTF-8 in Excel)"
            ) from None
        except (OSError, EOFError) as error:
            raise InputError(path, f"cannot be read to its end ({error})", "fetch it again") from None
        if not line:
            return
        if "\0" in line or (len(line) == _LONGEST_LINE and not line.endswith("\n")):
            raise InputError(f"{path}, line {number}", "is no line of a text file", "give a table or list")
        yield in_one_form(line)
