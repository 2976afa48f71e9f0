"""A GAN that generates the faces of known people, from their names, their speech or both.

Source: Roldán 2018, Speech-conditioned Face Generation with Deep Adversarial Networks, section IV.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from voiceface.models.conditions import FRAME, Condition
from voiceface.models.face_generator import FaceGenerator, to_pictures
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.known_people import person_indices, speech_frames
from voiceface.models.model import Batch, Pictures, Turn
from voiceface.models.step_seed import torch_generator
from voiceface.nn.face.roldan_gan import Norm, RoldanDiscriminator, RoldanGenerator
from voiceface.nn.loss import adversarial

Objective = Literal["ls", "w", "ac"]
"""Least squares, Wasserstein with clipped weights, auxiliary classifier of N + 1 classes."""

Spectral = Literal["none", "generator", "judge", "both"]
"""Where spectral norm is: ``none`` keeps batch norm in both networks; ``generator`` leaves the discriminator
without any norm (Roldán, section IV-C and figure 12); ``judge``, the discriminator, leaves batch norm in the
generator (section V)."""

_NORMS: dict[Spectral, tuple[Norm, Norm]] = {
    "none": ("batch", "batch"),
    "generator": ("spectral", "none"),
    "judge": ("batch", "spectral"),
    "both": ("spectral", "spectral"),
}
_TYPICAL_SAMPLES = 16
_DISCRIMINATOR_LOSS: dict[Objective, Callable[..., Tensor]] = {
    "ls": adversarial.least_squares_discriminator,
    "w": adversarial.wasserstein_critic,
    "ac": adversarial.cross_entropy_discriminator,
}
_GENERATOR_LOSS: dict[Objective, Callable[..., Tensor]] = {
    "ls": adversarial.least_squares_generator,
    "w": adversarial.wasserstein_generator,
    "ac": adversarial.cross_entropy_generator,
}


@dataclass(frozen=True, slots=True)
class GanOptions:
    """The adversarial objective and its options."""

    objective: Objective = "ls"
    matching_aware: bool = False
    """Real pictures with another person's condition are fakes to the discriminator (Reed et al. 2016)."""
    condition_noise: float = 0.0
    """Deviation of the Gaussian noise added to the generator's condition, also at inference."""
    clip: float = 0.01
    """Largest absolute weight of a Wasserstein critic, after each of its steps."""
    critic_steps: int = 5
    """Steps of a Wasserstein critic per step of the generator."""


@dataclass(frozen=True, slots=True)
class GanShape:
    """Sizes and normalisation of the two networks."""

    size: int = 64
    """Side of the pictures in pixels."""
    width: int = 64
    """Channels of the layers next to the pictures."""
    noise: int = 100
    """Dimensions of the noise prior."""
    spectral: Spectral = "generator"
    dropout: float = 0.0
    """Of the generator's blocks, also at inference."""


class ConditionalGan(FaceGenerator):
    """Learns to generate ``pictures`` of ``people`` from the condition that its named parts compute.

    A batch holds ``pictures (n, side, side, 3)`` uint8 and what the parts read (``people``, ``waves``).
    The parts learn through the generator alone; the discriminator reads a part of its own where it has one,
    and otherwise the generator's, detached.

    Args:
        generator: its condition is as wide as all parts together.
        judge: the discriminator; reads as much, or nothing (auxiliary classifier).
        parts: the parts of the generator's condition, by name.
        own: parts that the discriminator learns for itself, by the same names.
        options: objective and its options.
        people: ids of the people that it is trained on.
        face_template: alignment of the pictures.
        face_embedding_mean: as in `FaceGenerator`.
    """

    class_heads = ("judge.classes", "parts.name", "own.name", "generator.blocks.0")

    def __init__(
        self,
        *,
        generator: RoldanGenerator,
        judge: RoldanDiscriminator,
        parts: Mapping[str, Condition],
        own: Mapping[str, Condition],
        options: GanOptions,
        people: Sequence[str],
        face_template: str,
        face_embedding_mean: Sequence[float] | None,
    ) -> None:
        takes_voices = "speech" in parts
        super().__init__(
            face_size=generator.size,
            face_template=face_template,
            # Without voices there is nothing to compare with real faces.
            face_embedding_mean=face_embedding_mean if takes_voices else None,
        )
        # Saved weights call the discriminator `judge`.
        self.generator, self.judge, self.options = generator, judge, options
        self.parts, self.own = nn.ModuleDict(parts), nn.ModuleDict(own)
        self.people = tuple(people)
        self.takes_voices, self.uses_names = takes_voices, "name" in parts

    def turns(self) -> list[Turn]:
        """The discriminator with its own parts, then the generator with the parts that both read."""
        learnt = [part for part in self.parts.values() if not part.frozen]
        return [
            Turn(
                "discriminator", [*self.judge.parameters(), *self.own.parameters()], self.discriminator_loss
            ),
            Turn(
                "generator",
                [*self.generator.parameters(), *(p for part in learnt for p in part.parameters())],
                self.generator_loss,
                every=self.options.critic_steps if self.options.objective == "w" else 1,
            ),
        ]

    def shared(self, batch: Batch) -> dict[str, Any]:
        """The parts of the condition, the faces generated from them and the real ones in [-1, 1]."""
        parts = {name: part(batch) for name, part in self.parts.items()}
        condition = torch.cat(list(parts.values()), 1)
        if self.options.condition_noise:
            condition = condition + self.options.condition_noise * torch.randn_like(condition)
        noise = torch.randn(len(condition), self.generator.noise, device=condition.device)
        real = batch["pictures"].permute(0, 3, 1, 2).float() / 127.5 - 1
        return {"parts": parts, "fake": self.generator(condition, noise), "real": real}

    def discriminator_loss(self, batch: Batch, shared: dict[str, Any]) -> dict[str, Tensor]:
        """Tell real from generated, and mismatched too if asked; classify the people of the real ones."""
        condition = self._discriminator_condition(batch, shared)
        features = self.judge.trunk(shared["real"])
        real, classes = self.judge.score_features(features, condition)
        fake, fake_classes = self.judge(shared["fake"].detach(), condition)
        wrong = None
        if self.options.matching_aware and condition is not None:
            other, has = _somebody_else(batch["people"])
            if bool(has.any()):
                wrong = self.judge.score_features(features, condition[other])[0][has]
        figures = {"loss": _DISCRIMINATOR_LOSS[self.options.objective](real, fake, wrong)}
        figures |= {"real": real.mean(), "fake": fake.mean()}
        if classes is not None:
            figures["loss"] = figures["loss"] + adversarial.auxiliary_discriminator(
                classes, fake_classes, batch["people"]
            )
            figures["accuracy"] = (classes.argmax(1) == batch["people"]).float().mean()
        return figures

    def generator_loss(self, batch: Batch, shared: dict[str, Any]) -> dict[str, Tensor]:
        """Have the generated faces taken for real ones of the people of the batch."""
        fake, classes = self.judge(shared["fake"], self._discriminator_condition(batch, shared))
        figures = {"loss": _GENERATOR_LOSS[self.options.objective](fake)}
        if classes is not None:
            figures["loss"] = figures["loss"] + adversarial.auxiliary_generator(classes, batch["people"])
        return figures

    def after_step(self) -> None:
        """Clip a Wasserstein critic's weights, and those of its own parts."""
        if self.options.objective == "w":
            for parameter in (*self.judge.parameters(), *self.own.parameters()):
                parameter.clamp_(-self.options.clip, self.options.clip)

    def conditions(self, inputs: Sequence[GeneratorInput]) -> Tensor:
        """As `FaceGenerator.conditions`: of names, and of the middle four seconds of every voice."""
        device, batch = next(self.parameters()).device, {}
        if self.takes_voices:
            batch["waves"] = speech_frames(inputs, FRAME).to(device)
        if self.uses_names:
            batch["people"] = person_indices(inputs, self.people).to(device)
        return torch.cat([part(batch) for part in self.parts.values()], 1)

    @torch.no_grad()
    def generate_from(
        self, conditions: Tensor, samples: Sequence[int], *, seed: int = 0, typical: bool = False
    ) -> Pictures:
        """As `FaceGenerator.generate_from`; a typical face is the mean of 16 samples."""
        if typical:
            several = [
                self.generate_from(conditions, [k] * len(conditions), seed=seed)
                for k in range(_TYPICAL_SAMPLES)
            ]
            return np.asarray(np.mean(several, axis=0, dtype=np.float32).round(), dtype=np.uint8)
        generators = [torch_generator(seed, sample) for sample in samples]
        noise = torch.stack([torch.randn(self.generator.noise, generator=one) for one in generators])
        if sigma := self.options.condition_noise:
            width = conditions.shape[1]
            added = torch.stack([torch.randn(width, generator=one) for one in generators])
            conditions = conditions + sigma * added.to(conditions)
        masks = None
        if self.generator.dropout:
            each = [self.generator.dropout_masks(one) for one in generators]
            masks = [torch.stack(level).to(conditions) for level in zip(*each, strict=True)]
        return to_pictures(self.generator(conditions, noise.to(conditions), masks))

    def _discriminator_condition(self, batch: Batch, shared: dict[str, Any]) -> Tensor | None:
        """The condition as the discriminator reads it."""
        if not self.judge.condition:
            return None
        parts = shared["parts"]
        read = [self.own[name](batch) if name in self.own else parts[name].detach() for name in parts]
        return torch.cat(read, 1)


def build_conditional_gan(
    parts: Mapping[str, Condition],
    own: Mapping[str, Condition],
    *,
    people: Sequence[str],
    shape: GanShape,
    options: GanOptions,
    face_template: str = "dlib",
    face_embedding_mean: Sequence[float] | None = None,
) -> ConditionalGan:
    """Build both networks; an auxiliary classifier reads no condition, other discriminators do."""
    width = sum(part.dim for part in parts.values())
    generator_norm, discriminator_norm = _NORMS[shape.spectral]
    classifies = options.objective == "ac"
    generator = RoldanGenerator(
        condition=width,
        noise=shape.noise,
        width=shape.width,
        size=shape.size,
        norm=generator_norm,
        dropout=shape.dropout,
    )
    discriminator = RoldanDiscriminator(
        condition=0 if classifies else width,
        classes=len(people) + 1 if classifies else 0,
        width=shape.width,
        size=shape.size,
        norm=discriminator_norm,
    )
    for network in (generator, discriminator):
        # A third faster on a CPU; GPUs like it too.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ConditionalGan(
        generator=generator,
        judge=discriminator,
        parts=parts,
        own={} if classifies else own,
        options=options,
        people=people,
        face_template=face_template,
        face_embedding_mean=face_embedding_mean,
    )


def _somebody_else(people: Tensor) -> tuple[Tensor, Tensor]:
    """For each row the index of the next one, going round, of another person; and whether there is any."""
    count = len(people)
    steps = torch.arange(1, count + 1, device=people.device)
    others = (torch.arange(count, device=people.device)[:, None] + steps) % count
    differs = people[others] != people[:, None]
    first = differs.int().argmax(1, keepdim=True)
    return others.gather(1, first)[:, 0], differs.any(1)
