"""The exponential average of a system's weights."""

from __future__ import annotations

import copy

import torch

from voiceface.systems.system import System

__all__ = ["Average"]


class Average:
    """A second system whose weights follow the first's: a <- decay * a + (1 - decay) * w, after each step.

    Buffers (running statistics, counters) are copied, not averaged: they are averages already.
    """

    def __init__(self, system: System, decay: float) -> None:
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"an average's decay lies in [0, 1), not {decay}")
        self.system = copy.deepcopy(system).requires_grad_(False).eval()
        pairs = zip(self.system.parameters(), system.parameters(), strict=True)
        moving = [(mean, new) for mean, new in pairs if new.requires_grad]
        self._means = [mean.detach() for mean, _ in moving]
        self._news = [new.detach() for _, new in moving]
        self._buffers = list(zip(self.system.buffers(), system.buffers(), strict=True))
        self._share = 1.0 - decay

    @torch.no_grad()
    def follow(self) -> None:
        """Take the step that the weights have just made."""
        torch._foreach_lerp_(self._means, self._news, self._share)
        for mean, new in self._buffers:
            mean.copy_(new)
