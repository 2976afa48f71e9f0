"""A still face that talks as the sound arrives: the same frames however the sound is cut."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.face.align import template_points
from voiceface.models.talking_face import frame_count
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.face.mouth_animation import warp

Frames = npt.NDArray[np.uint8]

TEMPLATE = "head"
"""How the animated faces are aligned: as the Imaginer's are."""
HOP = 640
"""Samples at 16 kHz of one frame."""
PAD = 6
"""Frames of sound needed on either side of the generated ones."""
BLOCK = 8
"""Frames generated at once, always: a network's last bits depend on the batch size."""

_FPS = 25.0
_BLINK_EVERY, _BLINK_SECONDS = 4.0, 0.28


def lower_half(size: int) -> tuple[slice, slice]:
    """Rows and columns of the part of a ``head`` picture that speech moves: half its side.

    >>> lower_half(128)
    (slice(62, 126, None), slice(32, 96, None))
    """
    top, left, side = size * 31 // 64, size // 4, size // 2
    return slice(top, top + side), slice(left, left + side)


class IdleMotion:
    """Blinks and a slow head motion, each a function of the frame's index and the seed.

    Args:
        seed: random seed.
        strength: scale of both; 0 for a head that keeps still and never blinks.
    """

    def __init__(self, *, seed: int, strength: float = 1.0) -> None:
        random = np.random.default_rng([seed & 0xFFFFFFFF, 0x1D1E])
        self.strength, self.seed = strength, seed & 0xFFFFFFFF
        self._rates = random.uniform(0.08, 0.45, (3, 3))
        self._phases = random.uniform(0, 2 * math.pi, (3, 3))

    def sway(self, frames: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Shifts right and down, in shares of the picture's side, and rotation in radians: ``(n, 3)``."""
        at = frames[:, None, None] / _FPS
        waves = np.sin(2 * math.pi * self._rates * at + self._phases).mean(axis=2)
        motion: npt.NDArray[np.float64] = self.strength * waves * np.array([0.012, 0.008, 0.02])
        return motion

    def lids(self, frames: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """How far the eyelids are closed, ``(n,)`` from 0 to 1: one blink in every four seconds."""
        at = frames / _FPS
        spans = np.floor(at / _BLINK_EVERY).astype(int)
        closed = np.zeros(len(frames))
        for span in np.unique(spans).tolist():
            random = np.random.default_rng([self.seed, 0xB11, span])
            begin = span * _BLINK_EVERY + random.uniform(0.2, _BLINK_EVERY - _BLINK_SECONDS - 0.2)
            phase = (at - begin) / _BLINK_SECONDS
            closed = np.maximum(closed, np.clip(1.6 * np.sin(math.pi * np.clip(phase, 0, 1)), 0, 1))
        scaled: npt.NDArray[np.float64] = min(1.0, self.strength) * closed
        return scaled


class StillTalkingFace:
    """A `voiceface.models.talking_face.TalkingFace` of a still face.

    Eight frames are generated from a segment of sound of one length, whatever came before: nothing drifts,
    and nothing depends on how the sound was cut.

    Args:
        generate: from sound ``((BLOCK + 2 * PAD) * HOP,)``, which begins `PAD` frames before the first
            generated frame and ends `PAD` behind the last, to lower halves ``(BLOCK, 3, side, side)`` in
            [-1, 1].
        still: the face ``(1, 3, size, size)`` in [-1, 1].
        idle: blinks and head motion.
    """

    def __init__(self, generate: Callable[[Tensor], Tensor], still: Tensor, *, idle: IdleMotion) -> None:
        self.generate, self.idle = generate, idle
        self.size = still.shape[-1]
        self.still = still.expand(BLOCK, -1, -1, -1)
        self.eyelids = _eyelids(self.size).to(still.device)
        self.samples = self.generated = 0
        self._waiting = np.zeros(PAD * HOP, np.float32)
        """Sound from `PAD` frames before the next frame on."""

    def feed(self, wave: npt.NDArray[np.float32], /) -> Frames:
        """As `voiceface.models.talking_face.TalkingFace.feed`."""
        self.samples += len(wave)
        self._waiting = np.concatenate([self._waiting, np.asarray(wave, np.float32)])
        blocks = [np.zeros((0, self.size, self.size, 3), np.uint8)]
        while len(self._waiting) >= (BLOCK + 2 * PAD) * HOP:
            blocks.append(self._block())
        return np.concatenate(blocks)

    def close(self) -> Frames:
        """As `voiceface.models.talking_face.TalkingFace.close`.

        Raises:
            InputError: no sound was fed.
        """
        left = frame_count(self.samples, _FPS) - self.generated
        missing = (left + BLOCK + 2 * PAD) * HOP - len(self._waiting)
        self._waiting = np.pad(self._waiting, (0, max(0, missing)))
        blocks = [np.zeros((0, self.size, self.size, 3), np.uint8)]
        blocks += [self._block() for _ in range(-(-left // BLOCK))]
        return np.concatenate(blocks)[: max(0, left)]

    @torch.no_grad()
    def _block(self) -> Frames:
        wave = as_wave(self._waiting[: (BLOCK + 2 * PAD) * HOP]).to(self.still.device)
        pictures = self.still.clone()
        rows, columns = lower_half(self.size)
        pictures[..., rows, columns] = self.generate(wave).to(pictures.dtype)
        pictures = self._move_head(pictures, np.arange(self.generated, self.generated + BLOCK))
        self._waiting = self._waiting[BLOCK * HOP :]
        self.generated += BLOCK
        pixels = ((pictures + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return pixels.permute(0, 2, 3, 1).cpu().numpy()

    def _move_head(self, pictures: Tensor, frames: npt.NDArray[np.int64]) -> Tensor:
        """Blinks and head motion as one warp."""
        if not self.idle.strength:
            return pictures
        size = pictures.shape[-1]
        sway = torch.from_numpy(self.idle.sway(frames)).to(pictures)[:, :, None, None]
        lids = torch.from_numpy(self.idle.lids(frames)).to(pictures)[:, None, None, None]
        steps = (torch.arange(size, device=pictures.device) + 0.5) / size - 0.5
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        turned = torch.cat([-sway[:, 2:] * y - sway[:, :1], sway[:, 2:] * x - sway[:, 1:2]], dim=1)
        # Inner parts move, the edge stays: no border becomes visible.
        near = F.relu(1 - 2 * torch.maximum(x.abs(), y.abs())).clamp_max(0.25) * 4
        down = torch.cat([torch.zeros_like(lids * self.eyelids), -lids * self.eyelids], dim=1)
        return warp(pictures, turned * near + down)


def _eyelids(size: int) -> Tensor:
    """How far above each pixel the skin lies that covers it when the eyes are shut, (1, 1, size, size)."""
    points = template_points(TEMPLATE, size)
    position = np.arange(size) + 0.5
    offset = np.zeros((size, size))
    for corners in (points[0:2], points[2:4]):
        middle, wide = corners.mean(0), float(np.ptp(corners[:, 0])) / 2
        across = np.clip(1 - ((position[None] - middle[0]) / (1.25 * wide)) ** 2, 0, 1)
        below = (position[:, None] - middle[1]) / (0.75 * wide)
        along = np.clip(1 - below**2, 0, 1)
        offset = np.maximum(offset, across * along**0.5 * 0.85 * wide / size)
    return torch.from_numpy(offset).float()[None, None]
