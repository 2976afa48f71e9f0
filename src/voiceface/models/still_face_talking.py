"""A still face that talks as the sound arrives: the same frames however the sound is cut."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.errors import InputError
from voiceface.face.align import template_points
from voiceface.models.still_face import HOP, MIN_LEVEL, PAD, TEMPLATE, StillFaceModel, lower_half, signed
from voiceface.models.talking_face import Who, frames_of
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.face.mouth_animation import bent

__all__ = ["StillTalkingFace", "IdleMotion"]

Frames = npt.NDArray[np.uint8]

_BLOCK = 8
"""Frames drawn at once, always: a network's last bits depend on how many go through it together."""
_FPS = 25.0
_BLINK_EVERY, _BLINK_SECONDS = 4.0, 0.28


class IdleMotion:
    """What a face does of itself: blinks and a slow sway, each a function of the frame's number and the seed.

    Args:
        seed: of phases and moments.
        strength: 0 for a head that keeps still and never blinks.
    """

    def __init__(self, *, seed: int, strength: float = 1.0) -> None:
        random = np.random.default_rng([seed & 0xFFFFFFFF, 0x1D1E])
        self.strength, self.seed = strength, seed & 0xFFFFFFFF
        self._rates = random.uniform(0.08, 0.45, (3, 3))
        self._phases = random.uniform(0, 2 * math.pi, (3, 3))

    def sway(self, frames: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Shares of the picture moved right and down and radians turned, ``(n, 3)``."""
        at = frames[:, None, None] / _FPS
        waves = np.sin(2 * math.pi * self._rates * at + self._phases).mean(axis=2)
        moved: npt.NDArray[np.float64] = self.strength * waves * np.array([0.012, 0.008, 0.02])
        return moved

    def shut(self, frames: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """How far the lids are shut, ``(n,)`` from 0 to 1: one blink somewhere in every four seconds."""
        at = frames / _FPS
        spans = np.floor(at / _BLINK_EVERY).astype(int)
        found = np.zeros(len(frames))
        for span in np.unique(spans).tolist():
            random = np.random.default_rng([self.seed, 0xB11, span])
            begin = span * _BLINK_EVERY + random.uniform(0.2, _BLINK_EVERY - _BLINK_SECONDS - 0.2)
            place = (at - begin) / _BLINK_SECONDS
            found = np.maximum(found, np.clip(1.6 * np.sin(math.pi * np.clip(place, 0, 1)), 0, 1))
        moved: npt.NDArray[np.float64] = min(1.0, self.strength) * found
        return moved


class StillTalkingFace:
    """A `voiceface.models.talking_face.TalkingFace` of a still face.

    Eight frames are drawn from a stretch of sound of one length, whatever came before: nothing can drift,
    and nothing depends on how the sound was cut.

    Args:
        model: in eval mode.
        who: whose ``face`` is animated.
        idle: strength of blinks and sway.

    Raises:
        InputError: there is no face, or one of another size.
    """

    def __init__(self, model: StillFaceModel, who: Who, *, idle: float = 1.0) -> None:
        size = model.size
        if who.face is None or who.face.shape != (size, size, 3):
            shape = "none" if who.face is None else f"one of shape {who.face.shape}"
            raise InputError("the still face", f"is {shape}", f"give one of {size} pixels a side")
        self.model, self.device = model, next(model.parameters()).device
        wave = as_wave(who.wave)
        level = float(wave.square().mean().sqrt()) if len(wave) else 0.0
        self.level = max(level, MIN_LEVEL)
        face = torch.from_numpy(np.array(who.face)).permute(2, 0, 1)[None].to(self.device)
        self.rows, self.columns = lower_half(size)
        with torch.no_grad():
            seen = model.painter.look(signed(face[..., self.rows, self.columns]))
        self.seen = [maps.expand(_BLOCK, -1, -1, -1).contiguous() for maps in seen]
        self.still = signed(face).expand(_BLOCK, -1, -1, -1)
        self.idle = IdleMotion(seed=who.seed, strength=idle)
        self.lids = _lids(size).to(self.device)
        self.samples = self.drawn = 0
        self._kept = np.zeros(PAD * HOP, np.float32)
        """Sound from `PAD` frames before the next frame to be drawn."""

    def feed(self, wave: npt.NDArray[np.float32], /) -> Frames:
        """As `voiceface.models.talking_face.TalkingFace.feed`."""
        self.samples += len(wave)
        self._kept = np.concatenate([self._kept, np.asarray(wave, np.float32)])
        made = []
        while len(self._kept) >= (_BLOCK + 2 * PAD) * HOP:
            made.append(self._block())
        return np.concatenate(made) if made else self._none()

    def close(self) -> Frames:
        """As `voiceface.models.talking_face.TalkingFace.close`.

        Raises:
            InputError: no sound was fed.
        """
        left = frames_of(self.samples, _FPS) - self.drawn
        missing = (left + _BLOCK + 2 * PAD) * HOP - len(self._kept)
        self._kept = np.pad(self._kept, (0, max(0, missing)))
        made = [self._block() for _ in range(-(-left // _BLOCK))]
        return np.concatenate(made)[:left] if made else self._none()

    def _none(self) -> Frames:
        return np.zeros((0, self.model.size, self.model.size, 3), np.uint8)

    @torch.no_grad()
    def _block(self) -> Frames:
        wave = as_wave(self._kept[: (_BLOCK + 2 * PAD) * HOP]).to(self.device)
        heard, loud = self.model.listen(wave / self.level)
        halves, _ = self.model.draw(self.seen, heard, loud)
        pictures = self.still.clone()
        pictures[..., self.rows, self.columns] = halves.to(pictures.dtype)
        pictures = self._idle(pictures, np.arange(self.drawn, self.drawn + _BLOCK))
        self._kept = self._kept[_BLOCK * HOP :]
        self.drawn += _BLOCK
        pixels = ((pictures + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return pixels.permute(0, 2, 3, 1).cpu().numpy()

    def _idle(self, pictures: Tensor, frames: npt.NDArray[np.int64]) -> Tensor:
        """Blinks and sway as one bending."""
        if not self.idle.strength:
            return pictures
        size = pictures.shape[-1]
        moved = torch.from_numpy(self.idle.sway(frames)).to(pictures)[:, :, None, None]
        shut = torch.from_numpy(self.idle.shut(frames)).to(pictures)[:, None, None, None]
        steps = (torch.arange(size, device=pictures.device) + 0.5) / size - 0.5
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        turned = torch.cat([-moved[:, 2:] * y - moved[:, :1], moved[:, 2:] * x - moved[:, 1:2]], dim=1)
        # Inner parts move, the edge stays: no border comes into sight.
        near = F.relu(1 - 2 * torch.maximum(x.abs(), y.abs())).clamp_max(0.25) * 4
        down = torch.cat([torch.zeros_like(shut * self.lids), -shut * self.lids], dim=1)
        return bent(pictures, turned * near + down)


def _lids(size: int) -> Tensor:
    """How far above a pixel the skin comes from that covers it when the lids are shut, (1, 1, size, size)."""
    points = template_points(TEMPLATE, size)
    place = np.arange(size) + 0.5
    found = np.zeros((size, size))
    for corners in (points[0:2], points[2:4]):
        middle, wide = corners.mean(0), float(np.ptp(corners[:, 0])) / 2
        across = np.clip(1 - ((place[None] - middle[0]) / (1.25 * wide)) ** 2, 0, 1)
        below = (place[:, None] - middle[1]) / (0.75 * wide)
        along = np.clip(1 - below**2, 0, 1)
        found = np.maximum(found, across * along**0.5 * 0.85 * wide / size)
    return torch.from_numpy(found).float()[None, None]
