"""From an `Optimiser`'s figures to torch's fused optimisers, and the learning rate of a step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from voiceface.errors import InputError
from voiceface.training.run import Optimiser

_FUSED = {"cpu", "cuda"}


def build_optimiser(spec: Optimiser, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    """The torch optimiser of ``spec`` over ``parameters``, fused where their device can.

    Raises:
        InputError: there is no optimiser of that name.

    >>> build_optimiser(Optimiser(name="sgd", lr=0.1), [nn.Parameter(torch.ones(2))]).defaults["lr"]
    0.1
    """
    fused = all(p.device.type in _FUSED and p.is_floating_point() for p in parameters)
    lr, decay = spec.lr, spec.weight_decay
    match spec.name:
        case "adam":
            return torch.optim.Adam(parameters, lr=lr, betas=spec.betas, weight_decay=decay, fused=fused)
        case "adamw":
            return torch.optim.AdamW(parameters, lr=lr, betas=spec.betas, weight_decay=decay, fused=fused)
        case "sgd":
            momentum = spec.momentum
            return torch.optim.SGD(parameters, lr=lr, momentum=momentum, weight_decay=decay, fused=fused)
        case "rmsprop":
            return torch.optim.RMSprop(
                parameters, lr=lr, alpha=spec.betas[1], momentum=spec.momentum, weight_decay=decay
            )
    raise InputError(spec.name, "is no optimiser", "take adam, adamw, sgd or rmsprop")


def learning_rate(spec: Optimiser, step: int, steps: int) -> float:
    """The learning rate of ``step`` (from 0) of ``steps``.

    >>> spec = Optimiser(lr=1.0, schedule="cosine", warmup=10)
    >>> [round(learning_rate(spec, step, 110), 3) for step in (0, 9, 10, 60, 109)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """
    if step < spec.warmup:
        return spec.lr * (step + 1) / spec.warmup
    done = (step - spec.warmup) / max(1, steps - spec.warmup)
    match spec.schedule:
        case "constant":
            share = 1.0
        case "cosine":
            share = spec.final + (1 - spec.final) * 0.5 * (1 + math.cos(math.pi * done))
        case "linear":
            share = spec.final + (1 - spec.final) * (1 - done)
        case _:
            raise InputError(spec.schedule, "is no schedule", "take constant, cosine or linear")
    return spec.lr * share
