"""Two students of what is heard: ν as a recogniser sees who speaks, μ as an expression network sees how."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn

from voiceface.models.context_stream import BlockStream
from voiceface.models.encoder_loading import load_teacher
from voiceface.models.model import Batch, Model, Shared, Turn
from voiceface.models.predictive_coding import context_stream, hear
from voiceface.models.teacher import IdentityTeacher, as_identity_teacher
from voiceface.nn.loss.distillation import distillation, normalised_distance
from voiceface.nn.voice.cpc import CpcNet

__all__ = ["Disentangling", "Whole", "whole"]

Whole = Literal["last", "mean", "spread"]


def whole(contexts: Tensor, how: Whole) -> Tensor:
    """ω ``(context,)`` of a recording's contexts ``(steps, context)``; of ``spread`` three times as long.

    ``last`` is c_T, which has heard all, as Si et al. 2021 have it; but a recurrent layer that foretells the
    next tenth of a second forgets, and most recordings end in silence. ``mean`` is over all moments;
    ``spread`` has their deviation and mean change from one to the next besides: how one speaks is in the
    movement.

    >>> contexts = torch.tensor([[1.0], [3.0]])
    >>> whole(contexts, "last"), whole(contexts, "mean"), whole(contexts, "spread")
    (tensor([3.]), tensor([2.]), tensor([2., 1., 2.]))
    """
    if how == "last":
        return contexts[-1]
    mean = contexts.mean(0)
    if how == "mean":
        return mean
    changes = contexts.diff(dim=0).abs().sum(0) / max(1, len(contexts) - 1)
    return torch.cat([mean, contexts.std(0, correction=0), changes])


class Disentangling(Model):
    """A frozen `CpcNet`, and S_id and S_emo on its ω; it hears for a talking face.

    Source: Si et al. 2021, Speech2Video, section 2.1, equations (2) and (3).

    Args:
        width: of the predictive network's latents.
        context: of its contexts.
        rows: numbers of the identity teacher's and of the emotion teacher's rows.
        maps: channels of the identity teacher's three maps.
        teacher: the identity teacher's name.
        hidden: units between ω and either row.
        how: what ω is.
        terms: ``weight`` λ of the distances, ``printed`` form of equation (3), ``dropout``.
    """

    def __init__(
        self,
        *,
        width: int,
        context: int,
        rows: tuple[int, int],
        maps: Sequence[int],
        teacher: str,
        hidden: int,
        how: Whole,
        terms: dict[str, Any],
    ) -> None:
        super().__init__()
        self.net = CpcNet(width=width, context=context).requires_grad_(False)
        self.context = context
        self.identity, self.emotion = rows
        self.map_channels = (maps[0], maps[1], maps[2])
        self.teacher, self.how = teacher, how
        self.weight, self.printed = float(terms["weight"]), bool(terms["printed"])
        heard = 3 * context if how == "spread" else context
        self.identity_student = _student(heard, hidden, self.identity, terms["dropout"])
        self.emotion_student = _student(heard, hidden, self.emotion, terms["dropout"])
        for name, size in (("heard", heard), ("identity", self.identity), ("emotion", self.emotion)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_deviation", torch.ones(size))

    def train(self, mode: bool = True) -> Disentangling:
        """What hears stays in eval mode."""
        super().train(mode)
        self.net.eval()
        return self

    def turns(self) -> Sequence[Turn]:
        """One turn: both students at once, as equation (2) sums them."""
        own = [*self.identity_student.parameters(), *self.emotion_student.parameters()]
        return [Turn("distil", own, self.error)]

    def error(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Equation (2) on ``heard``, rows of ω, with the teachers' ``identity`` and ``emotion`` rows."""
        found: dict[str, Tensor] = {}
        for name, made in zip(("identity", "emotion"), self.students(batch["heard"]), strict=True):
            seen = self.standardised(name, batch[name])
            found[f"{name}_distance"] = normalised_distance(made.float(), seen)
            found[f"{name}_entropy"] = distillation(made.float(), seen, printed=self.printed)
        distances = found["identity_distance"] + found["emotion_distance"]
        loss = self.weight * distances + found["identity_entropy"] + found["emotion_entropy"]
        return {"loss": loss, **found}

    def students(self, heard: Tensor) -> tuple[Tensor, Tensor]:
        """ν ``(n, identity)`` and μ ``(n, emotion)`` of rows of ω."""
        told = self.standardised("heard", heard)
        return self.identity_student(told), self.emotion_student(told)

    def standardised(self, name: str, rows: Tensor) -> Tensor:
        """Rows of ``heard``, ``identity`` or ``emotion`` with the training's mean 0 and deviation 1."""
        return (rows - self.get_buffer(f"{name}_mean")) / self.get_buffer(f"{name}_deviation")

    @torch.no_grad()
    def measure(self, name: str, rows: Tensor) -> None:
        """Take mean and deviation of such rows from the training's."""
        self.get_buffer(f"{name}_mean").copy_(rows.mean(0))
        deviation = rows.std(0, correction=0)
        # A number that never varies says nothing: it is not blown up either.
        self.get_buffer(f"{name}_deviation").copy_(torch.where(deviation > 1e-4, deviation, 1.0))

    def contexts(self, wave: Tensor, /) -> Tensor:
        """c_t of a recording, 100 a second."""
        return hear(self.net, wave)

    def stream(self, wave: Tensor) -> BlockStream:
        """The same of a recording that arrives in pieces, as loud as ``wave``."""
        return context_stream(self.net, wave)

    @torch.no_grad()
    def speaker(self, wave: Tensor, /) -> tuple[Tensor, Tensor]:
        """ν and μ of a whole recording."""
        identity, emotion = self.students(whole(self.contexts(wave), self.how)[None])
        return identity[0], emotion[0]

    def taught(self, pictures: Tensor, /) -> Tensor:
        """ν* of faces, by the teacher, on the students' scale."""
        rows = self._seen.describe(pictures)
        return self.standardised("identity", rows.to(self.get_buffer("identity_mean").device))

    def maps(self, pictures: Tensor, /) -> list[Tensor]:
        """The identity teacher's maps."""
        return self._seen.maps(pictures)

    @cached_property
    def _seen(self) -> IdentityTeacher:
        """The teacher, read when it is first asked: who only talks needs none."""
        return as_identity_teacher(load_teacher(self.teacher))


def _student(heard: int, hidden: int, seen: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(heard, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, seen),
    )
