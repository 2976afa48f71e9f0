"""FaceNet in facenet-pytorch's published layout, 512 numbers a face; needs weights (docs/encoders.md).

The trunk is the Inception-ResNet-v1 that SSNet has here; facenet-pytorch is not needed, its files
(``20180402-114759-vggface2.pt``, ``20180408-102900-casia-webface.pt``) are read by a map of names.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch

from voiceface.errors import InputError
from voiceface.models.face_encoder import NetworkFace
from voiceface.models.published_weights import digest, find_weights, load_tensors, read_tensors
from voiceface.nn.face.facenet import FaceNet

FILES = ("20180402-114759-vggface2.pt", "20180408-102900-casia-webface.pt", "facenet.safetensors")
VARIABLE = "VOICEFACE_FACENET"

_STEM = {"0": "1a", "1": "2a", "2": "2b", "4": "3b", "5": "4a", "6": "4b"}
_PARTS = {"a": "repeat_1", "reduce_a": "mixed_6a", "b": "repeat_2", "reduce_b": "mixed_7a", "c": "repeat_3"}


def load(weights: str | Path | None = None, *, device: str = "cpu") -> NetworkFace:
    """Load the encoder from a file or folder, or ``VOICEFACE_FACENET``.

    Its faces are upright crops from the hairline to below the chin (template ``head``, 160 pixels): the
    detector's square with a margin, on which it was trained, is not turned upright.

    Raises:
        MissingPartError: no weights are found.
        InputError: the file is damaged, holds code or is of another network; the tensor is named.
    """
    network, path = read_network(weights)
    return NetworkFace(
        "facenet",
        network,
        dim=network.dense.out_features,
        fingerprint=digest(path),
        size=160,
        template="head",
        scale=128.0,
        device=device,
    )


def read_network(weights: str | Path | None = None) -> tuple[FaceNet, Path]:
    """The network of published weights on the CPU, and their file; arguments and errors as of `load`."""
    path = find_weights("facenet", weights, variable=VARIABLE, repositories=(), files=FILES)
    tensors = read_tensors(path)
    first, last = tensors.get("conv2d_1a.conv.weight"), tensors.get("last_linear.weight")
    if first is None or last is None or first.ndim != 4 or last.ndim != 2:
        lacking = "last_linear.weight" if first is not None and first.ndim == 4 else "conv2d_1a.conv.weight"
        remedy = "give facenet-pytorch's weights of InceptionResnetV1, see docs/encoders.md"
        raise InputError(path, f"lacks the tensor {lacking}", remedy)
    with torch.random.fork_rng(devices=()):  # loading during a training must not advance its random numbers
        network = FaceNet(dim=len(last), width=len(first) / 32)
    load_tensors(network, tensors, path, rename=_published_name, ignored=("logits.",))
    return network, path


def _published_name(name: str) -> str:
    """A tensor's name in the published file.

    >>> _published_name("trunk.b.3.branches.1.2.1.running_mean")
    'repeat_2.3.branch1.2.bn.running_mean'
    """
    layer, _, leaf = name.rpartition(".")
    if layer in ("dense", "norm"):
        return f"last_{'linear' if layer == 'dense' else 'bn'}.{leaf}"
    layer = re.sub(r"^last\b", "block8", layer.removeprefix("trunk."))
    layer = re.sub(r"^stem\.(\d+)", lambda found: f"conv2d_{_STEM[found[1]]}", layer)
    layer = re.sub(r"^(reduce_[ab]|[abc])\b", lambda found: _PARTS[found[1]], layer)
    if layer.endswith(".back"):
        return f"{layer.removesuffix('back')}conv2d.{leaf}"
    layer = re.sub(r"\.branches\.(\d)", r".branch\1", layer)
    layer = re.sub(r"^(mixed_..)\.(\d)", r"\1.branch\2", layer)
    place, _, part = layer.rpartition(".")
    return f"{place}.{'conv' if part == '0' else 'bn'}.{leaf}"
