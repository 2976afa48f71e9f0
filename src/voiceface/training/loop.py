"""The training loop: every model is trained by it, turn by turn, on any device and number of processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voiceface.errors import InputError
from voiceface.models.model import Batch
from voiceface.training.batches import process_share, seed_plain_generators, seed_step
from voiceface.training.choose_split import ChosenSplit, choose_split
from voiceface.training.devices import launch_fabric
from voiceface.training.keep_memory import keep_freed_memory
from voiceface.training.logs import NotFiniteError, TrainingLog
from voiceface.training.run import Run
from voiceface.training.trainer import Trainer
from voiceface.training.training_folder import (
    adapt_initial_weights,
    check_facts,
    check_split,
    claim_training_folder,
    export,
    hold_training_folder,
    load_initial_weights,
)

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.corpus.splits import Split

_SECONDS_UNSAVED = 300.0
"""A checkpoint is written after so long, also between two validations."""


def train(
    run: Run,
    corpus: Corpus,
    out: str | Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    init: str | Path | None = None,
    progress: bool | Callable[[str], None] = True,
    tell_split: Callable[[ChosenSplit], None] | None = None,
) -> Path:
    """Train ``run`` on ``corpus`` in the folder ``out``; returns its weights folder, ``out/weights``.

    ``out`` gets ``training.json`` (what is trained), ``log.jsonl``, ``curves/`` (TensorBoard),
    ``checkpoints/`` (at every validation, and every five minutes) and at the end ``weights/``. A training
    that was stopped goes on from its last checkpoint when called again, to the same bits at the same number
    of threads: data and torch's random numbers of a step depend on the run's seed, the step and the process's
    rank alone, python's and numpy's generators are seeded at the start and are in the checkpoint. ``init``
    starts from a weights folder (fine-tuning); class heads of another shape are reinitialised.
    ``tell_split`` is told the split before the first step. ``progress`` shows a bar, or is told a line every
    half a minute.

    Raises:
        InputError: ``out`` holds another training or another process trains in it, a loss is not finite, or
            the device, precision, weights folder or split cannot be used.
        MissingPartError: the ``train`` extra is not installed.
    """
    fabric = launch_fabric(device, precision)
    chosen = choose_split(run, corpus)
    check_split(run, chosen.split)
    with hold_training_folder(Path(out), fabric), keep_freed_memory():
        folder = claim_training_folder(Path(out), run, corpus, chosen.split, init=init, fabric=fabric)
        if not (folder / "weights" / "run.json").is_file():
            _train(run, corpus, folder, chosen, fabric, init=init, progress=progress, tell_split=tell_split)
    return folder / "weights"


def _train(
    run: Run,
    corpus: Corpus,
    folder: Path,
    chosen: ChosenSplit,
    fabric: Any,  # noqa: ANN401
    *,
    init: str | Path | None,
    progress: bool | Callable[[str], None],
    tell_split: Callable[[ChosenSplit], None] | None,
) -> None:
    split = chosen.split
    seed_step(run.seed, -1, 0, fabric.device)
    seed_plain_generators(run.seed, fabric.global_rank)
    facts = check_facts(run, run.facts(split.train))
    model = run.build(facts)
    people = [str(person) for person in split.train.people]
    reinitialised: list[str] = []
    if init is not None:
        reinitialised = load_initial_weights(init, model, people)
        facts |= check_facts(run, adapt_initial_weights(run, model, split, facts, init))
    elif run.start is not None:
        run.start(model, split.train, facts)
    if tell_split is not None and fabric.global_rank == 0:
        tell_split(chosen)
    trainer = Trainer(run, model, facts, folder, fabric)
    trainer.resume()
    _train_to_the_end(trainer, process_share(run.data(split.train, facts), fabric), split, progress=progress)
    if trainer.is_main_process:
        trainer.load_best()
        export(trainer, corpus, chosen, init=init, reinitialised=reinitialised)
    fabric.barrier()


def _train_to_the_end(
    trainer: Trainer,
    make_batch: Callable[[int], Batch],
    split: Split,
    *,
    progress: bool | Callable[[str], None],
) -> None:
    run = trainer.run
    with TrainingLog(
        trainer.folder,
        trainer.step,
        run.steps,
        run.recipe,
        is_main_process=trainer.is_main_process,
        progress=progress,
    ) as log:
        if not run.steps:  # all was computed before the first step
            _validate(trainer, split, log)
            log.commit()
            trainer.save()
        while trainer.step < run.steps:
            figures = trainer.train_step(make_batch)
            log.add(trainer.step, figures)
            due = trainer.step % run.every == 0 or trainer.step == run.steps
            logged = due or trainer.step % run.log_every == 0
            try:
                if logged:
                    log.flush()
                if due:
                    _validate(trainer, split, log)
                # At a line's end alone: a resumed training's log is then that of an uninterrupted one.
                if due or (logged and trainer.is_save_due(_SECONDS_UNSAVED)):
                    log.commit()
                    trainer.save()
            except NotFiniteError as error:
                raise InputError(error.what, error.fault, trainer.remedy()) from error


def _validate(trainer: Trainer, split: Split, log: TrainingLog) -> None:
    log.write(trainer.step, trainer.validate(split))
    log.draw(trainer.step, lambda: trainer.picture(split))
