"""SENet on FER+: emotion from a face, for Speech2Video's student; needs weights (docs/encoders.md).

Paper     Barsoum et al. 2016 for the labels, Hu et al. 2018 for the network; T_emo of Si et al. 2021,
          section 2.1
Gives     2,048 numbers, the means of the last maps before the classifier
File      senet50_ferplus_dag.pth, Samuel Albanie's PyTorch export of the MatConvNet model: conv1_7x7_s2,
          conv2_1_1x1_reduce to conv5_3_1x1_up with a ..._bn behind every convolution but down and up,
          classifier (a 1x1 convolution; a dense layer is taken too)
Pictures  224 pixels, RGB from 0 to 255, less 131.0912, 103.8827 and 91.4953 (VGGFace2's)
Seen      names, shapes, means, side, the rounding of the first pooling, where the stride stands and the
          normalisation's 1e-5: in published code that loads this file
Not seen  the file itself, so no figure of a student of it is claimed; the order of the eight emotions in it
          (FER+ itself: neutral, happiness, surprise, sadness, anger, disgust, fear, contempt), which is
          therefore not named here; how its faces were cropped; which layer Si et al. took for μ*
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from voiceface.errors import InputError
from voiceface.models.published_teacher import PublishedTeacher
from voiceface.models.published_weights import digest, find_weights, load_tensors, read_tensors
from voiceface.nn.face.senet import DEPTHS, SeNet50

FILES = ("senet50_ferplus_dag.pth", "senet50_ferplus_dag.safetensors")
VARIABLE = "VOICEFACE_FERPLUS"
MEANS = (131.0912, 103.8827, 91.4953)

_SIDE = 224
_LAYERS = {"reduce": "1x1_reduce", "middle": "3x3", "increase": "1x1_increase", "proj": "1x1_proj"}


class FerPlusTeacher(PublishedTeacher):
    """The SENet's 2,048 numbers before its classifier."""

    network: SeNet50


def load(weights: str | Path | None = None, *, device: str = "cpu") -> FerPlusTeacher:
    """Load the teacher from a file or folder, or ``VOICEFACE_FERPLUS``.

    Width, blocks and emotions are read from the tensors.

    Raises:
        MissingPartError: no weights are found.
        InputError: the file is damaged, holds code or is of another network; the tensor is named.
    """
    path = find_weights("ferplus", weights, variable=VARIABLE, repositories=(), files=FILES)
    tensors = read_tensors(path)
    last = tensors.get("classifier.weight")
    if last is not None and last.ndim == 4 and last.shape[2:] == (1, 1):
        tensors["classifier.weight"] = last.flatten(1)
    with torch.random.fork_rng(devices=()):  # loading during a training must not advance its random numbers
        network = _build(tensors, path)
    load_tensors(network, tensors, path, rename=_published_name)
    return FerPlusTeacher(
        "ferplus",
        network,
        dim=network.dim,
        fingerprint=digest(path),
        side=_SIDE,
        means=MEANS,
        device=device,
    )


def _build(tensors: Mapping[str, Tensor], path: Path) -> SeNet50:
    """A network as wide and as deep as a file's tensors say."""
    found = [re.match(r"conv(\d+)_(\d+)_", name) for name in tensors]
    blocks = {(int(one[1]), int(one[2])) for one in found if one}
    stages = [sum(stage == number for stage, _ in blocks) for number in range(2, 2 + len(DEPTHS))]
    needed = {"conv1_7x7_s2.weight": 4, "classifier.weight": 2}
    needed |= {f"conv{number}_1_1x1_reduce.weight": 4 for number in range(2, 2 + len(DEPTHS))}
    for name, axes in needed.items():
        if name not in tensors or tensors[name].ndim != axes or not tensors[name].numel():
            remedy = "give the state dict of the SENet on FER+, see docs/encoders.md"
            raise InputError(path, f"lacks the tensor {name}", remedy)
    width, emotions = len(tensors["conv1_7x7_s2.weight"]), len(tensors["classifier.weight"])
    return SeNet50(width=width, stages=stages, emotions=emotions)


def _published_name(name: str) -> str:
    """A tensor's name in the published file.

    >>> _published_name("stages.0.1.middle.1.running_mean"), _published_name("stages.3.2.up.bias")
    ('conv2_2_3x3_bn.running_mean', 'conv5_3_1x1_up.bias')
    """
    place, *layer, leaf = name.split(".")
    if place == "classifier":
        return name
    if place == "stem":
        return f"conv1_7x7_s2{_bn(layer[0])}.{leaf}"
    stage, block, part, *inner = layer
    at = f"conv{int(stage) + 2}_{int(block) + 1}_"
    return f"{at}{_LAYERS[part]}{_bn(inner[0])}.{leaf}" if inner else f"{at}1x1_{part}.{leaf}"


def _bn(index: str) -> str:
    return "_bn" if index == "1" else ""
