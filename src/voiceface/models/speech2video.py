"""Speech2Video's second stage: three discriminators and a generator of frames from speech features.

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
from torch import Tensor

from voiceface.errors import InputError
from voiceface.models.model import Batch, Model, Turn
from voiceface.models.speech2video_talking import Speech2VideoTalkingFace
from voiceface.models.speech_encoder import SpeechEncoder
from voiceface.models.sync_expert import SyncModel, crop_mouths
from voiceface.models.talking_face import Speaker, TalkingFace
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.face.roldan_gan import RoldanDiscriminator
from voiceface.nn.face.speech2video import FrameDecoder, IdentityDiscriminator, IdentityInflation, map_sides
from voiceface.nn.loss.adversarial import least_squares_discriminator, least_squares_generator
from voiceface.nn.loss.frame_losses import gradient_loss, half_frame_l1
from voiceface.nn.sync_towers import FRAMES, sync_nce

TEMPLATE = "dlib"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSizes:
    """Sizes of the networks."""

    size: int = 64
    """Side of the frames in pixels."""
    width: int = 32
    """Channels of the frame decoder at the frames' full resolution."""
    identity_width: int = 32
    discriminator_width: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """Weights of the generator's losses; a discriminator of weight 0 is left out."""

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
    """Equation 8 on the mouth's half: not in the paper."""
    expert: float = 0.0
    """InfoNCE of a frozen sync expert between generated mouths and their sound: not in the paper."""


class Speech2Video(Model):
    """Generates frames from c_t, μ and the inflated ν against three discriminators.

    A batch holds, of clips c and moments t: ``context (c, t, n)``, ``emotion (c, n)``, ``identity (c, n)``,
    ``frames (c, t, side, side, 3)`` uint8, ``maps``, the recogniser's three of the same people's pictures
    (`pooled_maps`), and with an expert ``mels (c, 4 t, bands)`` of consecutive moments.

    Args:
        speech: frozen speech encoder, saved with the model.
        sizes: of the networks.
        weights: of the losses.
        expert: a frozen sync expert, where its loss has a weight.
        fps: frames a second.
        around: neighbours joined to every frame's c_t.
    """

    face_template = TEMPLATE

    def __init__(
        self,
        *,
        speech: SpeechEncoder,
        sizes: NetworkSizes,
        weights: LossWeights,
        expert: SyncModel | None = None,
        fps: float = 25.0,
        around: int = 0,
    ) -> None:
        super().__init__()
        if (weights.expert > 0) != (expert is not None):
            raise InputError("sync expert", "and its weight do not go together", "give both or neither")
        size, width, maps = sizes.size, sizes.discriminator_width, speech.map_channels
        self.face_size, self.fps, self.around, self.loss_weights = size, fps, around, weights
        context = (2 * around + 1) * speech.context_dim
        self.inflation = IdentityInflation(
            identity=speech.identity_dim, maps=maps, width=sizes.identity_width, size=size
        )
        self.decoder = FrameDecoder(
            context=context, emotion=speech.emotion_dim, maps=maps, width=sizes.width, size=size
        )
        self.identity_judge = IdentityDiscriminator(maps=maps, width=width, size=size)
        # The paper names no normalisation of its discriminators.
        self.frame_judge = RoldanDiscriminator(condition=0, width=width, size=size, norm="spectral")
        self.sync_judge = RoldanDiscriminator(condition=context, width=width, size=size, norm="spectral")
        self.hearing = speech.requires_grad_(False)
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

    @torch.no_grad()
    def talk(self, speaker: Speaker) -> TalkingFace:
        """As `Model.talk`; the face is always generated from the voice.

        Raises:
            InputError: a face is given, or the recording is silent.
        """
        if speaker.face is not None:
            fault = "cannot be animated by si_speech2video, which generates it from the voice"
            raise InputError("face", fault, "give no face")
        wave = as_wave(speaker.wave)
        if not wave.any():
            raise InputError("the recording", "is silent", "give a recording of speech")
        identity, emotion = self.hearing.identity_and_emotion(wave)
        maps = self.inflation(identity[None])
        return Speech2VideoTalkingFace(
            self.hearing.stream(wave),
            lambda context: self.generate_frames(context, emotion, maps),
            size=self.face_size,
            fps=self.fps,
            around=self.around,
        )

    @torch.no_grad()
    def generate_frames(self, context: Tensor, emotion: Tensor, inflated: Sequence[Tensor]) -> Tensor:
        """Frames ``(t, side, side, 3)`` uint8 of a clip's c_t ``(t, n)``, μ ``(n,)`` and inflated maps."""
        moments = len(context)
        maps = [level.expand(moments, -1, -1, -1) for level in inflated]
        generated = self.decoder(context, emotion.expand(moments, -1), maps)
        pixels = ((generated.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        frames: Tensor = pixels.permute(0, 2, 3, 1).contiguous()
        return frames

    def turns(self) -> list[Turn]:
        """The discriminators with a weight, then the generator."""
        turns = []
        if self.loss_weights.identity:
            turns.append(
                Turn("identity", list(self.identity_judge.parameters()), self.identity_discriminator_loss)
            )
        if self.loss_weights.frames:
            turns.append(Turn("frames", list(self.frame_judge.parameters()), self.frame_discriminator_loss))
        if self.loss_weights.sync:
            turns.append(Turn("sync", list(self.sync_judge.parameters()), self.sync_discriminator_loss))
        own = [*self.inflation.parameters(), *self.decoder.parameters()]
        return [*turns, Turn("generator", own, self.generator_loss)]

    def shared(self, batch: Batch) -> dict[str, Any]:
        """Inflated and real maps, generated and real frames in [-1, 1], one row per clip and moment."""
        inflated = self.inflation(batch["identity"])
        shared = {
            "inflated": inflated,
            "real": _signed(batch["frames"].flatten(0, 1)),
            "generated": self._generate(batch, inflated),
        }
        if self.loss_weights.identity:
            means, scales = self.get_buffer("map_mean"), self.get_buffer("map_scale")
            levels = zip(batch["maps"], means, scales, strict=True)
            shared["maps"] = [(level.float() - mean) / scale for level, mean, scale in levels]
        return shared

    @torch.no_grad()
    def standardise(self, maps: Sequence[Tensor]) -> None:
        """Set mean and deviation of each level of the recogniser's maps from these."""
        for index, level in enumerate(maps):
            self.get_buffer("map_mean")[index] = level.float().mean()
            self.get_buffer("map_scale")[index] = level.float().std().clamp_min(1e-4)

    def identity_discriminator_loss(self, batch: Batch, shared: dict[str, Any]) -> dict[str, Tensor]:
        """Equation 4: a recogniser's maps of real faces against inflated ones."""
        real = self.identity_judge(shared["maps"])
        fake = self.identity_judge([level.detach() for level in shared["inflated"]])
        return {"loss": least_squares_discriminator(real, fake), "real": real.mean(), "fake": fake.mean()}

    def frame_discriminator_loss(self, batch: Batch, shared: dict[str, Any]) -> dict[str, Tensor]:
        """Equation 5: real frames against generated ones."""
        real, _ = self.frame_judge(shared["real"])
        fake, _ = self.frame_judge(shared["generated"].detach())
        return {"loss": least_squares_discriminator(real, fake), "real": real.mean(), "fake": fake.mean()}

    def sync_discriminator_loss(self, batch: Batch, shared: dict[str, Any]) -> dict[str, Tensor]:
        """Equation 6: real frames with their sound against another moment's sound and generated frames."""
        context = batch["context"]
        shifted_context = context.roll(max(1, context.shape[1] // 2), 1).flatten(0, 1)
        context = context.flatten(0, 1)
        features = self.sync_judge.trunk(shared["real"])
        real, _ = self.sync_judge.score_features(features, context)
        shifted, _ = self.sync_judge.score_features(features, shifted_context)
        fake, _ = self.sync_judge(shared["generated"].detach(), context)
        loss = least_squares_discriminator(real, fake, shifted)
        return {"loss": loss, "real": real.mean(), "fake": fake.mean(), "shifted": shifted.mean()}

    def generator_loss(self, batch: Batch, shared: dict[str, Any]) -> dict[str, Tensor]:
        """Equation 10: the discriminators' losses, the distance to the real frames, and their edges'."""
        weights, generated, real = self.loss_weights, shared["generated"], shared["real"]
        losses = {
            "similarity": half_frame_l1(generated, real),
            "gradient": gradient_loss(generated, real),
            "lower": half_frame_l1(generated, real, lower=True),
        }
        if weights.identity:
            losses["identity"] = least_squares_generator(self.identity_judge(shared["inflated"]))
        if weights.frames:
            losses["frames"] = least_squares_generator(self.frame_judge(generated)[0])
        if weights.sync:
            score, _ = self.sync_judge(generated, batch["context"].flatten(0, 1))
            losses["sync"] = least_squares_generator(score)
        if self.expert is not None:
            losses["expert"] = self._expert_loss(self.expert, batch, generated)
        weighted = [getattr(weights, name) * loss for name, loss in losses.items() if getattr(weights, name)]
        total = sum(weighted, generated.new_zeros(()))
        return {"loss": total} | {name: loss.detach() for name, loss in losses.items()}

    def _expert_loss(self, expert: SyncModel, batch: Batch, generated: Tensor) -> Tensor:
        clips, moments = batch["context"].shape[:2]
        if moments < FRAMES + 1:
            raise InputError("moments", f"{moments} a clip are too few for the expert", f"give {FRAMES + 1}")
        mouths = crop_mouths((generated.float() + 1) * 127.5, size=expert.mouth.size)
        embeddings = expert.mouth_embeddings(mouths.reshape(clips, moments, *mouths.shape[1:]))
        sounds = expert.sound_embeddings(batch["mels"])
        loss: Tensor = sync_nce(embeddings, sounds, scale=expert.scale.exp().detach(), across=0.0)
        return loss

    def _generate(self, batch: Batch, inflated: Sequence[Tensor]) -> Tensor:
        """Frames of every clip and moment, ``(c * t, 3, side, side)``."""
        moments = batch["context"].shape[1]
        emotion = batch["emotion"].repeat_interleave(moments, 0)
        maps = [level.repeat_interleave(moments, 0) for level in inflated]
        generated: Tensor = self.decoder(batch["context"].flatten(0, 1), emotion, maps)
        return generated


def pooled_maps(maps: Sequence[Tensor], size: int) -> list[Tensor]:
    """A recogniser's maps averaged to the resolutions of the inflated maps for frames of ``size``."""
    sides = map_sides(size)
    return [F.adaptive_avg_pool2d(level, side) for level, side in zip(maps, sides, strict=True)]


def _signed(pictures: Tensor) -> Tensor:
    """uint8 ``(n, side, side, 3)`` as ``(n, 3, side, side)`` in [-1, 1]."""
    return pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
