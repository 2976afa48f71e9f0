"""Contexts of speech in blocks of a fixed length, so that their bits do not depend on how sound arrives."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["HOP", "BlockStream"]

HOP = 160
"""Samples from one context to the next: 10 ms."""

Make = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]


class BlockStream:
    """Hands a network one block after another, each with the margins it needs, and keeps its state.

    Beyond the ends is silence. What is fed may be cut anywhere: the blocks are the same.

    Args:
        make: ``(left + block * 160 + right samples, state)`` to ``(block, n)`` contexts and the state after.
        left: samples that a context needs before its own 160.
        right: samples that it needs after them.
        block: contexts a block.
    """

    def __init__(self, make: Make, *, left: int, right: int, block: int = 100) -> None:
        self.make, self.left, self.right, self.block = make, left, right, block
        self.samples = self.given = 0
        self.state: Tensor | None = None
        self._waiting = torch.zeros(left)

    def feed(self, wave: Tensor, /) -> Tensor:
        """The contexts ``(steps, n)`` that are known after these further samples ``(samples,)``."""
        self.samples += len(wave)
        self._waiting = torch.cat([self._waiting, wave.float()])
        return self._blocks(last=False)

    def close(self) -> Tensor:
        """The rest: one context for every 160 samples begun."""
        return self._blocks(last=True)

    @torch.no_grad()
    def _blocks(self, *, last: bool) -> Tensor:
        span = self.left + self.block * HOP + self.right
        wanted = -(-self.samples // HOP) - self.given
        made: list[Tensor] = []
        while wanted > 0 and (last or len(self._waiting) >= span):
            piece = torch.nn.functional.pad(self._waiting[:span], (0, max(0, span - len(self._waiting))))
            found, self.state = self.make(piece, self.state)
            made.append(found[:wanted])
            self.given += len(made[-1])
            wanted -= len(made[-1])
            self._waiting = self._waiting[self.block * HOP :]
        return torch.cat(made) if made else torch.zeros(0, 0)
