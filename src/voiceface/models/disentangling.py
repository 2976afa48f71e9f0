"""Speech2Video's two students: identity ν and emotion μ from speech, taught by networks that see the face."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn

from voiceface.models.context_stream import BlockStream
from voiceface.models.encoder_loading import load_teacher
from voiceface.models.model import Batch, Model, Shared, Turn
from voiceface.models.predictive_coding import context_stream
from voiceface.models.speech_encoder import SpeechEncoder
from voiceface.models.teacher import IdentityTeacher, as_identity_teacher
from voiceface.nn.loss.distillation import distillation, normalised_distance
from voiceface.nn.voice.cpc import CpcNet

ContextPooling = Literal["last", "mean", "spread"]


def pool_contexts(contexts: Tensor, pooling: ContextPooling) -> Tensor:
    """ω ``(context,)`` of a recording's contexts ``(steps, context)``; ``spread`` is three times as long.

    ``last`` is c_T, as in Si et al. 2021; but a recurrent layer trained to predict the next tenth of a second
    forgets, and most recordings end in silence. ``mean`` averages over time; ``spread`` adds the standard
    deviation and the mean absolute change from one step to the next.

    >>> contexts = torch.tensor([[1.0], [3.0]])
    >>> pool_contexts(contexts, "last"), pool_contexts(contexts, "mean"), pool_contexts(contexts, "spread")
    (tensor([3.]), tensor([2.]), tensor([2., 1., 2.]))
    """
    if pooling == "last":
        return contexts[-1]
    mean = contexts.mean(0)
    if pooling == "mean":
        return mean
    changes = contexts.diff(dim=0).abs().sum(0) / max(1, len(contexts) - 1)
    return torch.cat([mean, contexts.std(0, correction=0), changes])


class Disentangling(Model, SpeechEncoder):
    """A frozen `CpcNet`, and S_id and S_emo on its ω: a speech encoder for a talking face.

    Source: Si et al. 2021, Speech2Video, section 2.1, equations (2) and (3).

    Args:
        width: size of the CPC network's latents.
        context: size of its contexts.
        dims: sizes of the identity teacher's and of the emotion teacher's embeddings.
        maps: channels of the identity teacher's three maps.
        teacher: the identity teacher's name.
        hidden: units between ω and either embedding.
        pooling: how ω is computed.
        terms: ``weight`` λ of the distances, ``printed`` form of equation (3), ``dropout``.
    """

    def __init__(
        self,
        *,
        width: int,
        context: int,
        dims: tuple[int, int],
        maps: Sequence[int],
        teacher: str,
        hidden: int,
        pooling: ContextPooling,
        terms: dict[str, Any],
    ) -> None:
        super().__init__()
        self.net = CpcNet(width=width, context=context).requires_grad_(False)
        self.context_dim = context
        self.identity_dim, self.emotion_dim = dims
        self.map_channels = (maps[0], maps[1], maps[2])
        self.teacher, self.pooling = teacher, pooling
        self.weight, self.printed = float(terms["weight"]), bool(terms["printed"])
        pooled = 3 * context if pooling == "spread" else context
        self.identity_student = _student(pooled, hidden, self.identity_dim, terms["dropout"])
        self.emotion_student = _student(pooled, hidden, self.emotion_dim, terms["dropout"])
        for name, size in (("heard", pooled), ("identity", dims[0]), ("emotion", dims[1])):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_deviation", torch.ones(size))

    def train(self, mode: bool = True) -> Disentangling:
        """The CPC network stays in eval mode."""
        super().train(mode)
        self.net.eval()
        return self

    def turns(self) -> Sequence[Turn]:
        """One turn: both students at once, as equation (2) sums them."""
        own = [*self.identity_student.parameters(), *self.emotion_student.parameters()]
        return [Turn("distil", own, self.error)]

    def error(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Equation (2) on ω ``heard`` with the teachers' embeddings ``identity`` and ``emotion``."""
        found: dict[str, Tensor] = {}
        for name, embedding in zip(("identity", "emotion"), self.students(batch["heard"]), strict=True):
            target = self.standardised(name, batch[name])
            found[f"{name}_distance"] = normalised_distance(embedding.float(), target)
            found[f"{name}_entropy"] = distillation(embedding.float(), target, printed=self.printed)
        distances = found["identity_distance"] + found["emotion_distance"]
        loss = self.weight * distances + found["identity_entropy"] + found["emotion_entropy"]
        return {"loss": loss, **found}

    def students(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """ν ``(n, identity_dim)`` and μ ``(n, emotion_dim)`` of ω ``(n, size)``."""
        standardised = self.standardised("heard", pooled)
        return self.identity_student(standardised), self.emotion_student(standardised)

    def standardised(self, name: str, rows: Tensor) -> Tensor:
        """Rows of ``heard`` (ω), ``identity`` or ``emotion``, standardised by the training set."""
        return (rows - self.get_buffer(f"{name}_mean")) / self.get_buffer(f"{name}_deviation")

    @torch.no_grad()
    def measure(self, name: str, rows: Tensor) -> None:
        """Set mean and deviation of such rows from the training set's."""
        self.get_buffer(f"{name}_mean").copy_(rows.mean(0))
        deviation = rows.std(0, correction=0)
        # A constant number carries no information, and must not be scaled up.
        self.get_buffer(f"{name}_deviation").copy_(torch.where(deviation > 1e-4, deviation, 1.0))

    def stream(self, wave: Tensor, /) -> BlockStream:
        """As `SpeechEncoder.stream`."""
        return context_stream(self.net, wave)

    @torch.no_grad()
    def identity_and_emotion(self, wave: Tensor, /) -> tuple[Tensor, Tensor]:
        """As `SpeechEncoder.identity_and_emotion`."""
        identity, emotion = self.students(pool_contexts(self.contexts(wave), self.pooling)[None])
        return identity[0], emotion[0]

    def teacher_identity(self, pictures: Tensor, /) -> Tensor:
        """ν* of faces by the identity teacher, standardised as the student's targets."""
        rows = self._teacher.embed(pictures)
        return self.standardised("identity", rows.to(self.get_buffer("identity_mean").device))

    def maps(self, pictures: Tensor, /) -> list[Tensor]:
        """As `SpeechEncoder.maps`."""
        return self._teacher.maps(pictures)

    @cached_property
    def _teacher(self) -> IdentityTeacher:
        """The teacher, loaded on first use: talking needs none."""
        return as_identity_teacher(load_teacher(self.teacher))


def _student(inputs: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, outputs),
    )
