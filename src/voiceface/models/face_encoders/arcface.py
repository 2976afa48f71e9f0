"""ArcFace in insightface's PyTorch layout (iResNet), 512 numbers a face; needs weights (docs/encoders.md).

The state dict (``backbone.pth``) and not the ONNX file: it needs no further package, is read as tensors
only, and errors name the tensor that does not fit. insightface is not needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from voiceface.errors import InputError
from voiceface.models.face_encoder import NetworkFace
from voiceface.models.published_weights import digest, find_weights, load_tensors, read_tensors
from voiceface.nn.face.iresnet import IResNet

FILES = ("backbone.pth", "model.pt", "arcface.safetensors")
VARIABLE = "VOICEFACE_ARCFACE"

_SIDE = 112


def load(weights: str | Path | None = None, *, device: str = "cpu") -> NetworkFace:
    """Load the encoder from a file or folder, or ``VOICEFACE_ARCFACE``.

    Depth (18 to 200 layers) and width are read from the tensors.

    Raises:
        MissingPartError: no weights are found.
        InputError: the file is damaged, holds code or is of another network; the tensor is named.
    """
    path = find_weights("arcface", weights, variable=VARIABLE, repositories=(), files=FILES)
    tensors = read_tensors(path)
    with torch.random.fork_rng(devices=()):  # loading during a training must not advance its random numbers
        network = _build(tensors, path)
    load_tensors(network, tensors, path)
    return NetworkFace(
        "arcface",
        network,
        dim=network.fc.out_features,
        fingerprint=digest(path),
        size=_SIDE,
        template="arcface",
        scale=127.5,
        device=device,
    )


def _build(tensors: Mapping[str, Tensor], path: Path) -> IResNet:
    depths: list[int] = []
    while f"layer{len(depths) + 1}.0.conv1.weight" in tensors:
        stage = f"layer{len(depths) + 1}."
        depths.append(len({name.split(".")[1] for name in tensors if name.startswith(stage)}))
    for name, axes in (("conv1.weight", 4), ("layer4.0.conv1.weight", 4), ("fc.weight", 2)):
        if name not in tensors or tensors[name].ndim != axes:
            remedy = "give the state dict of an iResNet, see docs/encoders.md"
            raise InputError(path, f"lacks the tensor {name}", remedy)
    width, dim = len(tensors["conv1.weight"]), len(tensors["fc.weight"])
    return IResNet(depths=depths, width=width, side=_SIDE, dim=dim)
