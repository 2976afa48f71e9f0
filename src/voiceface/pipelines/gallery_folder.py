"""A gallery's folder: its card, which names the matcher, and its table (LanceDB, embedded: no server)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import msgspec

from voiceface.errors import InputError, MissingPartError
from voiceface.media.files import write_json
from voiceface.media.read_json import read_json
from voiceface.media.writer_lock import writer_lock
from voiceface.pipelines.matcher import Matcher

CARD = "gallery.json"
FORMAT = 1
RESERVED_COLUMNS = ("id", "person", "kind", "path", "vector")
"""Columns of every gallery; the others are attributes."""

_TABLE = "items"
_PANICS = ("PanicException", "RustPanic")


class _Head(TypedDict):
    kind: Literal["voiceface-gallery"]
    format: int


class _Card(_Head):
    matcher: str
    source: str
    weights: Annotated[str, msgspec.Meta(min_length=1)]
    dim: Annotated[int, msgspec.Meta(ge=1, le=65_536)]


def lancedb_module() -> Any:  # noqa: ANN401
    """LanceDB, imported late.

    Raises:
        MissingPartError: it is not installed.
    """
    try:
        import lancedb
    except ImportError as error:
        raise MissingPartError("lancedb", "is not installed", 'pip install "voiceface[gallery]"') from error
    return lancedb


def open_table(path: Path, dim: int) -> Any:  # noqa: ANN401  LanceDB ships no types
    """The table of items, made if a kill came between the card and the table.

    Raises:
        InputError: it cannot be read.
    """
    import pyarrow as pa

    database = lancedb_module()
    plain = [pa.field(name, pa.string()) for name in RESERVED_COLUMNS[:-1]]
    schema = pa.schema([*plain, pa.field("vector", pa.list_(pa.float32(), dim))])
    with lance_errors(path):
        connected = database.connect(str(path))
        with contextlib.suppress(ValueError):  # it is not there, or a kill came while it was made
            return connected.open_table(_TABLE)
        # Not asked for at once: making it "if it is not there" refuses a table that has attributes by now.
        return connected.create_table(_TABLE, schema=schema, exist_ok=True)


@contextlib.contextmanager
def lance_errors(path: Path) -> Iterator[None]:
    """One line for whatever LanceDB raises on a damaged table.

    Raises:
        InputError: anything but an error of ours, Ctrl-C and the like.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    # Rust's panics are no Exception, and their class has no name to import.
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ not in _PANICS:
            raise
        fault = f"cannot be used ({' '.join(str(error).split())[:120]})"
        raise InputError(path, fault, "restore it, or make it anew") from error


def make_gallery(path: Path, matcher: Matcher, source: str | Path | None) -> None:
    """Make the folder, its card and its empty table, unless another process has just done so.

    Raises:
        InputError: the folder holds something else or cannot be made.
    """
    # Hidden files are the lock and what a kill left of the card.
    if path.exists() and (not path.is_dir() or any(not f.name.startswith(".") for f in path.iterdir())):
        if not (path / CARD).is_file():
            raise InputError(path, "holds something else than a gallery", "name a new folder")
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(path, f"cannot be made ({error.strerror})", "choose another folder") from error
    place = str(Path(source).resolve()) if source is not None and Path(source).is_dir() else matcher.name
    card = {"kind": "voiceface-gallery", "format": FORMAT, "matcher": matcher.name, "source": place}
    with writer_lock(path, wait=-1):
        if not (path / CARD).is_file():
            write_json(path / CARD, card | {"weights": matcher.fingerprint, "dim": matcher.dim})
        open_table(path, matcher.dim)


def read_card(path: Path) -> dict[str, Any]:
    """The card of a gallery.

    Raises:
        InputError: it is damaged or of a newer format.
    """
    remedy = "restore it, or make the gallery anew"
    head = read_json(path / CARD, _Head, remedy=remedy)
    if head["format"] > FORMAT:
        fault = f"is of format {head['format']}, this version reads {FORMAT}"
        raise InputError(path, fault, "install a newer voiceface")
    card: dict[str, Any] = read_json(path / CARD, _Card, remedy=remedy)
    return card
