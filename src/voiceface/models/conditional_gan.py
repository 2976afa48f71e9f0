"""A generator and a judge that draw the faces of known people, by name, by speech or by both.

Source: Roldán 2018, Speech-conditioned Face Generation with Deep Adversarial Networks, section IV.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from voiceface.models.conditions import Condition
from voiceface.models.model import Batch, Model, Turn
from voiceface.nn.face.roldan_gan import Norm, RoldanDiscriminator, RoldanGenerator
from voiceface.nn.loss import adversarial

__all__ = ["ConditionalGan", "Objective", "GanOptions", "Shape", "Spectral", "build_conditional_gan"]

Objective = Literal["ls", "w", "ac"]
"""Least squares, Wasserstein with clipped weights, auxiliary classifier of N + 1 classes."""

Spectral = Literal["none", "generator", "judge", "both"]
"""Where spectral norm stands: ``none`` keeps batch norm in both networks; ``generator`` leaves the judge
without any (Roldán, section IV-C and figure 12); ``judge`` leaves batch norm in the generator (section V)."""

_NORMS: dict[Spectral, tuple[Norm, Norm]] = {
    "none": ("batch", "batch"),
    "generator": ("spectral", "none"),
    "judge": ("batch", "spectral"),
    "both": ("spectral", "spectral"),
}
AdversarialLoss = Callable[..., Tensor]
_JUDGE: dict[Objective, AdversarialLoss] = {
    "ls": adversarial.least_squares_discriminator,
    "w": adversarial.wasserstein_critic,
    "ac": adversarial.cross_entropy_discriminator,
}
_GENERATOR: dict[Objective, AdversarialLoss] = {
    "ls": adversarial.least_squares_generator,
    "w": adversarial.wasserstein_generator,
    "ac": adversarial.cross_entropy_generator,
}


@dataclass(frozen=True, slots=True)
class GanOptions:
    """How the two play."""

    objective: Objective = "ls"
    matching_aware: bool = False
    """The judge also sees real pictures beside another person's condition, as fakes (Reed et al. 2016)."""
    condition_noise: float = 0.0
    """Deviation of the Gaussian noise added to what the generator reads, also while drawing."""
    clip: float = 0.01
    """The largest weight of a Wasserstein critic, after each of its steps."""
    critic_moves: int = 5
    """Steps of a Wasserstein critic to one of the generator's."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the two are and what normalises them."""

    size: int = 64
    """Side of the pictures."""
    width: int = 64
    """Channels next to the pictures."""
    noise: int = 100
    """Numbers of the noise prior."""
    spectral: Spectral = "generator"
    dropout: float = 0.0
    """Of the generator's blocks, also while drawing."""


class ConditionalGan(Model):
    """Learns to draw ``pictures`` of ``people``; what both networks read of them are named parts.

    A batch holds ``pictures (n, side, side, 3)`` uint8 and what the parts read (``people``, ``waves``).
    The parts learn through the generator alone; the judge reads a part of its own where it has one, and
    the generator's answer, detached, where it has not.

    Args:
        generator: its condition is as wide as all parts together.
        judge: reads as much, or nothing (auxiliary classifier).
        parts: what the generator reads, by name.
        own: parts that the judge learns for itself, by the same names.
        rules: objective and options of the game.
    """

    class_heads = ("judge.classes", "parts.name", "own.name", "generator.blocks.0")

    def __init__(
        self,
        *,
        generator: RoldanGenerator,
        judge: RoldanDiscriminator,
        parts: Mapping[str, Condition],
        own: Mapping[str, Condition],
        rules: GanOptions,
    ) -> None:
        super().__init__()
        self.generator, self.judge, self.rules = generator, judge, rules
        self.parts, self.own = nn.ModuleDict(parts), nn.ModuleDict(own)

    def turns(self) -> list[Turn]:
        """The judge, with its own parts, then the generator with the parts that both read."""
        moves = self.rules.critic_moves if self.rules.objective == "w" else 1
        return [
            Turn("judge", [*self.judge.parameters(), *self.own.parameters()], self.judging),
            Turn(
                "generator",
                [*self.generator.parameters(), *self.parts.parameters()],
                self.generating,
                every=moves,
            ),
        ]

    def shared(self, batch: Batch) -> dict[str, Any]:
        """The condition, the faces drawn from it and the real ones in [-1, 1]."""
        told = {name: part(batch) for name, part in self.parts.items()}
        condition = torch.cat(list(told.values()), 1)
        if self.rules.condition_noise:
            condition = condition + self.rules.condition_noise * torch.randn_like(condition)
        noise = torch.randn(len(condition), self.generator.noise, device=condition.device)
        real = batch["pictures"].permute(0, 3, 1, 2).float() / 127.5 - 1
        return {"told": told, "fake": self.generator(condition, noise), "real": real}

    def judging(self, batch: Batch, shared: dict[str, Any]) -> dict[str, Tensor]:
        """Tell real from drawn, and where asked from mismatched; name the real ones' people."""
        rules, condition = self.rules, self._read(batch, shared)
        features = self.judge.trunk(shared["real"])
        real, names = self.judge.judge(features, condition)
        fake, nobody = self.judge(shared["fake"].detach(), condition)
        wrong = None
        if rules.matching_aware and condition is not None:
            other, has = _somebody_else(batch["people"])
            if bool(has.any()):
                wrong = self.judge.judge(features, condition[other])[0][has]
        figures = {"loss": _JUDGE[rules.objective](real, fake, wrong)}
        figures |= {"real": real.mean(), "fake": fake.mean()}
        if names is not None:
            figures["loss"] = figures["loss"] + adversarial.auxiliary_discriminator(
                names, nobody, batch["people"]
            )
            figures["named"] = (names.argmax(1) == batch["people"]).float().mean()
        return figures

    def generating(self, batch: Batch, shared: dict[str, Any]) -> dict[str, Tensor]:
        """Have the drawn faces taken for real ones of the people asked for."""
        fake, names = self.judge(shared["fake"], self._read(batch, shared))
        figures = {"loss": _GENERATOR[self.rules.objective](fake)}
        if names is not None:
            figures["loss"] = figures["loss"] + adversarial.auxiliary_generator(names, batch["people"])
        return figures

    def after_step(self) -> None:
        """Clip a Wasserstein critic's weights, its own parts' too."""
        if self.rules.objective == "w":
            for parameter in (*self.judge.parameters(), *self.own.parameters()):
                parameter.clamp_(-self.rules.clip, self.rules.clip)

    @torch.no_grad()
    def draw(self, batch: Batch, *, seed: int, draws: Sequence[int] | None = None) -> Tensor:
        """Draw a face for each row of a batch without pictures: ``(n, side, side, 3)`` uint8.

        What is random of a face depends on ``seed`` and its number in ``draws`` alone; 0, 1, 2, ... if None.
        """
        condition = torch.cat([part(batch) for part in self.parts.values()], 1)
        numbers = range(len(condition)) if draws is None else draws
        random = [_generator(seed, number) for number in numbers]
        noise = torch.stack([torch.randn(self.generator.noise, generator=one) for one in random])
        if sigma := self.rules.condition_noise:
            width = condition.shape[1]
            added = torch.stack([torch.randn(width, generator=one) for one in random])
            condition = condition + sigma * added.to(condition)
        masks = None
        if self.generator.dropout:
            each = [self.generator.dropout_masks(one) for one in random]
            masks = [torch.stack(level).to(condition) for level in zip(*each, strict=True)]
        drawn = self.generator(condition, noise.to(condition), masks)
        pixels = ((drawn.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        pictures: Tensor = pixels.permute(0, 2, 3, 1).contiguous()
        return pictures

    def _read(self, batch: Batch, shared: dict[str, Any]) -> Tensor | None:
        """The condition as the judge reads it."""
        if not self.judge.condition:
            return None
        told = shared["told"]
        rows = [self.own[name](batch) if name in self.own else told[name].detach() for name in told]
        return torch.cat(rows, 1)


def build_conditional_gan(
    parts: Mapping[str, Condition],
    own: Mapping[str, Condition],
    *,
    people: int,
    shape: Shape,
    rules: GanOptions,
) -> ConditionalGan:
    """Build the game for so many people: an auxiliary classifier reads no condition, the other judges do."""
    width = sum(part.dim for part in parts.values())
    for_generator, for_judge = _NORMS[shape.spectral]
    names = rules.objective == "ac"
    generator = RoldanGenerator(
        condition=width,
        noise=shape.noise,
        width=shape.width,
        size=shape.size,
        norm=for_generator,
        dropout=shape.dropout,
    )
    judge = RoldanDiscriminator(
        condition=0 if names else width,
        classes=people + 1 if names else 0,
        width=shape.width,
        size=shape.size,
        norm=for_judge,
    )
    for network in (generator, judge):
        # A third faster on a CPU; GPUs like it too.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ConditionalGan(
        generator=generator, judge=judge, parts=parts, own={} if names else own, rules=rules
    )


def _somebody_else(people: Tensor) -> tuple[Tensor, Tensor]:
    """For each row the next one, going round, that is of another person; and whether there is any."""
    count = len(people)
    steps = torch.arange(1, count + 1, device=people.device)
    places = (torch.arange(count, device=people.device)[:, None] + steps) % count
    differs = people[places] != people[:, None]
    first = differs.int().argmax(1, keepdim=True)
    return places.gather(1, first)[:, 0], differs.any(1)


def _generator(seed: int, draw: int) -> torch.Generator:
    digest = hashlib.blake2b(f"{seed}/{draw}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
