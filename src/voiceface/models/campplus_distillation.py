"""Distillation of CAM++ block by block: the states between its blocks and its embedding are the targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.model import Batch, Model, Shared, Turn
from voiceface.nn.voice.campplus import BlockSizes, Campplus

STATES = ("tdnn", "transit1", "transit2", "out_nonlinear")
"""Outputs between the parts, as wide as the teacher's; the student is smaller inside its parts."""
_BLOCKS = (BlockSizes(5, 32, 64, 256), BlockSizes(6, 96, 128, 512), BlockSizes(5, 96, 128, 512))


class CampplusDistillation(Model):
    """Imitates CAM++, first each part of it on the teacher's states, then the whole.

    A batch holds ``frames (crops, frames, 80)``, the teacher's states by the names in `STATES`
    ``(crops, channels, frames / 2)``, its embeddings ``dense (crops, 192)``, their ``mean (crops, 192)`` over
    many crops, and ``forced``, whether this step uses teacher forcing.

    Args:
        student: as wide between its parts as the teacher; by default 3.0 million parameters in place of 6.8.
    """

    def __init__(self, student: Campplus | None = None) -> None:
        super().__init__()
        self.student = student or Campplus(planes=24, maps=32, stages=1, blocks=_BLOCKS, bias=True)

    def train(self, mode: bool = True) -> CampplusDistillation:
        """As `torch.nn.Module.train`; the embedding keeps its level, which is the teacher's."""
        super().train(mode)
        self.student.xvector["dense"].eval()
        return self

    @torch.no_grad()
    def start(self, states: Mapping[str, Tensor]) -> None:
        """Give the student's states the level and spread of the teacher's, whose channels differ tenfold.

        Otherwise the error of the widest apart outweighs all others for hundreds of steps.

        Args:
            states: the teacher's over some crops, by the names in `STATES`, ``(crops, channels, frames)``.
        """
        for name in STATES:
            mean, deviation = states[name].mean((0, 2)), states[name].std((0, 2))
            part: Any = self.student.xvector[name]
            if name.startswith("transit"):
                part.linear.weight.mul_(deviation[:, None, None])
                part.linear.bias.copy_(mean)
            else:
                layer = (part.nonlinear if name == "tdnn" else part).batchnorm
                layer.weight.copy_(deviation)
                layer.bias.copy_(mean)

    def turns(self) -> Sequence[Turn]:
        """One turn: imitate."""
        return [Turn("imitate", list(self.student.parameters()), self.imitate)]

    def imitate(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Errors of the states, and squared error and 1 − cosine of the embedding less the mean embedding.

        Each is relative to the variance of its target. Without teacher forcing the embedding counts more.
        """
        targets = {name: batch[name] for name in STATES}
        found = self.student.states(batch["frames"], targets if batch["forced"] else None)
        states = sum(relative_error(found[name], target) for name, target in targets.items())
        mean = batch["mean"]
        embedding, target = found["dense"].float() - mean, batch["dense"] - mean
        error = (embedding - target).square().mean() / target.square().mean()
        cosine = F.cosine_similarity(embedding, target, dim=1).mean()
        weights = (1.0, 1.0, 1.0) if batch["forced"] else (0.5, 2.0, 4.0)
        loss = weights[0] * states + weights[1] * error + weights[2] * (1 - cosine)
        return {"loss": loss, "states": states / len(STATES), "cosine": cosine}


def relative_error(found: Tensor, target: Tensor) -> Tensor:
    """Squared error ``(batch, channels, frames)`` over each channel's variance, averaged.

    A channel that hardly varies counts by a fifth of the median deviation, or it would outweigh all others.
    """
    deviation = target.std((0, 2)).detach()
    scale = deviation.maximum(0.2 * deviation.median())[:, None]
    return ((found.float() - target) / scale).square().mean()
