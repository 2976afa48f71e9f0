"""A gallery's folder: its card, which names the matcher, and its table (LanceDB, embedded: no server)."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from voiceface.errors import InputError, MissingPartError
from voiceface.media.files import write_json
from voiceface.pipelines.matcher import Matcher

__all__ = ["CARD", "RESERVED_COLUMNS", "lancedb_module", "open_table", "read_card", "write_card"]

CARD = "gallery.json"
FORMAT = 1
RESERVED_COLUMNS = ("id", "person", "kind", "path", "vector")
"""Columns of every gallery; the others are attributes."""

_TABLE = "items"


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
    try:
        connected = database.connect(str(path))
        with contextlib.suppress(ValueError):  # it is not there, or a kill came while it was made
            return connected.open_table(_TABLE)
        # Not asked for at once: making it "if it is not there" refuses a table that has attributes by now.
        return connected.create_table(_TABLE, schema=schema, exist_ok=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(path, f"cannot be read ({_line(error)})", "restore it, or make it anew") from error


def write_card(path: Path, matcher: Matcher, source: str | Path | None) -> None:
    """Make the folder and its card."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(path, f"cannot be made ({error.strerror})", "choose another folder") from error
    place = str(Path(source).resolve()) if source is not None and Path(source).is_dir() else matcher.name
    card = {"kind": "voiceface-gallery", "format": FORMAT, "matcher": matcher.name, "source": place}
    write_json(path / CARD, card | {"weights": matcher.fingerprint, "dim": matcher.dim})


def read_card(path: Path) -> dict[str, Any]:
    """The card of a gallery.

    Raises:
        InputError: it is damaged or of a newer format.
    """
    try:
        card = json.loads((path / CARD).read_text(encoding="utf-8"))
        if card["kind"] != "voiceface-gallery":
            raise KeyError("kind")
        missing = {"matcher", "source", "weights", "dim"} - card.keys()
        if missing:
            raise KeyError(missing.pop())
        newer = int(card["format"]) > FORMAT
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(path / CARD, "is damaged", "restore it, or make the gallery anew") from error
    if newer:
        fault = f"is of format {card['format']}, this version reads {FORMAT}"
        raise InputError(path, fault, "install a newer voiceface")
    return dict(card)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
