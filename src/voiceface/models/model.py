"""A model: networks and losses of one learning problem, and the turns in which it learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from voiceface.errors import InputError

__all__ = ["Batch", "Shared", "Model", "Turn"]

Batch = Any
"""A tensor, or dicts, lists and tuples of tensors, whose first dimension is the item."""
Shared = Any
"""Whatever `Model.shared` returned for the batch."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One player's move in a step: what it may change, and what it tries to make small.

    While a turn is played no other parameter requires a gradient and none is accumulated elsewhere,
    even if the loss reaches further back: a judge's turn cannot push the generator.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    """What this turn's optimiser changes; two turns may share parameters."""
    loss: Callable[[Batch, Shared], Mapping[str, Tensor | float]]
    """``(batch, shared) -> {"loss": scalar, ...}``; the other entries are figures for the log."""
    every: int = 1
    """Played once in this many steps, the last of them (a critic's five moves to the generator's one)."""
    retain: bool = False
    """True where a later turn goes backward through the same part of the shared graph."""


class Model(nn.Module):
    """Networks and losses of one learning problem; the loop asks it for nothing but the methods below.

    >>> class Line(Model):
    ...     def __init__(self) -> None:
    ...         super().__init__()
    ...         self.layer = nn.Linear(2, 1)
    ...     def turns(self) -> list[Turn]:
    ...         return [Turn("fit", list(self.layer.parameters()), self.error)]
    ...     def error(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
    ...         return {"loss": (self.layer(batch["x"]) - batch["y"]).square().mean()}
    >>> [turn.name for turn in Line().turns()]
    ['fit']
    """

    class_heads: tuple[str, ...] = ()
    """Names of the submodules or tensors whose shape depends on the number of classes: fine-tuning
    on other people starts them afresh."""

    def turns(self) -> Sequence[Turn]:
        """The turns of a step, in the order they are played."""
        raise NotImplementedError

    def shared(self, batch: Batch) -> Shared:
        """What several turns need of a batch, the generated faces say, computed once a step.

        Every turn's parameters require gradients here. A turn that should not go backward through
        it loses nothing by not detaching it, save the memory of a graph held a little longer.
        """
        return None

    def after_step(self) -> None:
        """Called after the last turn of each step, without gradients (weight clipping)."""

    def weights(self) -> dict[str, Tensor]:
        """The tensors themselves that are saved in the end; a part not ours to ship leaves itself out."""
        return dict(self.state_dict())

    def load_weights(self, tensors: Mapping[str, Tensor], *, source: object = "weights") -> None:
        """Load what `weights` of an equal model gave.

        Raises:
            InputError: a tensor is missing, is too many or has another shape; ``source`` is named.
        """
        own = self.weights()
        missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
        if missing or extra:
            which = f"lacks {_few(missing)}" if missing else f"holds {_few(extra)}, unknown to this model"
            raise InputError(source, which, "give the weights of the same recipe and arguments")
        for name, tensor in tensors.items():
            if tensor.shape != own[name].shape:
                fault = f"{name} is {tuple(tensor.shape)}, the model needs {tuple(own[name].shape)}"
                raise InputError(source, fault, "give the weights of the same recipe and arguments")
        with torch.no_grad():
            for name, tensor in tensors.items():
                own[name].copy_(tensor)

    def is_class_head(self, name: str) -> bool:
        """Whether the tensor ``name`` belongs to one of `class_heads`."""
        return any(name == head or name.startswith(f"{head}.") for head in self.class_heads)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
