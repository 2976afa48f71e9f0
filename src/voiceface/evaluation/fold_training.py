"""Training with a fold of the people left out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from voiceface.errors import InputError

if TYPE_CHECKING:
    from voiceface.training.run import Run

NO_FOLD = "no fold"
"""Stands for a training with the recipe's own split."""

_MARK = ".fold"
"""A hidden file in the folder of a training: the fold that it leaves out."""


def parse_fold(text: str) -> tuple[int, int]:
    """``K/N`` as K and N.

    >>> parse_fold("2/5")
    (2, 5)
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]) or int(match[2]) < 2:
        raise InputError(f"--fold {text}", "is not a fold", "give K/N with K from 1 to N, for example 1/5")
    return int(match[1]), int(match[2])


def leave_out_fold(run: Run, fold: str) -> Run:
    """The run on everybody except the people of that fold, with the run's seed."""
    from voiceface.evaluation.train_folds import hold_out_fold

    number, count = parse_fold(fold)
    return hold_out_fold(run, number - 1, count)


def claim_fold(out: Path, people: str, *, below: str = "") -> None:
    """Note in the folder which people its training leaves out; refuse one that left out others.

    Args:
        out: folder of a training, or of the trainings of several folds.
        people: who is left out: ``fold 2/5``.
        below: pattern of the folders of the trainings in it; by default it is that of one.

    Raises:
        InputError: the folder holds a training that left out others, is used by another process, or cannot
            be written to.
    """
    from voiceface.media.files import write_text
    from voiceface.media.make_folder import make_folder
    from voiceface.media.writer_lock import writer_lock
    from voiceface.training.training_folder import holds_progress

    mark, places = out / _MARK, list(out.glob(below)) if below else [out]
    if any(map(holds_progress, places)):
        there = mark.read_text(encoding="utf-8").strip() if mark.is_file() else NO_FOLD
        if there != people:
            fault = f"holds a training that left out {there}, not {people}"
            raise InputError(out, fault, "give the same fold to resume, or a new folder")
    elif mark.is_file() or (people != NO_FOLD and _is_free(out)):
        with writer_lock(make_folder(out), busy="is being trained in by another process"):
            write_text(mark, people + "\n")


def _is_free(out: Path) -> bool:
    """Whether a folder is new, empty, or that of a failed start; training refuses other files."""
    if not out.exists() or (out / "training.json").is_file():
        return True
    return out.is_dir() and not any(out.glob("[!.]*"))
