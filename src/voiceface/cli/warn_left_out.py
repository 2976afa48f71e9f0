"""Saying which files of the folders that a user names a command does not take."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from voiceface.cli.terminal import log_line, printable

_NAMED = 5


def warn_left_out(paths: Iterable[Path], kinds: Collection[str], *, besides: Iterable[Path]) -> list[str]:
    """Say on one line how many files the folders hold that are not taken, and name the first.

    Args:
        paths: the files and folders that a command was given.
        kinds: what it takes: ``"voices"``, ``"faces"``, or both.
        besides: what it writes, or reads in another way, which may lie in these folders.

    Returns:
        All that is left out, for JSON.
    """
    from voiceface.pipelines.input_files import left_out_of_folders

    found = left_out_of_folders(paths, kinds, besides=besides)
    if found:
        names = ", ".join(map(printable, found[:_NAMED]))
        more = f" and {len(found) - _NAMED:,} more (--json lists all)" if len(found) > _NAMED else ""
        many = f"{len(found):,} files were" if len(found) > 1 else "1 file was"
        log_line(f"{many} left out: {names}{more}")
    return found
