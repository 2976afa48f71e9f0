"""Predictive coding of speech: a context of the past must tell which latent comes next."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from voiceface.models.context_stream import BlockStream
from voiceface.models.model import Batch, Model, Shared, Turn
from voiceface.nn.loss.predictive_nce import predictive_nce
from voiceface.nn.voice.cpc import HOP, REACH, CpcNet, loudness

__all__ = ["Predictive", "context_stream", "hear"]


class Predictive(Model):
    """`CpcNet` with a linear prediction for each of the next steps.

    Args:
        width: numbers of a latent.
        context: numbers of a context.
        horizon: steps of 10 ms that are predicted.
    """

    def __init__(self, *, width: int = 512, context: int = 256, horizon: int = 12) -> None:
        super().__init__()
        self.net = CpcNet(width=width, context=context)
        self.horizon = horizon
        self.foretell = nn.Linear(context, horizon * width, bias=False)

    def turns(self) -> Sequence[Turn]:
        """One turn: tell what comes from what came elsewhere."""
        return [Turn("predict", list(self.parameters()), self.error)]

    def error(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """The mean loss over the horizon of ``waves (n, samples)`` at moments ``at (n, m)``."""
        losses, right = self.judged(batch["waves"], batch["at"])
        return {"loss": losses.mean(), "right": right.mean(), "right_far": right[-1]}

    def judged(self, waves: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        """Losses and shares of right choices ``(horizon,)``; negatives are the batch's other moments."""
        latents = self.net.latents(self.net.lead(waves))
        contexts, _ = self.net.contexts(latents)
        rows = torch.arange(len(at), device=at.device)[:, None]
        predicted = self.foretell(contexts[rows, at]).unflatten(-1, (self.horizon, -1)).flatten(0, 1).float()
        found = [
            predictive_nce(predicted[:, k - 1], latents[rows, at + k].flatten(0, 1).float())
            for k in range(1, self.horizon + 1)
        ]
        return torch.stack([loss for loss, _ in found]), torch.stack([right for _, right in found])


@torch.no_grad()
def hear(net: CpcNet, wave: Tensor) -> Tensor:
    """The contexts ``(steps, context)`` of a whole recording at 16 kHz, one for every 10 ms begun."""
    stream = context_stream(net, wave)
    parts = [part for part in (stream.feed(wave), stream.close()) if len(part)]
    return torch.cat(parts) if parts else torch.zeros(0, net.context)


def context_stream(net: CpcNet, wave: Tensor) -> BlockStream:
    """The same of a recording that arrives in pieces, as loud as ``wave``."""
    level, place = loudness(wave), next(net.parameters()).device

    def make(piece: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
        contexts, after = net.contexts(net.latents((piece / level)[None].to(place)), state)
        return contexts[0], after

    return BlockStream(make, left=REACH - HOP, right=0)
