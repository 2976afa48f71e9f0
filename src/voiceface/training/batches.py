"""A process's share of a step: its rows of the batch and its random numbers."""

from __future__ import annotations

import hashlib
import inspect
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from voiceface.errors import InputError
from voiceface.models.model import Batch
from voiceface.training.run import Batches


def seed_step(seed: int, step: int, rank: int, device: torch.device) -> None:
    """Seed torch's generators by a hash, so that a step's random numbers depend on nothing before it."""
    digest = hashlib.blake2b(f"{seed}/{step}/{rank}".encode(), digest_size=8).digest()
    number = int.from_bytes(digest, "big") >> 1
    torch.default_generator.manual_seed(number)  # torch.manual_seed costs 100 times as much
    if device.type == "cuda":
        torch.cuda.manual_seed(number)
    elif device.type == "mps":
        torch.mps.manual_seed(number)


def seed_plain_generators(seed: int, rank: int) -> None:
    """Seed python's and numpy's global generators, which a recipe of the user's may draw from."""
    digest = hashlib.blake2b(f"{seed}/plain/{rank}".encode(), digest_size=4).digest()
    number = int.from_bytes(digest, "big")
    random.seed(number)
    np.random.seed(number)


def process_share(data: Batches, fabric: Any) -> Callable[[int], Batch]:  # noqa: ANN401
    """From a step to this process's share of its batch, on its device."""
    rank, world, device = fabric.global_rank, fabric.world_size, fabric.device
    if len(inspect.signature(data.batch).parameters) >= 3:
        return lambda step: _each(data.batch(step, rank, world), lambda rows: _moved(rows, device))  # type: ignore[call-arg]

    def share(rows: Tensor) -> Tensor:
        if world > 1:
            if rows.dim() == 0 or len(rows) % world:
                fault = f"holds a tensor of shape {tuple(rows.shape)} for {world} processes"
                raise InputError("the batch", fault, "take a batch size that they divide")
            rows = rows.chunk(world)[rank]
        return _moved(rows, device)

    return lambda step: _each(data.batch(step), share)


def _moved(rows: Tensor, device: torch.device) -> Tensor:
    return rows.to(device, non_blocking=True)


def _each(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """``batch`` with ``change`` made to every tensor in its dicts, lists and tuples."""
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, dict):
        return {name: _each(value, change) for name, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_each(value, change) for value in batch))
    if isinstance(batch, list | tuple):
        return type(batch)(_each(value, change) for value in batch)
    return batch
