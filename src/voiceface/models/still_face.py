"""Speech-driven animation of a still face: what is heard becomes a motion, the motion moves the mouth.

Source: Vougioukas, Petridis, Pantic 2018 and 2020 (speech-driven animation from one picture and the sound);
the picture is bent and only what the lips hid is painted, as in Siarohin et al. 2019 (first-order motion).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.audio.mel import mel_bank, power_frames
from voiceface.audio.sync_features import BANDS, HOPS
from voiceface.face.align import TEMPLATES
from voiceface.face.mouth import WINDOW as MOUTH
from voiceface.models.model import Batch, Model, Turn
from voiceface.models.sync_expert import SyncModel
from voiceface.nn.face.mouth_animation import MotionNet, MouthGenerator
from voiceface.nn.face.refiner import PatchDiscriminator
from voiceface.nn.loss.adversarial import least_squares_discriminator, least_squares_generator
from voiceface.nn.loss.frame_losses import gradient_loss
from voiceface.nn.sync_towers import FRAMES

__all__ = [
    "HOP",
    "MIN_LEVEL",
    "PAD",
    "TEMPLATE",
    "StillFaceModel",
    "Weights",
    "lower_half",
    "mouth_crops",
    "signed",
]

TEMPLATE = "head"
"""Of the faces that are animated: the Imaginer's."""
HOP = 640
"""Samples of 16 kHz that a frame stands."""
PAD = 6
"""Frames of sound needed on either side of those to be drawn."""
MIN_LEVEL = 1e-3
"""The smallest root mean square that sound is raised from: what is quieter is silence."""

_OFFSETS = (-2, 0, 2)
_CENTRE = FRAMES // 2
_BEFORE, _ROWS = 4, 12
_QUIET, _LOUD = 0.04, 0.14
"""Loudness, in shares of the recording's, at which the mouth rests and moves freely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Of the losses; a judge of weight 0 does not play."""

    pixels: float = 10.0
    """L1, twice as much around the mouth."""
    gradient: float = 10.0
    lips: float = 1.0
    """The sync expert's rows of drawn mouths from those of the real ones, and from the sound's."""
    judge: float = 0.1
    paint: float = 0.05
    """How much is painted rather than bent."""


def lower_half(size: int) -> tuple[slice, slice]:
    """Rows and columns of the part of a ``head`` picture that talking moves, half as wide as it.

    >>> lower_half(128)
    (slice(62, 126, None), slice(32, 96, None))
    """
    top, left, side = size * 31 // 64, size // 4, size // 2
    return slice(top, top + side), slice(left, left + side)


def mouth_crops(halves: Tensor, *, size: int = 48) -> Tensor:
    """Grey mouths of lower halves ``(n, 3, side, side)`` in [-1, 1] as a sync expert wants them.

    Gradients flow; ``(n, size, size)`` from 0 to 255, as `crop_mouths` gives of whole faces.
    """
    left, top, span = TEMPLATES[TEMPLATE]
    weights = halves.new_tensor([0.299, 0.587, 0.114])
    grey = torch.einsum("nchw,c->nhw", (halves + 1) * 127.5, weights)[:, None]
    steps = (torch.arange(size, device=halves.device, dtype=halves.dtype) + 0.5) / size
    # The mouth's window in shares of the picture, then of its lower half.
    side = 2 * halves.shape[-1]
    rows, columns = lower_half(side)
    x = ((MOUTH[0] + MOUTH[2] * steps - left) / span - columns.start / side) * 2
    y = ((MOUTH[1] + MOUTH[2] * steps - top) / span - rows.start / side) * 2
    grid = torch.stack(torch.meshgrid(2 * x - 1, 2 * y - 1, indexing="xy"), dim=-1)
    grid = grid.expand(len(grey), -1, -1, -1)
    return F.grid_sample(grey, grid, mode="bilinear", padding_mode="border", align_corners=False)[:, 0]


class StillFaceModel(Model):
    """Listens with a frozen sync expert's ear, moves the lower half of a still face.

    A batch holds, of clips c and consecutive frames t: ``heard (c, t, n)``, ``loud (c, t)``,
    ``frames (c, t, 3, side, side)`` uint8 lower halves, ``stills (c, 3, side, side)`` uint8 of the same clips
    and ``sounds (c, t - 4, dim)``, the expert's rows of the sound.

    Args:
        expert: a trained sync expert; its ear hears, its eye judges.
        size: pixels a side of the whole pictures; networks see the lower half, half as wide.
        motion: numbers of a motion.
        width: channels of the painter.
        judge: channels of the judge's first layer.
        weights: of the losses.
    """

    def __init__(
        self,
        *,
        expert: SyncModel,
        size: int = 128,
        motion: int = 32,
        width: int = 16,
        judge: int = 16,
        weights: Weights | None = None,
    ) -> None:
        super().__init__()
        self.size, self.terms = size, weights or Weights()
        self.expert = expert.requires_grad_(False)
        heard = len(_OFFSETS) * expert.sound.out.out_features + _ROWS * BANDS
        self.motion = MotionNet(heard=heard, motion=motion)
        self.painter = MouthGenerator(motion=motion, width=width, size=size // 2)
        self.judge = PatchDiscriminator(channels=(judge, 2 * judge, 4 * judge))

    def train(self, mode: bool = True) -> StillFaceModel:
        """The expert stays as it is."""
        super().train(mode)
        self.expert.eval()
        return self

    def turns(self) -> list[Turn]:
        """The judge, where it plays, then the animation."""
        own = [*self.motion.parameters(), *self.painter.parameters()]
        animate = Turn("animate", own, self.animate)
        if not self.terms.judge:
            return [animate]
        return [Turn("judge", list(self.judge.parameters()), self.look), animate]

    def weights(self) -> dict[str, Tensor]:
        """All but the judge, which only training needs."""
        return {k: v for k, v in super().weights().items() if not k.startswith("judge.")}

    @torch.no_grad()
    def listen(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        """What is heard around each frame ``(n, heard)`` and how loud it is ``(n,)`` from 0 to 1.

        Args:
            wave: ``((n + 2 * PAD) * HOP,)`` with a root mean square of about 1, from `PAD` frames before the
                first frame to `PAD` behind the last.
        """
        count = len(wave) // HOP - 2 * PAD
        bank = mel_bank(bands=BANDS, fft=400, rate=16_000).to(wave)
        power = power_frames(wave[None], fft=400, hop=HOP // HOPS)[0, : HOPS * (count + 2 * PAD)]
        mels = torch.log(power @ bank + 1e-5)
        rows = self.expert.sound_embeddings(mels)
        at = torch.arange(count, device=wave.device) + PAD
        # Rows have length 1: brought to a mean square of about 1 a number, as the mels beside them have.
        heard = [rows[at - _CENTRE + offset] * rows.shape[1] ** 0.5 for offset in _OFFSETS]
        near = HOPS * at[:, None] - _BEFORE + torch.arange(_ROWS, device=wave.device)
        placed = (mels - self.expert.get_buffer("mean")) / self.expert.get_buffer("deviation")
        parts = wave.reshape(-1, HOP // HOPS).square().mean(1).sqrt().unfold(0, 6 * HOPS, HOPS)
        loudest = parts.amax(1)[at - 2]
        loud = ((loudest - _QUIET) / (_LOUD - _QUIET)).clamp(0, 1)
        return torch.cat([*heard, placed[near].flatten(1) / 2], dim=1), loud

    def draw(self, seen: list[Tensor], heard: Tensor, loud: Tensor) -> tuple[Tensor, Tensor]:
        """Lower halves and what of them is painted, of stills that the painter looked at, a row a frame."""
        drawn: tuple[Tensor, Tensor] = self.painter(seen, self.motion(heard, loud))
        return drawn

    def shared(self, batch: Batch) -> dict[str, Any]:
        """Drawn and real halves in [-1, 1], a row a clip and frame."""
        heard, count = batch["heard"], batch["heard"].shape[1]
        seen = self.painter.look(signed(batch["stills"]))
        seen = [maps.repeat_interleave(count, 0) for maps in seen]
        drawn, painted = self.draw(seen, heard.flatten(0, 1), batch["loud"].flatten(0, 1))
        return {"drawn": drawn, "painted": painted, "real": signed(batch["frames"].flatten(0, 1))}

    def look(self, batch: Batch, shared: dict[str, Any]) -> dict[str, Tensor]:
        """The judge: real patches to 1, drawn ones to 0."""
        some = slice(None, None, 2)
        real, fake = (torch.cat(self.judge(p[some]), 1) for p in (shared["real"], shared["drawn"].detach()))
        return {"loss": least_squares_discriminator(real, fake), "real": real.mean(), "fake": fake.mean()}

    def animate(self, batch: Batch, shared: dict[str, Any]) -> dict[str, Tensor]:
        """Pixels, edges, lips and the judge's opinion."""
        terms, drawn, real = self.terms, shared["drawn"], shared["real"]
        side = drawn.shape[-1]
        apart = (drawn - real).abs()
        middle = apart[..., side // 4 : 7 * side // 8, side // 6 : side - side // 6]
        told: dict[str, tuple[float, Tensor]] = {
            "pixels": (terms.pixels, apart.mean() + middle.mean()),
            "gradient": (terms.gradient, gradient_loss(drawn, real)),
            "paint": (terms.paint, shared["painted"].mean()),
        }
        if terms.lips and batch["frames"].shape[1] >= FRAMES:
            own, other = (self.lip_embeddings(p, len(batch["frames"])) for p in (drawn, real))
            sounds = batch["sounds"]
            told["lips"] = terms.lips, 1 - (own * other.detach()).sum(-1).mean()
            told["heard"] = terms.lips, 1 - (own * sounds).sum(-1).mean()
        if terms.judge:
            told["judge"] = terms.judge, least_squares_generator(torch.cat(self.judge(drawn), 1))
        loss = sum((weight * value for weight, value in told.values()), drawn.new_zeros(()))
        return {"loss": loss} | {name: value.detach() for name, (_, value) in told.items()}

    def lip_embeddings(self, halves: Tensor, clips: int) -> Tensor:
        """The expert's rows ``(clips, t - 4, dim)`` of the mouths of ``clips * t`` lower halves."""
        mouths = mouth_crops(halves.float(), size=self.expert.mouth.size)
        return self.expert.mouth_embeddings(mouths.reshape(clips, -1, *mouths.shape[1:]))


def signed(pictures: Tensor) -> Tensor:
    """uint8 pictures in [-1, 1]."""
    return pictures.float() / 127.5 - 1
