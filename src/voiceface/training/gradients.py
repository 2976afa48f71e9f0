"""Gradients of one turn: whose they are, their mean over processes, their clipping."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn


class GradientScope:
    """Which parameters require a gradient now: all that any turn changes, or one turn's alone.

    Parameters of no turn never do; a module that holds nothing else runs in eval mode, so that a
    frozen network's running statistics and dropout stand still too.
    """

    def __init__(self, model: nn.Module, turns: Sequence[Sequence[nn.Parameter]]) -> None:
        self._all = list({id(p): p for turn in turns for p in turn}.values())
        mine = [{id(p) for p in turn} for turn in turns]
        self._others = [[p for p in self._all if id(p) not in ids] for ids in mine]
        self._own = [list(turn) for turn in turns]
        learnt = {id(p) for p in self._all}
        for parameter in model.parameters():
            parameter.requires_grad_(id(parameter) in learnt)
        self._frozen = [
            module
            for module in model.modules()
            if any(True for _ in module.parameters())
            and not any(id(p) in learnt for p in module.parameters())
        ]
        self._model = model

    def train(self) -> None:
        """Training mode for all but the frozen modules."""
        self._model.train()
        for module in self._frozen:
            module.eval()

    def enable_all(self) -> None:
        """All turns' parameters require gradients: for `Model.shared`."""
        _require(self._all, True)

    def enable_turn(self, index: int) -> None:
        """Only this turn's parameters do."""
        _require(self._others[index], False)
        _require(self._own[index], True)


def _require(parameters: Iterable[nn.Parameter], required: bool) -> None:
    for parameter in parameters:
        # Read first: setting it costs ten times as much.
        if parameter.requires_grad is not required:
            parameter.requires_grad = required


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes, in one all-reduce a type of number.

    A parameter whose loss did not reach it on some process counts as zero there; one that was
    reached nowhere keeps no gradient, so that its optimiser leaves it alone as it does in one process.
    """
    world = dist.get_world_size()
    by_type: dict[torch.dtype, list[nn.Parameter]] = {}
    for parameter in parameters:
        by_type.setdefault(parameter.dtype, []).append(parameter)
    for dtype, group in by_type.items():
        reached = torch.tensor(
            [float(p.grad is not None) for p in group], dtype=dtype, device=group[0].device
        )
        flat = torch.cat(
            [reached, *((torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in group)]
        )
        dist.all_reduce(flat)
        somewhere = (flat[: len(group)] > 0).tolist()
        start = len(group)
        flat[start:] /= world
        for parameter, used in zip(group, somewhere, strict=True):
            stop = start + parameter.numel()
            parameter.grad = flat[start:stop].view_as(parameter) if used else None
            start = stop


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether no tensor holds a NaN or an infinity."""
    return all(bool(t.isfinite().all()) for t in tensors if t.is_floating_point())
