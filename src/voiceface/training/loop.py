"""The one loop: every model learns through it, turn by turn, on any device and number of processes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from voiceface.errors import InputError
from voiceface.models.gather import alone
from voiceface.models.model import Batch, Model
from voiceface.training import training_folder
from voiceface.training.batches import process_share, seed_step
from voiceface.training.checkpoint import Checkpoints, gather_random_states, restore_random_states
from voiceface.training.devices import launch
from voiceface.training.ema import Average
from voiceface.training.gradients import GradientScope, average_gradients, finite
from voiceface.training.logs import Log, NotFiniteError
from voiceface.training.optimisers import build_optimiser, rate
from voiceface.training.run import Facts, Run

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.corpus.splits import Split

__all__ = ["train"]


def train(
    run: Run,
    corpus: Corpus,
    out: str | Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    init: str | Path | None = None,
    progress: bool = True,
) -> Path:
    """Train ``run`` on ``corpus`` in the folder ``out``; returns its weights folder, ``out/weights``.

    ``out`` gets ``training.json`` (what is trained), ``log.jsonl``, ``curves/`` (TensorBoard),
    ``checkpoints/`` and at the end ``weights/``. A training that was stopped goes on from its last
    checkpoint when called again, to the same bits at the same number of threads: data and torch's
    random numbers of a step depend on the run's seed, the step and the process's rank alone, python's
    and numpy's generators are in the checkpoint. ``init`` starts from a weights folder (fine-tuning);
    class heads of another shape start afresh.

    Raises:
        InputError: ``out`` holds another training, a loss is not finite, or the device, precision,
            weights folder or split cannot be used.
        MissingPartError: the ``train`` extra is not installed.
    """
    fabric = launch(device, precision)
    split = run.split(corpus)
    training_folder.check_people(run, split)
    place = training_folder.claim(Path(out), run, corpus, split, init=init, fabric=fabric)
    if (place / "weights" / "run.json").is_file():
        return place / "weights"
    seed_step(run.seed, -1, 0, fabric.device)
    facts = training_folder.check_facts(run, run.facts(split.train))
    model = run.build(facts)
    people = [str(person) for person in split.train.people]
    afresh = training_folder.load_initial_weights(init, model, people) if init is not None else []
    if run.start is not None and init is None:
        run.start(model, split.train, facts)
    training = Training(run, model, facts, place, fabric)
    training.resume()
    batch = process_share(run.data(split.train, facts), fabric)
    with Log(
        place,
        training.step,
        run.steps,
        run.recipe,
        is_main_process=training.is_main_process,
        progress=progress,
    ) as log:
        while training.step < run.steps:
            figures = training.play(batch)
            log.add(training.step, figures)
            due = training.step % run.every == 0 or training.step == run.steps
            try:
                if due or training.step % run.log_every == 0:
                    log.flush()
                if due:
                    log.write(training.step, training.validate(split))
                    log.commit()
                    training.save()
            except NotFiniteError as error:
                raise InputError(error.what, error.fault, training.remedy()) from error
    if training.is_main_process:
        training.load_best()
        training_folder.export(training, corpus, split, afresh=afresh)
    fabric.barrier()
    return place / "weights"


class Training:
    """All that changes while a run is trained: the model, its optimisers, its average, step and best."""

    def __init__(self, run: Run, model: Model, facts: Facts, place: Path, fabric: Any) -> None:  # noqa: ANN401
        self.run, self.facts, self.place, self.fabric = run, facts, place, fabric
        self.model = model.to(fabric.device)
        self.turns = list(self.model.turns())
        names = [turn.name for turn in self.turns]
        if sorted(names) != sorted(run.optimisers):
            fault = f"has turns {sorted(names)}, optimisers for {sorted(run.optimisers)}"
            raise InputError(run.recipe, fault, "give each turn its optimiser")
        self.focus = GradientScope(self.model, [list(turn.parameters) for turn in self.turns])
        self.optimisers = {t.name: build_optimiser(run.optimisers[t.name], t.parameters) for t in self.turns}
        self.average = Average(self.model, run.ema) if run.ema is not None else None
        self.shares = type(self.model).shared is not Model.shared
        self.checkpoints = Checkpoints(place / "checkpoints")
        self.is_main_process: bool = fabric.global_rank == 0
        self.step, self.seconds, self._since = 0, 0.0, time.monotonic()
        self.best: dict[str, Any] = {"step": 0, "value": None, "figures": {}}
        self.focus.train()

    @property
    def judged(self) -> Model:
        """The model that is validated and exported: the average where there is one."""
        return self.average.model if self.average is not None else self.model

    def play(self, batch_of: Callable[[int], Batch]) -> dict[str, Tensor | float]:
        """One step: the batch, what its turns share, then every turn that is due; returns their figures."""
        seed_step(self.run.seed, self.step, self.fabric.global_rank, self.fabric.device)
        batch = batch_of(self.step)
        shared = None
        if self.shares:
            self.focus.enable_all()
            with self.fabric.autocast():
                shared = self.model.shared(batch)
        figures: dict[str, Tensor | float] = {}
        for index, turn in enumerate(self.turns):
            if (self.step + 1) % turn.every:
                continue
            self.focus.turn(index)
            with self.fabric.autocast():
                named = turn.loss(batch, shared)
            if "loss" not in named:
                fault = f"gives no 'loss' but {', '.join(sorted(named)) or 'nothing'}"
                raise InputError(f"turn {turn.name}", fault, "name the figure to make small 'loss'")
            parameters = list(turn.parameters)
            optimiser = self.optimisers[turn.name]
            optimiser.zero_grad(set_to_none=True)
            # `inputs`: the backward pass goes nowhere that this turn does not change.
            torch.autograd.backward(named["loss"], retain_graph=turn.retain, inputs=parameters)  # type: ignore[arg-type]
            figures |= {
                f"{turn.name}/{k}": v.detach() if isinstance(v, Tensor) else v for k, v in named.items()
            }
            del named
            if self.fabric.world_size > 1:
                average_gradients(parameters)
            spec = self.run.optimisers[turn.name]
            if spec.clip is not None:
                figures[f"{turn.name}/gradient"] = nn.utils.clip_grad_norm_(parameters, spec.clip)
            for group in optimiser.param_groups:
                group["lr"] = rate(spec, self.step, self.run.steps)
            optimiser.step()
        with torch.no_grad():
            self.model.after_step()
        if self.average is not None:
            self.average.follow()
        self.step += 1
        return figures

    def validate(self, split: Split) -> dict[str, float]:
        """Judge the weights on the validation people, on the first process; remembers the best step."""
        run = self.run
        if run.validate is None:
            self.best = {"step": self.step, "value": None, "figures": {}}
            return {}
        if not self.is_main_process:
            return {}
        self.judged.eval()
        with torch.no_grad(), alone():
            figures = {
                name: float(v) for name, v in run.validate(self.judged, split.validation, self.facts).items()
            }
        self.focus.train()
        name = run.select.removeprefix("-")
        if name not in figures:
            raise InputError(
                run.recipe, f"selects by {name!r}; validation gives {sorted(figures)}", "name one"
            )
        value = -figures[name] if run.select.startswith("-") else figures[name]
        best = self.best["value"]
        if best is None or math.isnan(best) or value > best:
            self.best = {"step": self.step, "value": value, "figures": figures}
        return {f"validation/{name}": value for name, value in figures.items()}

    def save(self) -> None:
        """Write the checkpoint of this step and remove those no longer wanted."""
        if not finite(self.model.parameters()):
            raise NotFiniteError(f"step {self.step}", "the weights are no longer finite")
        states = gather_random_states()  # of every process, so all must come here
        if not self.is_main_process:
            return
        now = time.monotonic()
        self.seconds, self._since = self.seconds + now - self._since, now
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "random": states,
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict() if self.average is not None else None,
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
        }
        self.checkpoints.save(self.step, state)
        self.checkpoints.prune(self.run.keep, {self.best["step"]})

    def resume(self) -> None:
        """Go back to the newest checkpoint, if there is one."""
        steps = self.checkpoints.steps()
        if not steps:
            return
        state = self.checkpoints.load(steps[-1])
        self._load_weights(state)
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]
        restore_random_states(state["random"][self.fabric.global_rank % len(state["random"])])

    def load_best(self) -> None:
        """Put the weights of the best step into the model."""
        if self.best["step"] != self.step:
            self._load_weights(self.checkpoints.load(self.best["step"]))
        self.judged.eval()

    def remedy(self) -> str:
        """What to do when numbers ran away, and what is kept."""
        steps = self.checkpoints.steps()
        kept = (
            f"the last good checkpoint is {self.checkpoints.path(steps[-1])}"
            if steps
            else "nothing is saved yet"
        )
        return f"lower the learning rate, clip the gradient or train with precision 32 ({kept})"

    def _load_weights(self, state: dict[str, Any]) -> None:
        try:
            self.model.load_state_dict(state["model"])
            if self.average is not None:
                self.average.model.load_state_dict(state["average"])
        except (RuntimeError, AttributeError) as error:
            path = self.checkpoints.path(state["step"])
            raise InputError(
                path, "does not fit the recipe as it is now", "train into a new folder"
            ) from error
