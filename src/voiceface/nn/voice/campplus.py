"""CAM++ (Wang, Zheng, Chen, Cheng, Chen 2023): log-mel frames to a speaker embedding.

Two-dimensional convolutions over frames and bands, three blocks of densely connected dilated layers whose
outputs are weighted by their context, and mean and deviation over time. Names, order and default sizes of the
layers are those of 3D-Speaker's published encoder (7 M parameters); a student of it is smaller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_DILATIONS = (1, 2, 2)
"""Of the three dense blocks (paper, section 3)."""
_SEGMENT = 100
"""Frames over which a layer's context is averaged beside the whole."""


class BlockSizes(NamedTuple):
    """Sizes of a dense block."""

    layers: int
    growth: int
    """Channels that each layer adds."""
    middle: int
    """Channels inside a layer."""
    width: int
    """Channels behind the block."""


_PUBLISHED = (BlockSizes(12, 32, 128, 256), BlockSizes(24, 32, 128, 512), BlockSizes(16, 32, 128, 512))


class Campplus(nn.Module):
    """The network.

    Args:
        bands: log-mels a frame; a multiple of 8.
        planes: channels of the two-dimensional convolutions.
        maps: channels of the last of them; by default ``planes``.
        stages: 2, or 1: the first convolution then halves the bands in place of the second pair of
            residual layers.
        channels: of the first layer over time.
        blocks: sizes of the three dense blocks.
        bias: whether the channels behind a block have one; the published encoder's have none.
        dim: size of an embedding.
    """

    def __init__(
        self,
        *,
        bands: int = 80,
        planes: int = 32,
        maps: int | None = None,
        stages: int = 2,
        channels: int = 128,
        blocks: Sequence[BlockSizes] = _PUBLISHED,
        bias: bool = False,
        dim: int = 192,
    ) -> None:
        super().__init__()
        self.bands, self.dim = bands, dim
        maps = maps or planes
        self.head = Head(planes, maps, stages)
        width = channels
        parts: dict[str, nn.Module] = {"tdnn": First(maps * (bands // 8), width)}
        for number, (sizes, dilation) in enumerate(zip(blocks, _DILATIONS, strict=True), start=1):
            parts[f"block{number}"] = DenseBlock(width, sizes, dilation=dilation)
            width += sizes.layers * sizes.growth
            parts[f"transit{number}"] = Transit(width, sizes.width, bias=bias)
            width = sizes.width
        parts["out_nonlinear"] = normalised(width)
        parts["dense"] = Last(2 * width, dim)
        self.xvector = nn.ModuleDict(parts)

    def states(self, frames: Tensor, given: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Outputs of the parts by name: ``tdnn``, the three ``transit`` and ``out_nonlinear``, and ``dense``.

        Args:
            frames: (batch, frames, bands), four frames or more.
            given: by name, what the next part gets in place of this network's own output: a teacher's
                (teacher forcing).

        Returns:
            (batch, channels, frames / 2) each; of ``dense`` the embedding (batch, dim), not normalised.
        """
        maps: Tensor = self.head(frames.transpose(1, 2))
        found = {}
        for name, part in self.xvector.items():
            if name == "dense":
                maps = torch.cat([maps.mean(dim=2), maps.std(dim=2)], dim=1)
            maps = part(maps)
            if not name.startswith("block"):
                found[name] = maps
                maps = (given or {}).get(name, maps)
        return found

    def forward(self, frames: Tensor) -> Tensor:
        """Embeddings ``(batch, dim)``, not normalised, of frames ``(batch, frames, bands)``; four or more."""
        return self.states(frames)["dense"]


def campplus_sizes(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of the `Campplus` that these tensors, by their names, are of.

    Raises:
        KeyError: a tensor is missing from which a size is read.
        IndexError, ValueError: such a tensor has another number of dimensions.
        ZeroDivisionError: or no elements.
    """
    planes, maps = (int(tensors[f"head.conv{k}.weight"].shape[0]) for k in (1, 2))
    channels, inputs = (int(size) for size in tensors["xvector.tdnn.linear.weight"].shape[:2])
    return {
        "bands": 8 * (inputs // maps),
        "planes": planes,
        "maps": maps,
        "stages": 2 if any(name.startswith("head.layer2.") for name in tensors) else 1,
        "channels": channels,
        "blocks": tuple(_block_sizes(tensors, number) for number in (1, 2, 3)),
        "bias": "xvector.transit1.linear.bias" in tensors,
        "dim": int(tensors["xvector.dense.linear.weight"].shape[0]),
    }


def _block_sizes(tensors: Mapping[str, Tensor], number: int) -> BlockSizes:
    block = f"xvector.block{number}.tdnnd"
    return BlockSizes(
        layers=sum(f"{block}{n}.linear1.weight" in tensors for n in range(1, 65)),
        growth=int(tensors[f"{block}1.cam_layer.linear_local.weight"].shape[0]),
        middle=int(tensors[f"{block}1.linear1.weight"].shape[0]),
        width=int(tensors[f"xvector.transit{number}.linear.weight"].shape[0]),
    )


def normalised(channels: int) -> nn.Sequential:
    """Batch normalisation over channels, and a rectifier."""
    found = nn.Sequential()
    found.add_module("batchnorm", nn.BatchNorm1d(channels))
    found.add_module("relu", nn.ReLU())
    return found


class Head(nn.Module):
    """Residual convolutions over bands and frames; the bands become an eighth, the frames stay."""

    def __init__(self, planes: int, maps: int, stages: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, planes, 3, stride=(3 - stages, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.layer1 = nn.Sequential(Residual(planes, stride=2), Residual(planes, stride=1))
        self.layer2 = nn.Sequential(
            *([Residual(planes, stride=2), Residual(planes, stride=1)] if stages == 2 else [])
        )
        self.conv2 = nn.Conv2d(planes, maps, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(maps)

    def forward(self, bands: Tensor) -> Tensor:
        """(batch, bands, frames) to (batch, maps * bands / 8, frames)."""
        maps = F.relu(self.bn1(self.conv1(bands[:, None])))
        maps = self.layer2(self.layer1(maps))
        return F.relu(self.bn2(self.conv2(maps))).flatten(1, 2)


class Residual(nn.Module):
    """Two convolutions beside a shortcut; the stride is along the bands."""

    def __init__(self, planes: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(planes, planes, 3, stride=(stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        short = [nn.Conv2d(planes, planes, 1, stride=(stride, 1), bias=False), nn.BatchNorm2d(planes)]
        self.shortcut = nn.Sequential(*(short if stride > 1 else []))

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, planes, bands, frames) to (batch, planes, bands / stride, frames)."""
        found = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(maps)))))
        return F.relu(found + self.shortcut(maps))


class First(nn.Module):
    """The first layer over time, which halves the frames."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(channels, width, 5, stride=2, padding=2, bias=False)
        self.nonlinear = normalised(width)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, frames) to (batch, width, frames / 2)."""
        found: Tensor = self.nonlinear(self.linear(maps))
        return found


class DenseBlock(nn.ModuleDict):
    """Layers each of which sees the outputs of all before it."""

    def __init__(self, channels: int, sizes: BlockSizes, *, dilation: int) -> None:
        growth, middle = sizes.growth, sizes.middle
        layers = (
            Dense(channels + k * growth, growth, middle, dilation=dilation) for k in range(sizes.layers)
        )
        super().__init__({f"tdnnd{k}": layer for k, layer in enumerate(layers, start=1)})

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, frames) to (batch, channels + count * growth, frames)."""
        for layer in self.values():
            maps = torch.cat([maps, layer(maps)], dim=1)
        return maps


class Dense(nn.Module):
    """Normalisation, a narrow layer, and the weighted convolution."""

    def __init__(self, channels: int, growth: int, middle: int, *, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = normalised(channels)
        self.linear1 = nn.Conv1d(channels, middle, 1, bias=False)
        self.nonlinear2 = normalised(middle)
        self.cam_layer = ContextAwareMask(middle, growth, dilation=dilation)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, frames) to (batch, growth, frames)."""
        found: Tensor = self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(maps))))
        return found


class ContextAwareMask(nn.Module):
    """A convolution weighted by the means of its input: over the recording, and over segments (eq. 2-5)."""

    def __init__(self, channels: int, growth: int, *, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(channels, growth, 3, padding=dilation, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(channels, channels // 2, 1)
        self.linear2 = nn.Conv1d(channels // 2, growth, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, frames) to (batch, growth, frames)."""
        frames = maps.shape[2]
        segments = F.avg_pool1d(maps, _SEGMENT, _SEGMENT, ceil_mode=True)
        context = maps.mean(dim=2, keepdim=True) + segments.repeat_interleave(_SEGMENT, dim=2)[..., :frames]
        weights = torch.sigmoid(self.linear2(F.relu(self.linear1(context))))
        found: Tensor = self.linear_local(maps) * weights
        return found


class Transit(nn.Module):
    """Normalisation and a layer with fewer channels."""

    def __init__(self, channels: int, width: int, *, bias: bool) -> None:
        super().__init__()
        self.nonlinear = normalised(channels)
        self.linear = nn.Conv1d(channels, width, 1, bias=bias)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, frames) to (batch, width, frames)."""
        found: Tensor = self.linear(self.nonlinear(maps))
        return found


class Last(nn.Module):
    """The dense layer, and batch normalisation without weights."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(channels, dim, 1, bias=False)
        self.nonlinear = nn.Sequential()
        self.nonlinear.add_module("batchnorm", nn.BatchNorm1d(dim, affine=False))

    def forward(self, rows: Tensor) -> Tensor:
        """(batch, channels) to (batch, dim)."""
        found: Tensor = self.nonlinear(self.linear(rows[..., None])[..., 0])
        return found
