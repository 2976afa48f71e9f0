"""JSON files, also a stranger's: read in bounds and checked against a schema, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from voiceface.errors import InputError
from voiceface.media.open_file import open_file

_LARGEST = 64_000_000
"""Bytes of a file."""


def read_json(path: str | Path, schema: Any, *, remedy: str) -> Any:  # noqa: ANN401  what the schema says
    """Read a JSON file; the value as JSON gives it, with what the schema does not name.

    Args:
        path: The file, in UTF-8.
        schema: A type, such as a ``TypedDict``, whose limits are `msgspec.Meta` annotations.
        remedy: What to do about a file that is no such JSON.

    Raises:
        InputError: the file cannot be read, is over 64 MB, is no JSON or nested too deeply, holds NaN, or
            does not fit the schema; the place in it is named.
    """
    try:
        with open_file(path) as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})", remedy) from error
    if len(data) > _LARGEST:
        raise InputError(path, f"is over {_LARGEST // 1_000_000} MB long", remedy)
    return parse_json(data, schema, what=path, remedy=remedy)


def parse_json(data: bytes | str, schema: Any, *, what: object, remedy: str) -> Any:  # noqa: ANN401
    """As `read_json`, of JSON that was read before from ``what``."""
    try:
        value = msgspec.json.decode(data)
        msgspec.convert(value, schema)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        # Not the text of a key or value: it may be anything, of any length.
        raise InputError(what, f"is damaged ({str(error)[:120]})", remedy) from error
    return value
