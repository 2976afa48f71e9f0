"""LPIPS with its published weights, which the user has: torchvision's AlexNet and the wheel ``lpips``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from voiceface.errors import InputError, MissingPartError
from voiceface.models.published_weights import file_in_package, find_weights, load_tensors, read_tensors
from voiceface.nn.lpips import Lpips

FILES = ("alexnet-owt-7be5be79.pth",)
VARIABLE = "VOICEFACE_ALEXNET"

_LEAST = 31
_BATCH = 16


class PerceptualDistance:
    """Distances of pairs of pictures."""

    def __init__(self, network: Lpips) -> None:
        self.network = network.eval().requires_grad_(False)

    def __call__(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Distances (n,) of pictures (n, height, width, 3) uint8, 0 for equal ones.

        Raises:
            InputError: two shapes, or a side below 31 pixels.
        """
        if first.shape != second.shape or min(first.shape[1:3]) < _LEAST:
            fault = f"are {first.shape} and {second.shape}"
            raise InputError("pictures for LPIPS", fault, f"give equal sizes of {_LEAST} pixels or more")
        found = []
        with torch.inference_mode():
            for start in range(0, len(first), _BATCH):
                both = [
                    torch.from_numpy(np.array(side[start : start + _BATCH])).permute(0, 3, 1, 2).float()
                    / 127.5
                    - 1
                    for side in (first, second)
                ]
                found.append(self.network(*both).double())
        return np.asarray(torch.cat(found).numpy())


def _scaled(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """Pictures (n, 3, height, width) in [-1, 1]."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def load_lpips(weights: str | Path | None = None, *, linear: Path | None = None) -> PerceptualDistance:
    """Load LPIPS on AlexNet, version 0.1.

    Args:
        weights: torchvision's ``alexnet-owt-7be5be79.pth`` or its folder; else ``VOICEFACE_ALEXNET``.
        linear: ``alex.pth`` of LPIPS; by default that in the wheel ``lpips``, which is not imported.

    Raises:
        MissingPartError: a file is not there.
        InputError: a file is damaged, holds code or is of another network; the tensor is named.
    """
    alexnet = find_weights("lpips", weights, variable=VARIABLE, repositories=(), files=FILES)
    tuned = linear or file_in_package("lpips", "weights/v0.1/alex.pth")
    if tuned is None:
        fault = "the weights in the wheel lpips are not installed"
        raise MissingPartError("lpips", fault, "pip install --no-deps lpips")
    with torch.random.fork_rng(devices=()):
        network = Lpips()
    load_tensors(network.backbone, read_tensors(alexnet), alexnet, ignored=("classifier.",))
    names = {f"{at}.weight": f"lin{at}.model.1.weight" for at in range(len(network.lins))}
    load_tensors(network.lins, read_tensors(tuned), tuned, rename=names.__getitem__)
    return PerceptualDistance(network)
