"""Speech-driven animation of a still face: speech features become a motion, the motion moves the mouth.

Source: Vougioukas, Petridis, Pantic 2018 and 2020 (speech-driven animation from one picture and the sound);
the picture is warped and only what the lips hid is generated, as in Siarohin et al. 2019 (first-order
motion).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from voiceface.audio.mel import mel_bank, power_frames
from voiceface.audio.sync_features import BANDS, HOPS
from voiceface.errors import InputError
from voiceface.face.align import TEMPLATES
from voiceface.face.mouth import WINDOW as MOUTH
from voiceface.models.block_talking_face import BLOCK, HOP, PAD
from voiceface.models.idle_motion import IdleMotion
from voiceface.models.model import Batch, Model, Turn
from voiceface.models.still_face_talking import TEMPLATE, StillTalkingFace, lower_half
from voiceface.models.sync_expert import SyncModel, sample_grey
from voiceface.models.talking_face import Speaker, TalkingFace
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.face.mouth_animation import MotionNet, MouthGenerator
from voiceface.nn.face.patch_discriminator import PatchDiscriminator
from voiceface.nn.loss.adversarial import least_squares_discriminator, least_squares_generator
from voiceface.nn.loss.frame_losses import gradient_loss
from voiceface.nn.sync_towers import FRAMES
from voiceface.records import SAMPLE_RATE

MIN_LEVEL = 1e-3
"""The lowest root mean square that sound is amplified from: anything quieter is silence."""

_OFFSETS = (-2, 0, 2)
_CENTRE = FRAMES // 2
_BEFORE, _ROWS = 4, 12
_QUIET, _LOUD = 0.04, 0.14
"""Loudness, relative to the recording's, at which the mouth rests and moves freely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """Weights of the losses; a discriminator of weight 0 is left out."""

    pixels: float = 10.0
    """L1, twice as much around the mouth."""
    gradient: float = 10.0
    lips: float = 1.0
    """Distance of the sync expert's embeddings of generated mouths from the real mouths' and the sound's."""
    judge: float = 0.1
    """The discriminator's."""
    inpaint: float = 0.05
    """The share of pixels that is generated rather than warped."""


def mouth_crops(halves: Tensor, *, size: int = 48) -> Tensor:
    """Grey mouths of lower halves ``(n, 3, side, side)`` in [-1, 1] as a sync expert takes them.

    Gradients flow; ``(n, size, size)`` from 0 to 255, as `crop_mouths` gives of whole faces.
    """
    left, top, span = TEMPLATES[TEMPLATE]
    steps = (torch.arange(size, device=halves.device, dtype=halves.dtype) + 0.5) / size
    # The mouth's window in shares of the picture, then of its lower half.
    side = 2 * halves.shape[-1]
    rows, columns = lower_half(side)
    x = ((MOUTH[0] + MOUTH[2] * steps - left) / span - columns.start / side) * 2
    y = ((MOUTH[1] + MOUTH[2] * steps - top) / span - rows.start / side) * 2
    return sample_grey((halves + 1) * 127.5, 2 * x - 1, 2 * y - 1)


class StillFaceModel(Model):
    """Moves the lower half of a still face by the speech features of a frozen sync expert.

    A batch holds, of clips c and consecutive frames t: ``speech (c, t, n)``, ``loudness (c, t)``,
    ``frames (c, t, 3, side, side)`` uint8 lower halves, ``stills (c, 3, side, side)`` uint8 of the same clips
    and ``sounds (c, t - 4, dim)``, the expert's embeddings of the sound.

    Args:
        expert: a trained sync expert; its sound tower gives features, both towers a loss.
        size: side of the whole pictures in pixels: 32, 64 or 128; networks see the lower half, half as wide.
        motion: size of a motion.
        width: channels of the generator and of the discriminator's first layer.
        weights: of the losses.
        idle: scale of blinks and head motion in `talk`; 0 for none.

    Raises:
        InputError: another size.
    """

    face_template, fps, animates = TEMPLATE, 25.0, True

    def __init__(
        self,
        *,
        expert: SyncModel,
        size: int = 128,
        motion: int = 32,
        width: int = 16,
        weights: LossWeights | None = None,
        idle: float = 1.0,
    ) -> None:
        super().__init__()
        if size not in (32, 64, 128):
            raise InputError("size", f"is {size}", "give 128, 64 or 32")
        self.face_size, self.idle, self.loss_weights = size, idle, weights or LossWeights()
        self.expert = expert.requires_grad_(False)
        features = len(_OFFSETS) * expert.sound.out.out_features + _ROWS * BANDS
        self.motion = MotionNet(features=features, motion=motion)
        self.painter = MouthGenerator(motion=motion, width=width, size=size // 2)
        self.judge = PatchDiscriminator(channels=(width, 2 * width, 4 * width))

    def train(self, mode: bool = True) -> StillFaceModel:
        """The expert stays in eval mode."""
        super().train(mode)
        self.expert.eval()
        return self

    @torch.no_grad()
    def talk(self, speaker: Speaker) -> TalkingFace:
        """As `Model.talk`; the model is in eval mode.

        Raises:
            InputError: there is no face, or one of another size.
        """
        size, device = self.face_size, next(self.parameters()).device
        if speaker.face is None or speaker.face.shape != (size, size, 3):
            shape = "missing" if speaker.face is None else f"of shape {speaker.face.shape}"
            raise InputError("the still face", f"is {shape}", f"give one of {size} x {size} pixels")
        level = max(float(as_wave(speaker.wave).square().mean().sqrt()), MIN_LEVEL)
        still = signed(torch.from_numpy(np.array(speaker.face)).permute(2, 0, 1)[None].to(device))
        rows, columns = lower_half(size)
        encoded = self.painter.encode(still[..., rows, columns])
        still_maps = [maps.expand(BLOCK, -1, -1, -1).contiguous() for maps in encoded]

        def generate(wave: Tensor) -> Tensor:
            speech, loudness = self.speech_features(wave / level)
            return self.generate_mouths(still_maps, speech, loudness)[0]

        return StillTalkingFace(generate, still, idle=IdleMotion(seed=speaker.seed, strength=self.idle))

    def turns(self) -> list[Turn]:
        """The discriminator, where it has a weight, then the generator."""
        own = [*self.motion.parameters(), *self.painter.parameters()]
        animate = Turn("generator", own, self.generator_loss)
        if not self.loss_weights.judge:
            return [animate]
        return [Turn("discriminator", list(self.judge.parameters()), self.discriminator_loss), animate]

    def weights(self) -> dict[str, Tensor]:
        """All but the discriminator, which only training needs."""
        return {k: v for k, v in super().weights().items() if not k.startswith("judge.")}

    @torch.no_grad()
    def speech_features(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        """Speech features around each frame ``(n, size)`` and its loudness ``(n,)`` from 0 to 1.

        Args:
            wave: ``((n + 2 * PAD) * HOP,)`` with a root mean square of about 1, from `PAD` frames before the
                first frame to `PAD` behind the last.
        """
        count = len(wave) // HOP - 2 * PAD
        bank = mel_bank(bands=BANDS, fft=400, rate=SAMPLE_RATE).to(wave)
        power = power_frames(wave[None], fft=400, hop=HOP // HOPS)[0, : HOPS * (count + 2 * PAD)]
        mels = torch.log(power @ bank + 1e-5)
        sounds = self.expert.sound_embeddings(mels)
        at = torch.arange(count, device=wave.device) + PAD
        # Embeddings have length 1: brought to a mean square of about 1, as the mels beside them have.
        embeddings = [sounds[at - _CENTRE + offset] * sounds.shape[1] ** 0.5 for offset in _OFFSETS]
        near = HOPS * at[:, None] - _BEFORE + torch.arange(_ROWS, device=wave.device)
        standardised = (mels - self.expert.get_buffer("mean")) / self.expert.get_buffer("deviation")
        levels = wave.reshape(-1, HOP // HOPS).square().mean(1).sqrt().unfold(0, 6 * HOPS, HOPS)
        loudness = ((levels.amax(1)[at - 2] - _QUIET) / (_LOUD - _QUIET)).clamp(0, 1)
        return torch.cat([*embeddings, standardised[near].flatten(1) / 2], dim=1), loudness

    def generate_mouths(
        self, still_maps: list[Tensor], speech: Tensor, loudness: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Lower halves of encoded stills, one row per frame, and the share of them that is generated."""
        generated: tuple[Tensor, Tensor] = self.painter(still_maps, self.motion(speech, loudness))
        return generated

    def shared(self, batch: Batch) -> dict[str, Any]:
        """Generated and real lower halves in [-1, 1], one row per clip and frame."""
        speech, count = batch["speech"], batch["speech"].shape[1]
        encoded = self.painter.encode(signed(batch["stills"]))
        encoded = [maps.repeat_interleave(count, 0) for maps in encoded]
        generated, inpainted = self.generate_mouths(
            encoded, speech.flatten(0, 1), batch["loudness"].flatten(0, 1)
        )
        real = signed(batch["frames"].flatten(0, 1))
        return {"generated": generated, "inpainted": inpainted, "real": real}

    def discriminator_loss(self, batch: Batch, shared: dict[str, Any]) -> dict[str, Tensor]:
        """Real patches to 1, generated ones to 0."""
        pictures = shared["real"], shared["generated"].detach()
        real, fake = (torch.cat(self.judge(some[::2]), 1) for some in pictures)
        return {"loss": least_squares_discriminator(real, fake), "real": real.mean(), "fake": fake.mean()}

    def generator_loss(self, batch: Batch, shared: dict[str, Any]) -> dict[str, Tensor]:
        """Pixels, gradients, lips and the discriminator's loss."""
        weights, generated, real = self.loss_weights, shared["generated"], shared["real"]
        side = generated.shape[-1]
        difference = (generated - real).abs()
        middle = difference[..., side // 4 : 7 * side // 8, side // 6 : side - side // 6]
        losses: dict[str, tuple[float, Tensor]] = {
            "pixels": (weights.pixels, difference.mean() + middle.mean()),
            "gradient": (weights.gradient, gradient_loss(generated, real)),
            "inpaint": (weights.inpaint, shared["inpainted"].mean()),
        }
        if weights.lips and batch["frames"].shape[1] >= FRAMES:
            own, target = (self.lip_embeddings(half, len(batch["frames"])) for half in (generated, real))
            losses["lips"] = weights.lips, 1 - (own * target.detach()).sum(-1).mean()
            losses["sync"] = weights.lips, 1 - (own * batch["sounds"]).sum(-1).mean()
        if weights.judge:
            losses["adversarial"] = (
                weights.judge,
                least_squares_generator(torch.cat(self.judge(generated), 1)),
            )
        loss = sum((weight * value for weight, value in losses.values()), generated.new_zeros(()))
        return {"loss": loss} | {name: value.detach() for name, (_, value) in losses.items()}

    def lip_embeddings(self, halves: Tensor, clips: int) -> Tensor:
        """The expert's embeddings ``(clips, t - 4, dim)`` of the mouths of ``clips * t`` lower halves."""
        mouths = mouth_crops(halves.float(), size=self.expert.mouth.size)
        return self.expert.mouth_embeddings(mouths.reshape(clips, -1, *mouths.shape[1:]))


def signed(pictures: Tensor) -> Tensor:
    """uint8 pictures in [-1, 1]."""
    return pictures.float() / 127.5 - 1
