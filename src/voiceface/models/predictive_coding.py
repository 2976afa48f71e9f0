"""Contrastive predictive coding (CPC) of speech: a context of the past predicts the next latents."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from voiceface.models.context_stream import BlockStream
from voiceface.models.model import Batch, Model, Shared, Turn
from voiceface.nn.loss.predictive_nce import predictive_nce
from voiceface.nn.voice.cpc import HOP, RECEPTIVE_FIELD, CpcNet, rms_level


class PredictiveCoding(Model):
    """`CpcNet` with a linear prediction for each of the next steps.

    Args:
        width: size of a latent.
        context: size of a context.
        horizon: steps of 10 ms that are predicted.
    """

    def __init__(self, *, width: int = 512, context: int = 256, horizon: int = 12) -> None:
        super().__init__()
        self.net = CpcNet(width=width, context=context)
        self.horizon = horizon
        self.foretell = nn.Linear(context, horizon * width, bias=False)

    def turns(self) -> Sequence[Turn]:
        """One turn."""
        return [Turn("predict", list(self.parameters()), self.error)]

    def error(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """The mean loss over the horizon of ``waves (n, samples)`` at moments ``at (n, m)``."""
        losses, accuracies = self.losses_and_accuracies(batch["waves"], batch["at"])
        return {"loss": losses.mean(), "accuracy": accuracies.mean(), "accuracy_far": accuracies[-1]}

    def losses_and_accuracies(self, waves: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and accuracy at each step of the horizon; negatives are the batch's other moments."""
        latents = self.net.latents(self.net.pad_start(waves))
        contexts, _ = self.net.contexts(latents)
        rows = torch.arange(len(at), device=at.device)[:, None]
        predicted = self.foretell(contexts[rows, at]).unflatten(-1, (self.horizon, -1)).flatten(0, 1).float()
        found = [
            predictive_nce(predicted[:, k - 1], latents[rows, at + k].flatten(0, 1).float())
            for k in range(1, self.horizon + 1)
        ]
        return torch.stack([loss for loss, _ in found]), torch.stack([accuracy for _, accuracy in found])


@torch.no_grad()
def speech_contexts(net: CpcNet, wave: Tensor) -> Tensor:
    """The contexts ``(steps, context)`` of a whole recording at 16 kHz, one for every 10 ms begun."""
    stream = context_stream(net, wave)
    parts = [part for part in (stream.feed(wave), stream.close()) if len(part)]
    return torch.cat(parts) if parts else torch.zeros(0, net.context)


def context_stream(net: CpcNet, wave: Tensor) -> BlockStream:
    """The same of a recording that arrives in pieces, with the level of ``wave``."""
    level, device = rms_level(wave), next(net.parameters()).device

    def compute(piece: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
        contexts, after = net.contexts(net.latents((piece / level)[None].to(device)), state)
        return contexts[0], after

    return BlockStream(compute, left=RECEPTIVE_FIELD - HOP, right=0)
