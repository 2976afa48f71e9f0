"""Faces of a generator cut for dlib's recogniser, with gradients."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.face.align import TEMPLATES

_SIZE = 150


def align_for_dlib(faces: Tensor, *, template: str) -> Tensor:
    """Faces (n, 3, size, size) in [-1, 1], aligned to ``template``, as (n, 3, 150, 150) in [0, 255].

    What `align_generated_faces` does to pictures, within interpolation.
    """
    left, top, side = TEMPLATES[template]
    to_left, to_top, to_side = TEMPLATES["dlib"]
    grid = (torch.arange(_SIZE, device=faces.device) + 0.5) / _SIZE * to_side
    across, down = (grid + to_left - left) / side * 2 - 1, (grid + to_top - top) / side * 2 - 1
    points = torch.stack([across.expand(_SIZE, _SIZE), down[:, None].expand(_SIZE, _SIZE)], dim=-1)
    cut = F.grid_sample(
        faces, points.expand(len(faces), -1, -1, -1), padding_mode="border", align_corners=False
    )
    return ((cut.clamp(-1, 1) + 1) * 127.5).contiguous(memory_format=torch.channels_last)
