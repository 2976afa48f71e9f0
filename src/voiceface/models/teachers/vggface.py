"""VGG-Face: identity from a face, for Speech2Video's student; needs weights (docs/encoders.md).

Paper     Parkhi, Vedaldi, Zisserman 2015; T_id of Si et al. 2021, section 2.1
Gives     4,096 numbers, fc7 after its rectifier; maps of blocks 5, 4 and 3 before their pooling
File      vgg_face_dag.pth, Samuel Albanie's PyTorch export of the MatConvNet model: conv1_1 to conv5_3,
          fc6, fc7, fc8, each with weight and bias; fc8 (2,622 people) is not read
Pictures  224 pixels, RGB from 0 to 255, less 129.186, 104.762 and 93.594
Seen      names, shapes, means, side, order of colours and of layers: in published code that loads this file
Not seen  the file itself, so no figure of a student of it is claimed; how its faces were cropped (the paper:
          a detector's box, widened); which layer Si et al. took, fc6 or fc7 (both have 4,096 numbers),
          and before or after the rectifier
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from pathlib import Path

import torch
from torch import Tensor

from voiceface.errors import InputError
from voiceface.models.published_teacher import PublishedTeacher
from voiceface.models.published_weights import digest, find_weights, load_tensors, read_tensors
from voiceface.nn.face.vgg import DEPTHS, VggFace

FILES = ("vgg_face_dag.pth", "vgg_face_dag.safetensors")
VARIABLE = "VOICEFACE_VGGFACE"
MEANS = (129.186279296875, 104.76238250732422, 93.59396362304688)

_MAPS = (4, 3, 2)
"""Which of the five blocks give the maps, the smallest side first."""


class VggFaceTeacher(PublishedTeacher):
    """VGG-Face's fc7, and three maps for a generator that is guided by identity."""

    network: VggFace

    @property
    def map_channels(self) -> tuple[int, int, int]:
        """Channels of the three maps, the smallest side first."""
        small, middle, large = (self.network.widths[block] for block in _MAPS)
        return small, middle, large

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Maps ``(n, channels, h, w)`` of a sixteenth, an eighth and a quarter of the side (14, 28, 56).

        Args:
            pictures: as for `embed`.

        Raises:
            InputError: another shape.
        """
        found = list(self._each(self.network.maps, pictures))
        return [torch.cat([maps[block] for maps in found]).to(pictures.device) for block in _MAPS]


def load(weights: str | Path | None = None, *, device: str = "cpu") -> VggFaceTeacher:
    """Load the teacher from a file or folder, or ``VOICEFACE_VGGFACE``.

    Width, units and side are read from the tensors.

    Raises:
        MissingPartError: no weights are found.
        InputError: the file is damaged, holds code or is of another network; the tensor is named.
    """
    path = find_weights("vggface", weights, variable=VARIABLE, repositories=(), files=FILES)
    tensors = read_tensors(path)
    with torch.random.fork_rng(devices=()):  # loading during a training must not advance its random numbers
        network, side = _build(tensors, path)
    load_tensors(network, tensors, path, rename=_published_name, ignored=("fc8.",))
    return VggFaceTeacher(
        "vggface",
        network,
        dim=network.fc7.out_features,
        fingerprint=digest(path),
        side=side,
        means=MEANS,
        device=device,
    )


def _build(tensors: Mapping[str, Tensor], path: Path) -> tuple[VggFace, int]:
    """A network as wide and for as large a face as a file's tensors say, and that side."""
    for name, axes in (("conv1_1.weight", 4), ("fc6.weight", 2), ("fc7.weight", 2)):
        if name not in tensors or tensors[name].ndim != axes or not tensors[name].numel():
            remedy = "give the state dict of VGG-Face, see docs/encoders.md"
            raise InputError(path, f"lacks the tensor {name}", remedy)
    width, (units, inputs) = len(tensors["conv1_1.weight"]), tensors["fc6.weight"].shape
    side = 2 ** len(DEPTHS) * max(1, isqrt(inputs // (8 * width)))
    return VggFace(width=width, units=units, side=side), side


def _published_name(name: str) -> str:
    """A tensor's name in the published file.

    >>> _published_name("blocks.4.2.bias"), _published_name("fc6.weight")
    ('conv5_3.bias', 'fc6.weight')
    """
    if not name.startswith("blocks."):
        return name
    _, block, layer, leaf = name.split(".")
    return f"conv{int(block) + 1}_{int(layer) + 1}.{leaf}"
