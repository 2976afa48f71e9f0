"""Training with a fold of the people left out, and never mixed up with another fold's training."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from voiceface.errors import InputError

if TYPE_CHECKING:
    from voiceface.training.run import Run

__all__ = ["NO_FOLD", "claim", "folded", "parse_fold"]

NO_FOLD = "no fold"
"""Said of a training with the recipe's own split."""

_MARK = ".fold"
"""A hidden file in the folder of a training that says which fold it left out."""


def parse_fold(text: str) -> tuple[int, int]:
    """``K/N`` as K and N.

    >>> parse_fold("2/5")
    (2, 5)
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]) or int(match[2]) < 2:
        raise InputError(f"--fold {text}", "is no fold", "give K/N with K from 1 to N, say 1/5")
    return int(match[1]), int(match[2])


def folded(run: Run, fold: str) -> Run:
    """The run on everybody but the people of that fold, with the run's seed."""
    from voiceface.evaluation.cross_validation import hold_out_fold

    number, count = parse_fold(fold)
    return hold_out_fold(run, number - 1, count)


def claim(out: Path, people: str, *, trained: str = "training.json") -> None:
    """Note in the folder which people its training leaves out, or find that it left out others.

    Args:
        out: folder of a training, or of the trainings of several folds.
        people: who is left out, in words: ``fold 2/5``.
        trained: what lies in the folder once something was trained there.

    Raises:
        InputError: the folder holds a training that left out others, or cannot be written to.
    """
    from voiceface.media.files import write_text

    mark = out / _MARK
    if out.is_dir() and any(out.glob(trained)):
        there = mark.read_text(encoding="utf-8").strip() if mark.is_file() else NO_FOLD
        if there != people:
            fault = f"holds a training that left out {there}, not {people}"
            raise InputError(out, fault, "give the same fold to go on, or a new folder")
    elif people != NO_FOLD and (not out.exists() or (out.is_dir() and not any(out.glob("[!.]*")))):
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(out, f"cannot be made ({error.strerror})", "train in another folder") from error
        write_text(mark, people + "\n")
