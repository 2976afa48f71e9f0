"""A still face that talks as the sound arrives: the same frames however the sound is cut."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.face.align import template_points
from voiceface.models.block_talking_face import BLOCK, BlockTalkingFace, Frames
from voiceface.models.idle_motion import IdleMotion
from voiceface.nn.face.mouth_animation import warp

TEMPLATE = "head"
"""How the animated faces are aligned: as the Imaginer's are."""


def lower_half(size: int) -> tuple[slice, slice]:
    """Rows and columns of the part of a ``head`` picture that speech moves: half its side.

    >>> lower_half(128)
    (slice(62, 126, None), slice(32, 96, None))
    """
    top, left, side = size * 31 // 64, size // 4, size // 2
    return slice(top, top + side), slice(left, left + side)


class StillTalkingFace(BlockTalkingFace):
    """A talking face whose still is warped by a network.

    Args:
        generate: from sound, as `BlockTalkingFace.frames` gets it, to lower halves
            ``(BLOCK, 3, side, side)`` in [-1, 1].
        still: the face ``(1, 3, size, size)`` in [-1, 1].
        idle: blinks and head motion.
    """

    def __init__(self, generate: Callable[[Tensor], Tensor], still: Tensor, *, idle: IdleMotion) -> None:
        super().__init__(*still.shape[-2:])
        self.generate, self.idle = generate, idle
        self.size = still.shape[-1]
        self.still = still.expand(BLOCK, -1, -1, -1)
        self.eyelids = _eyelids(self.size).to(still.device)

    def frames(self, wave: Tensor, indices: npt.NDArray[np.int64]) -> Frames:
        """As `BlockTalkingFace.frames`."""
        pictures = self.still.clone()
        rows, columns = lower_half(self.size)
        pictures[..., rows, columns] = self.generate(wave.to(self.still.device)).to(pictures.dtype)
        pictures = self._move_head(pictures, indices)
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
