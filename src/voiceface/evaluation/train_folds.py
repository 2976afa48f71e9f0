"""The trainings of a cross-validation side by side: in processes of this machine, or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import Split
from voiceface.corpus.worker_pool import run_tasks
from voiceface.corpus.workers import Workers
from voiceface.errors import InputError
from voiceface.evaluation.hold_out_fold import hold_out_fold
from voiceface.media.make_folder import make_folder
from voiceface.models.selection_embeddings import embeds_selections
from voiceface.pipelines.weights import load_recipe, trusted_recipes, trusting
from voiceface.training.choose_split import choose_split
from voiceface.training.loop import train
from voiceface.training.split_choice import SplitChoice

if TYPE_CHECKING:
    from voiceface.training.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldTraining:
    """One training of a cross-validation, as any process can do it."""

    recipe: str
    arguments: Mapping[str, Any]
    """The recipe's; a ``{fold}`` in a text becomes the fold's number."""
    choice: SplitChoice
    fold: int
    """From 0."""
    out: Path
    """The folder of all folds."""

    def __str__(self) -> str:
        """As an error names it."""
        return str(self.place)

    @property
    def place(self) -> Path:
        """Its own folder; fold 1 of 3 has learnt from people whom fold 1 of 5 tests: never the same."""
        folds = self.choice.folds
        return self.out / (f"fold-{self.fold}-of-{folds}" if folds else "split")

    def run(self) -> Run:
        """The recipe's run with the fold, or the published split's test part, held back."""
        words = {name: value for name, value in self.arguments.items() if isinstance(value, str)}
        named = {name: value.replace("{fold}", str(self.fold)) for name, value in words.items()}
        run: Run = load_recipe(self.recipe).recipe(**{**self.arguments, **named})
        run = replace(run, people="unknown", choice=self.choice)
        return hold_out_fold(run, self.fold, self.choice.folds) if self.choice.folds else run


def fold_trainings(
    recipe: str, arguments: Mapping[str, Any], choice: SplitChoice, out: Path
) -> list[FoldTraining]:
    """The trainings of a cross-validation: one a fold, or one of a published split."""
    return [
        FoldTraining(recipe=recipe, arguments=arguments, choice=choice, fold=fold, out=out)
        for fold in range(choice.folds or 1)
    ]


def check_comparable(run: Run, split: Split) -> None:
    """Refuse a recipe whose model compares no voices with faces, before anything is trained.

    Raises:
        InputError: it embeds none, and scores no pairs.
    """
    model = run.build(run.facts(split.train))
    if not embeds_selections(model) and not model.can("score"):
        raise InputError(run.recipe, "embeds no voices and faces to compare", "evaluate another recipe")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Elsewhere:
    """A training with what another process must know besides."""

    training: FoldTraining
    corpus: Path
    device: str
    trusted: tuple[Path, ...]
    threads: int
    """Of torch; 0: as they are."""


def train_folds(
    trainings: list[FoldTraining],
    corpus: Corpus,
    workers: Workers,
    *,
    device: str = "auto",
    tell: Callable[[str], None] | None = None,
) -> None:
    """Train the folds side by side; `cross_validate` then finds them trained.

    A training whose worker dies goes on from its last checkpoint on another. Trained folds are not trained
    again.

    Args:
        trainings: The folds.
        corpus: What to train on.
        workers: Who trains, one fold each at a time; a cluster's workers must see the corpus and the folder
            of the folds under the same paths.
        device: As in `train`, for every worker.
        tell: Is told of each fold that is trained.

    Raises:
        InputError: as `train`; a worker dies twice in one training, or the scheduler is gone.
    """
    out = make_folder(trainings[0].out).resolve()
    workers = replace(workers, processes=min(workers.processes, len(trainings)))
    elsewhere = [
        _Elsewhere(
            training=replace(one, out=out),
            corpus=corpus.path.resolve(),
            device=device,
            trusted=trusted_recipes(),
            threads=workers.threads,
        )
        for one in trainings
    ]
    folders = [corpus.path, out]
    with workers.pool(train_fold, folders=folders) as pool:
        for one, _ in run_tasks(elsewhere, pool, name=lambda one: str(one.training)):
            if tell is not None:
                tell(f"trained in {one.training.place.name}")


def train_fold(one: _Elsewhere) -> Path:
    """Train one fold, or go on with it; returns its weights folder.

    Raises:
        InputError: as `train`.
    """
    if one.threads:
        torch.set_num_threads(one.threads)
    with ExitStack() as stack:
        for path in one.trusted:
            stack.enter_context(trusting(path))
        run, corpus = one.training.run(), Corpus.open(one.corpus)
        check_comparable(run, choose_split(run, corpus).split)
        return train(run, corpus, one.training.place, device=one.device, progress=False)
