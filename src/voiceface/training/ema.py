"""The exponential average of a model's weights."""

from __future__ import annotations

import copy

import torch

from voiceface.models.model import Model

__all__ = ["Average"]


class Average:
    """A second model whose weights follow the first's: a <- decay * a + (1 - decay) * w, after each step.

    Buffers (running statistics, counters) are copied, not averaged: they are averages already.
    """

    def __init__(self, model: Model, decay: float) -> None:
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"an average's decay lies in [0, 1), not {decay}")
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        pairs = zip(self.model.parameters(), model.parameters(), strict=True)
        moving = [(mean, new) for mean, new in pairs if new.requires_grad]
        self._means = [mean.detach() for mean, _ in moving]
        self._news = [new.detach() for _, new in moving]
        self._buffers = list(zip(self.model.buffers(), model.buffers(), strict=True))
        self._share = 1.0 - decay

    @torch.no_grad()
    def follow(self) -> None:
        """Take the step that the weights have just made."""
        torch._foreach_lerp_(self._means, self._news, self._share)
        for mean, new in self._buffers:
            mean.copy_(new)
