"""No command writes over a file that it was given to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from voiceface.media.check_writable import check_inputs_kept

_WRITTEN = frozenset({"out", "markdown", "csv", "latex", "html", "scores_out"})
"""Names of the arguments of commands that are files to be written."""


def check_given_files_kept(given: Mapping[str, Any]) -> None:
    """Refuse an output that is one of the files named beside it.

    Args:
        given: a command's arguments by name; those of a group of options are in a dataclass.

    Raises:
        InputError: an output is one of the inputs.
    """
    paths = list(_paths(given))
    written = [path for name, path in paths if name in _WRITTEN and path.is_file()]
    check_inputs_kept(written, [path for name, path in paths if name not in _WRITTEN])


def _paths(given: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    for name, value in given.items():
        if is_dataclass(value) and not isinstance(value, type):
            yield from _paths({field.name: getattr(value, field.name) for field in fields(value)})
        for one in value if isinstance(value, tuple | list) else [value]:
            if isinstance(one, Path):
                yield name, one
