"""Rows of all processes in one tensor, with their gradient: contrastive losses need every negative."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor

_WITHOUT: ContextVar[bool] = ContextVar("without_gather", default=False)


@contextlib.contextmanager
def without_gather() -> Iterator[None]:
    """Within it `gather_with_gradient` gathers nothing: for what one process does by itself, as validation.

    Without it that process would wait for the others for ever, or take their next message for an answer.
    """
    token = _WITHOUT.set(True)
    try:
        yield
    finally:
        _WITHOUT.reset(token)


def gather_with_gradient(rows: Tensor) -> Tensor:
    """Concatenate ``rows`` (n, ...) of all processes, in the order of their ranks, to (world * n, ...).

    Alone (one process, none launched, or within `without_gather`) it returns ``rows`` itself. Every process
    must hold the same number of rows. If each process then computes the *whole* loss over the
    gathered rows, the mean of the processes' gradients, which the training loop takes, is the
    gradient of that loss: backward sums the processes' gradients (world times the true one), the
    mean divides by world.

    >>> gather_with_gradient(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    together = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
    if _WITHOUT.get() or not together:
        return rows
    return cast(Tensor, _Gather.apply(rows))  # type: ignore[no-untyped-call]


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:  # noqa: ANN401 - torch's own context type
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total.chunk(dist.get_world_size())[dist.get_rank()]
