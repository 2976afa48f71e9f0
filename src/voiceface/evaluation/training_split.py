"""The training people of some weights, found by splitting a corpus as the training did."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from voiceface.errors import InputError
from voiceface.evaluation.hold_out_fold import hold_out_fold
from voiceface.pipelines.weights import Loaded, run_of, weights_folder
from voiceface.training.choose_split import choose_split, saved_choice
from voiceface.training.training_folder import people_fingerprint

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.corpus.splits import Split
    from voiceface.training.run import Run

_MAX_FOLDS = 10


def training_split(weights: str | Path, loaded: Loaded, corpus: Corpus) -> Split | None:
    """The split that the weights were trained with on this corpus; None where none has their people.

    run.json names nobody; it contains a fingerprint of the training people. The recipe's own split is tried,
    the fold that the folder is named or marked after, then every fold of up to 10.
    """
    people = loaded.card.get("people") or {}
    count, fingerprint = people.get("count"), people.get("fingerprint")
    if count is None or fingerprint is None or int(count) > len(corpus.people):
        return None
    folder = weights_folder(weights)
    own = replace(run_of(loaded), choice=saved_choice(folder, loaded.card))
    for run in _runs(folder, own):
        try:
            split = choose_split(run, corpus).split
        except InputError:  # a corpus that cannot be split so is not the training corpus
            continue
        trained = [str(person) for person in split.train.people]
        if len(trained) == count and people_fingerprint(trained) == fingerprint:
            return split
    return None


def _runs(folder: Path, run: Run) -> Iterator[Run]:
    yield run
    for place in (folder, folder.parent):
        mark = place / ".fold"
        words = mark.read_text(encoding="utf-8", errors="replace") if mark.is_file() else ""
        if found := re.search(r"fold-(\d+)-of-(\d+)$", place.resolve().name):
            yield hold_out_fold(run, int(found[1]), int(found[2]))
        elif found := re.search(r"fold (\d+)/(\d+)", words):
            yield hold_out_fold(run, int(found[1]) - 1, int(found[2]))
    for folds in range(2, _MAX_FOLDS + 1):
        for fold in range(folds):
            yield hold_out_fold(run, fold, folds)
