"""Contexts of speech in blocks of one length, so that their bits do not depend on how the sound arrives."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

HOP = 160
"""Samples from one context to the next: 10 ms."""

Compute = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]


class BlockStream:
    """Runs a network over one block after another, each with the margins it needs, and keeps its state.

    Beyond the ends is silence. The sound may be cut anywhere: the blocks are the same.

    Args:
        compute: from ``(left + block * 160 + right samples, state)`` to ``(block, n)`` contexts and the
            next state.
        left: samples that a context needs before its own 160.
        right: samples that it needs after them.
        block: contexts a block.
    """

    def __init__(self, compute: Compute, *, left: int, right: int, block: int = 100) -> None:
        self.compute, self.left, self.right, self.block = compute, left, right, block
        self.samples = self.returned = 0
        self.state: Tensor | None = None
        self._waiting = torch.zeros(left)

    def feed(self, wave: Tensor, /) -> Tensor:
        """The contexts ``(steps, n)`` that these further samples ``(samples,)`` complete."""
        self.samples += len(wave)
        self._waiting = torch.cat([self._waiting, wave.float()])
        return self._blocks(last=False)

    def close(self) -> Tensor:
        """The rest: one context for every 160 samples begun."""
        return self._blocks(last=True)

    @torch.no_grad()
    def _blocks(self, *, last: bool) -> Tensor:
        span = self.left + self.block * HOP + self.right
        remaining = -(-self.samples // HOP) - self.returned
        parts: list[Tensor] = []
        while remaining > 0 and (last or len(self._waiting) >= span):
            piece = torch.nn.functional.pad(self._waiting[:span], (0, max(0, span - len(self._waiting))))
            found, self.state = self.compute(piece, self.state)
            parts.append(found[:remaining])
            self.returned += len(parts[-1])
            remaining -= len(parts[-1])
            self._waiting = self._waiting[self.block * HOP :]
        return torch.cat(parts) if parts else torch.zeros(0, 0)
