"""Speech2Video's second stage: three judges and a generator that draws frames from what was heard.

Source: Si et al. 2021, Speech2Video, section 2.2, equations 4 to 10. Equations 4 to 6 cannot be followed
as printed (generated to 1, real to 0, one formula for both players, nothing that holds D_sync to any
score but 1): they are read as least squares with real at 1 and generated at 0, see `docs/papers/si.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.errors import InputError
from voiceface.models.model import Batch, Model, Turn
from voiceface.models.sync_expert import SyncModel, crop_mouths
from voiceface.nn.face.roldan_gan import Norm, RoldanDiscriminator
from voiceface.nn.face.speech2video import FrameDecoder, IdentityInflation, IdentityJudge, map_sides
from voiceface.nn.loss.adversarial import least_squares_discriminator, least_squares_generator
from voiceface.nn.loss.frame_losses import gradient_loss, half_frame_l1
from voiceface.nn.sync_towers import FRAMES, sync_nce

__all__ = ["Heard", "Sizes", "Speech2Video", "LossWeights", "pooled_maps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """How much the generator is told."""

    context: int
    """Numbers of c_t."""
    identity: int
    """Numbers of ν."""
    emotion: int
    """Numbers of μ."""
    maps: tuple[int, int, int]
    """Channels of the recogniser's maps, the smallest side first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How large the networks are."""

    size: int = 64
    width: int = 32
    """Channels of the frame decoder at the picture's side."""
    identity_width: int = 32
    judge_width: int = 32
    judge_norm: Norm = "spectral"
    """Of the judges of frames and of sync; the paper names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """Weights of what the generator makes small; a judge of weight 0 does not play."""

    identity: float = 1.0
    """Equation 4."""
    frames: float = 1.0
    """Equation 5."""
    sync: float = 1.0
    """Equation 6."""
    similarity: float = 100.0
    """Equation 8, above the nose."""
    gradient: float = 100.0
    """Equation 9."""
    lower: float = 0.0
    """The same as equation 8 on the mouth's half: not in the paper."""
    expert: float = 0.0
    """InfoNCE of a frozen sync expert between drawn mouths and their sound: not in the paper."""


class Speech2Video(Model):
    """Draws frames from c_t, μ and the inflated ν, to the liking of three judges.

    A batch holds, of clips c and moments t: ``context (c, t, n)``, ``emotion (c, n)``, ``identity (c, n)``,
    ``frames (c, t, side, side, 3)`` uint8, ``maps``, the recogniser's three of the same people's pictures
    (`pooled_maps`), and with an expert ``mels (c, 4 t, bands)`` of consecutive moments.

    Args:
        heard: numbers of what is heard.
        sizes: of the networks.
        terms: weights of the losses.
        hearing: frozen networks that come along.
        expert: a frozen sync expert, where its term has a weight.
    """

    def __init__(
        self,
        *,
        heard: Heard,
        sizes: Sizes,
        terms: LossWeights,
        hearing: nn.Module,
        expert: SyncModel | None = None,
    ) -> None:
        super().__init__()
        if (terms.expert > 0) != (expert is not None):
            raise InputError("sync expert", "and its weight do not go together", "give both or neither")
        size, width, norm = sizes.size, sizes.judge_width, sizes.judge_norm
        self.size, self.terms = size, terms
        self.inflation = IdentityInflation(
            identity=heard.identity, maps=heard.maps, width=sizes.identity_width, size=size
        )
        self.decoder = FrameDecoder(
            context=heard.context, emotion=heard.emotion, maps=heard.maps, width=sizes.width, size=size
        )
        self.identity_judge = IdentityJudge(maps=heard.maps, width=width, size=size)
        self.frame_judge = RoldanDiscriminator(condition=0, width=width, size=size, norm=norm)
        self.sync_judge = RoldanDiscriminator(condition=heard.context, width=width, size=size, norm=norm)
        self.hearing = hearing.requires_grad_(False)
        self.expert = expert.requires_grad_(False) if expert is not None else None
        self.register_buffer("map_mean", torch.zeros(3))
        self.register_buffer("map_scale", torch.ones(3))

    def train(self, mode: bool = True) -> Speech2Video:
        """Frozen networks stay in eval mode."""
        super().train(mode)
        self.hearing.eval()
        if self.expert is not None:
            self.expert.eval()
        return self

    def turns(self) -> list[Turn]:
        """The judges that play, then the generator."""
        terms, made = self.terms, []
        if terms.identity:
            made.append(Turn("identity", list(self.identity_judge.parameters()), self.discriminate_identity))
        if terms.frames:
            made.append(Turn("frames", list(self.frame_judge.parameters()), self.discriminate_frames))
        if terms.sync:
            made.append(Turn("sync", list(self.sync_judge.parameters()), self.discriminate_sync))
        own = [*self.inflation.parameters(), *self.decoder.parameters()]
        return [*made, Turn("generator", own, self.generator_loss)]

    def shared(self, batch: Batch) -> dict[str, Any]:
        """Inflated and real maps, drawn and real frames in [-1, 1], a row a clip and moment."""
        real = _signed(batch["frames"].flatten(0, 1))
        inflated = self.inflation(batch["identity"])
        found = {"inflated": inflated, "real": real, "drawn": self._frames(batch, inflated)}
        if self.terms.identity:
            means, scales = self.get_buffer("map_mean"), self.get_buffer("map_scale")
            told = zip(batch["maps"], means, scales, strict=True)
            found["maps"] = [(known.float() - mean) / scale for known, mean, scale in told]
        return found

    @torch.no_grad()
    def standardise(self, maps: Sequence[Tensor]) -> None:
        """Take mean and deviation of every level of the recogniser's maps from these."""
        for level, known in enumerate(maps):
            self.get_buffer("map_mean")[level] = known.float().mean()
            self.get_buffer("map_scale")[level] = known.float().std().clamp_min(1e-4)

    def discriminate_identity(self, batch: Batch, shared: dict[str, Any]) -> dict[str, Tensor]:
        """Equation 4: a recogniser's maps of real faces from inflated ones."""
        real = self.identity_judge(shared["maps"])
        fake = self.identity_judge([known.detach() for known in shared["inflated"]])
        return {"loss": least_squares_discriminator(real, fake), "real": real.mean(), "fake": fake.mean()}

    def discriminate_frames(self, batch: Batch, shared: dict[str, Any]) -> dict[str, Tensor]:
        """Equation 5: real frames from drawn ones."""
        real, _ = self.frame_judge(shared["real"])
        fake, _ = self.frame_judge(shared["drawn"].detach())
        return {"loss": least_squares_discriminator(real, fake), "real": real.mean(), "fake": fake.mean()}

    def discriminate_sync(self, batch: Batch, shared: dict[str, Any]) -> dict[str, Tensor]:
        """Equation 6: real frames with their sound from those with another moment's, and from drawn ones."""
        context = batch["context"]
        moved = context.roll(max(1, context.shape[1] // 2), 1).flatten(0, 1)
        told = context.flatten(0, 1)
        features = self.sync_judge.trunk(shared["real"])
        real, _ = self.sync_judge.judge(features, told)
        shifted, _ = self.sync_judge.judge(features, moved)
        fake, _ = self.sync_judge(shared["drawn"].detach(), told)
        loss = least_squares_discriminator(real, fake, shifted)
        return {"loss": loss, "real": real.mean(), "fake": fake.mean(), "shifted": shifted.mean()}

    def generator_loss(self, batch: Batch, shared: dict[str, Any]) -> dict[str, Tensor]:
        """Equation 10: to be taken for real by the judges, to be like the real frames, with their edges."""
        terms, drawn, real = self.terms, shared["drawn"], shared["real"]
        told: dict[str, tuple[float, Tensor]] = {
            "similarity": (terms.similarity, half_frame_l1(drawn, real)),
            "gradient": (terms.gradient, gradient_loss(drawn, real)),
            "lower": (terms.lower, half_frame_l1(drawn, real, lower=True)),
        }
        if terms.identity:
            score = self.identity_judge(shared["inflated"])
            told["identity"] = terms.identity, least_squares_generator(score)
        if terms.frames:
            told["frames"] = terms.frames, least_squares_generator(self.frame_judge(drawn)[0])
        if terms.sync:
            score, _ = self.sync_judge(drawn, batch["context"].flatten(0, 1))
            told["sync"] = terms.sync, least_squares_generator(score)
        if self.expert is not None:
            told["expert"] = terms.expert, self._expert_loss(batch, drawn)
        loss = sum((weight * value for weight, value in told.values() if weight), drawn.new_zeros(()))
        return {"loss": loss} | {name: value.detach() for name, (_, value) in told.items()}

    def _expert_loss(self, batch: Batch, drawn: Tensor) -> Tensor:
        expert = self.expert
        assert expert is not None
        clips, moments = batch["context"].shape[:2]
        if moments < FRAMES + 1:
            raise InputError("moments", f"{moments} a clip are too few for the expert", f"give {FRAMES + 1}")
        mouths = crop_mouths((drawn.float() + 1) * 127.5, size=expert.mouth.size)
        rows = expert.mouth_embeddings(mouths.reshape(clips, moments, *mouths.shape[1:]))
        sounds = expert.sound_embeddings(batch["mels"])
        found: Tensor = sync_nce(rows, sounds, scale=expert.scale.exp().detach(), across=0.0)
        return found

    def _frames(self, batch: Batch, inflated: Sequence[Tensor]) -> Tensor:
        """Drawn frames of every clip and moment, ``(c * t, 3, side, side)``."""
        moments = batch["context"].shape[1]
        emotion = batch["emotion"].repeat_interleave(moments, 0)
        maps = [known.repeat_interleave(moments, 0) for known in inflated]
        drawn: Tensor = self.decoder(batch["context"].flatten(0, 1), emotion, maps)
        return drawn

    @torch.no_grad()
    def draw(self, context: Tensor, emotion: Tensor, inflated: Sequence[Tensor]) -> Tensor:
        """Frames ``(t, side, side, 3)`` uint8 of a clip's c_t ``(t, n)``, μ ``(n,)`` and maps."""
        moments = len(context)
        maps = [known.expand(moments, -1, -1, -1) for known in inflated]
        drawn = self.decoder(context, emotion.expand(moments, -1), maps)
        pixels = ((drawn.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        frames: Tensor = pixels.permute(0, 2, 3, 1).contiguous()
        return frames


def pooled_maps(maps: Sequence[Tensor], size: int) -> list[Tensor]:
    """A recogniser's maps averaged over places to the inflated maps' sides for pictures of ``size``."""
    sides = map_sides(size)
    return [F.adaptive_avg_pool2d(known, side) for known, side in zip(maps, sides, strict=True)]


def _signed(pictures: Tensor) -> Tensor:
    """uint8 ``(n, side, side, 3)`` as ``(n, 3, side, side)`` in [-1, 1]."""
    return pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
