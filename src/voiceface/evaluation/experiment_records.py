"""Experiments on disk: one line of JSON an experiment, in ``results/RECIPE.jsonl``.

``tools/results_page.py`` makes RESULTS.md of them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from math import isfinite, isnan
from pathlib import Path
from typing import Any

from voiceface.errors import InputError
from voiceface.evaluation.source_commit import source_commit
from voiceface.media.check_writable import check_writable
from voiceface.media.open_file import open_file
from voiceface.media.writer_lock import writer_lock
from voiceface.protocols.estimate import Estimate


def check_results_folder(folder: Path) -> None:
    """Refuse a folder of records that cannot be written to, before any work is done.

    Raises:
        InputError: it is a file, its own folder is missing, or it is read-only.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(folder, "is a file", "name a folder: records go to FOLDER/RECIPE.jsonl")
    # Where it is still to be made, the folder above it must take a new entry of that name.
    check_writable(folder / "new.jsonl" if folder.is_dir() else folder)


def record_experiment(
    folder: Path,
    *,
    recipe: str,
    corpus: str,
    protocol: str,
    command: str,
    figures: Sequence[tuple[str, Estimate]],
) -> Path:
    """Append one experiment, with today's date and the commit of the source, to ``folder/RECIPE.jsonl``.

    Figures without a value or an interval are left out. Two processes may record at once: one waits for the
    other. A killed one damages no other line.

    Args:
        folder: The folder of records; made where it is missing.
        recipe: The recipe, paper or model that was measured.
        corpus: Fingerprint of the corpus, or of the files.
        protocol: What was done, for all figures together: ``5 folds over people``.
        command: The command that measures it again.
        figures: The row of the report that each figure stands in, and the figure.

    Raises:
        InputError: no figure has an interval, or the file cannot be written.
    """
    measured = [_figure(row, one) for row, one in figures if not isnan(one.value) and not isnan(one.low)]
    if not measured:
        remedy = "give --resamples, and name the people of the items"
        raise InputError("--record", "the figures have no intervals over people", remedy)
    record = {
        "recipe": recipe,
        "corpus": corpus,
        "protocol": protocol,
        "command": command,
        "commit": source_commit(),
        "date": datetime.now(UTC).date().isoformat(),
        "figures": measured,
    }
    path = folder / (re.sub(r"[^\w.-]+", "-", recipe) + ".jsonl")
    try:
        folder.mkdir(exist_ok=True)
        with writer_lock(path, wait=-1):
            _append(path, json.dumps(record, ensure_ascii=False, allow_nan=False))
    except OSError as error:
        raise InputError(path, f"cannot be written ({error})", "check the folder") from error
    return path


def read_experiments(folder: Path) -> list[dict[str, Any]]:
    """All experiments of a folder of records: file by file in the order of their names, as appended.

    Raises:
        InputError: a file cannot be read, or a line is no JSON object.
    """
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        try:
            with open_file(path) as file:
                lines = file.read().decode().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(path, f"cannot be read ({error})", "check the file") from error
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if not isinstance(record, dict):
                raise InputError(path, f"line {number} is no JSON object", "remove or repair that line")
            found.append(record)
    return found


def _figure(row: str, one: Estimate) -> dict[str, Any]:
    numbers = {"value": one.value, "low": one.low, "high": one.high, "chance": one.chance}
    plain = {name: number if isfinite(number) else None for name, number in numbers.items()}
    return {"row": row, "name": one.name, **plain, "n": one.n or None}


def _append(path: Path, line: str) -> None:
    with path.open("a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(-1, os.SEEK_END)
        torn = bool(size) and file.read(1) != b"\n"  # the last line of a writer that was killed
        file.write((b"\n" if torn else b"") + line.encode() + b"\n")
        os.fsync(file.fileno())
