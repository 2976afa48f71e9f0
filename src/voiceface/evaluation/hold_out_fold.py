"""A training's run with one fold of the people held back."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from voiceface.corpus.splits import fold_people
from voiceface.errors import InputError

if TYPE_CHECKING:
    from voiceface.training.run import Run


def parse_fold(text: str) -> tuple[int, int]:
    """``K/N`` as K and N.

    >>> parse_fold("2/5")
    (2, 5)
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]) or int(match[2]) < 2:
        raise InputError(f"--fold {text}", "is not a fold", "give K/N with K from 1 to N, for example 1/5")
    return int(match[1]), int(match[2])


def hold_out_fold(run: Run, fold: int, folds: int) -> Run:
    """The run with ``fold`` (from 0) of ``folds`` held back; the recipe's share of the others selects."""
    share = float(run.arguments.get("validation", 0.1))
    return replace(
        run,
        people="unknown",
        choice=run.choice.random(),
        split=lambda corpus: fold_people(corpus, fold=fold, folds=folds, seed=run.seed, validation=share),
    )
