"""Features of clips for the Fréchet Video Distance, by the published I3D, whose weights the user has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.models.published_weights import find_weights, load_tensors, read_tensors
from voiceface.nn.i3d import LEAST_FRAMES, SIDE, I3d

FILES = ("rgb_imagenet.pt",)
VARIABLE = "VOICEFACE_I3D"


class ClipFeatures:
    """Logits of I3D, a row a clip."""

    def __init__(self, network: I3d) -> None:
        self.network = network.eval().requires_grad_(False)

    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The row (classes,) of a clip (frames, height, width, 3) uint8, resized to 224 pixels.

        Raises:
            InputError: fewer than 9 frames, or no such array.
        """
        if frames.ndim != 4 or frames.shape[3] != 3 or len(frames) < LEAST_FRAMES:
            fault = f"has the shape {frames.shape}"
            raise InputError("clip for FVD", fault, f"give {LEAST_FRAMES} frames or more of 3 colours")
        with torch.inference_mode():
            pictures = torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2).float()
            sized = F.interpolate(pictures, (SIDE, SIDE), mode="bilinear", align_corners=False)
            row = self.network((sized / 127.5 - 1).transpose(0, 1)[None])[0]
        return np.asarray(row.double().numpy())


def load_i3d(weights: str | Path | None = None) -> ClipFeatures:
    """Load I3D as it was published for PyTorch.

    Args:
        weights: ``rgb_imagenet.pt`` or its folder; else ``VOICEFACE_I3D``.

    Raises:
        MissingPartError: no file is there.
        InputError: it is damaged, holds code or is of another network; the tensor is named.
    """
    path = find_weights("i3d", weights, variable=VARIABLE, repositories=(), files=FILES)
    tensors = read_tensors(path)
    last = tensors.get("logits.conv3d.bias")
    with torch.random.fork_rng(devices=()):
        network = I3d(400 if last is None else len(last))
    load_tensors(network, tensors, path)
    return ClipFeatures(network)
