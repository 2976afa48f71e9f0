"""The state of a training: model, optimisers, average of the weights, and one step of it."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from voiceface.errors import InputError
from voiceface.models.gather import without_gather
from voiceface.models.generated_faces import generated_above_real
from voiceface.models.model import Batch, Model, Pictures
from voiceface.training.batches import seed_step
from voiceface.training.checkpoint import Checkpoints, gather_random_states, restore_random_states
from voiceface.training.gradients import GradientScope, all_finite, average_gradients
from voiceface.training.logs import NotFiniteError
from voiceface.training.optimisers import build_optimiser, learning_rate
from voiceface.training.run import Facts, Run

if TYPE_CHECKING:
    from voiceface.corpus.splits import Split


class Trainer:
    """All that changes while a run is trained: the model, its optimisers, its average, step and best."""

    def __init__(self, run: Run, model: Model, facts: Facts, folder: Path, fabric: Any) -> None:  # noqa: ANN401
        self.run, self.facts, self.folder, self.fabric = run, facts, folder, fabric
        self.model = model.to(fabric.device)
        self.turns = list(self.model.turns())
        names = [turn.name for turn in self.turns]
        if sorted(names) != sorted(run.optimisers):
            fault = f"has turns {sorted(names)}, optimisers for {sorted(run.optimisers)}"
            raise InputError(run.recipe, fault, "give each turn its optimiser")
        self.gradient_scope = GradientScope(self.model, [list(turn.parameters) for turn in self.turns])
        self.optimisers = {t.name: build_optimiser(run.optimisers[t.name], t.parameters) for t in self.turns}
        self.average = average_weights(self.model, run.ema) if run.ema is not None else None
        self.has_shared = type(self.model).shared is not Model.shared
        self.checkpoints = Checkpoints(folder / "checkpoints")
        self.is_main_process: bool = fabric.global_rank == 0
        self.step, self.seconds, self._since = 0, 0.0, time.monotonic()
        self.best: dict[str, Any] = {"step": 0, "value": None, "figures": {}}
        self.gradient_scope.train()

    @property
    def exported_model(self) -> Model:
        """The model that is validated and exported: the average where there is one."""
        return cast(Model, self.average.module) if self.average is not None else self.model

    def train_step(self, make_batch: Callable[[int], Batch]) -> dict[str, Tensor | float]:
        """One step: the batch, what its turns share, then every turn that is due; returns their figures."""
        seed_step(self.run.seed, self.step, self.fabric.global_rank, self.fabric.device)
        batch = make_batch(self.step)
        shared = None
        if self.has_shared:
            self.gradient_scope.enable_all()
            with self.fabric.autocast():
                shared = self.model.shared(batch)
        figures: dict[str, Tensor | float] = {}
        for index, turn in enumerate(self.turns):
            if (self.step + 1) % turn.every:
                continue
            self.gradient_scope.enable_turn(index)
            with self.fabric.autocast():
                named = turn.loss(batch, shared)
            if "loss" not in named:
                fault = f"gives no 'loss' but {', '.join(sorted(named)) or 'nothing'}"
                raise InputError(f"turn {turn.name}", fault, "name the figure to minimise 'loss'")
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
                group["lr"] = learning_rate(spec, self.step, self.run.steps)
            optimiser.step()
        with torch.no_grad():
            self.model.after_step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        self.step += 1
        return figures

    def validate(self, split: Split) -> dict[str, float]:
        """Validate the weights, on the first process; remembers the best step."""
        run = self.run
        if run.validate is None:
            self.best = {"step": self.step, "value": None, "figures": {}}
            return {}
        if not self.is_main_process:
            return {}
        with self._validating() as model:
            figures = {
                name: float(v) for name, v in run.validate(model, split.validation, self.facts).items()
            }
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

    def picture(self, split: Split) -> Pictures | None:
        """What a model that generates faces makes of a few validation voices, above the real faces.

        As `generated_above_real`; None on all processes but the first.
        """
        if not self.is_main_process:
            return None
        with self._validating() as model:
            return generated_above_real(model, split.validation)

    @contextlib.contextmanager
    def _validating(self) -> Iterator[Model]:
        """The exported model in eval mode, alone and without gradients."""
        self.exported_model.eval()
        with torch.no_grad(), without_gather():
            yield self.exported_model
        self.gradient_scope.train()

    def is_save_due(self, seconds: float) -> bool:
        """Whether the last checkpoint, or the start, is so long ago; the first process decides for all."""
        due: bool = self.fabric.broadcast(time.monotonic() - self._since > seconds)
        return due

    def save(self) -> None:
        """Write the checkpoint of this step and remove those no longer kept."""
        if not all_finite(self.model.parameters()):
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
            "average": self.average.module.state_dict() if self.average is not None else None,
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
        self.exported_model.eval()

    def remedy(self) -> str:
        """What to do when a loss is no longer finite, and what is kept."""
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
                self.average.module.load_state_dict(state["average"])
        except (RuntimeError, AttributeError) as error:
            path = self.checkpoints.path(state["step"])
            raise InputError(
                path, "does not fit the recipe as it is now", "train into a new folder"
            ) from error


def average_weights(model: Model, decay: float) -> AveragedModel:
    """The exponential average a <- decay * a + (1 - decay) * w of a model's weights; buffers are copied."""
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
    average.n_averaged.fill_(1)  # it begins at the initial weights, not at those of the first step
    average.module.requires_grad_(False).eval()
    return average
