"""CAM++ (Wang, Zheng, Chen, Cheng, Chen 2023): log-mel frames to a speaker embedding.

Two-dimensional convolutions over frames and bands, three blocks of densely connected dilated layers whose
outputs are weighted by their context, and mean and deviation over time. Names, sizes and order of the layers
are those of 3D-Speaker's published encoder (7 M parameters).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_DILATIONS = (1, 2, 2)
"""Of the three dense blocks (paper, section 3)."""
_SEGMENT = 100
"""Frames over which a layer's context is averaged beside the whole."""


class Campplus(nn.Module):
    """The network.

    Args:
        bands: log-mels a frame; a multiple of 8.
        planes: channels of the two-dimensional convolutions.
        channels: of the first layer over time, twice as many in a dense layer's middle.
        growth: channels that each dense layer adds.
        dim: size of an embedding.
        layers: dense layers of each block.
    """

    def __init__(
        self,
        *,
        bands: int = 80,
        planes: int = 32,
        channels: int = 128,
        growth: int = 32,
        dim: int = 192,
        layers: tuple[int, ...] = (12, 24, 16),
    ) -> None:
        super().__init__()
        self.bands, self.dim = bands, dim
        self.head = Head(planes)
        width = channels
        parts: dict[str, nn.Module] = {"tdnn": First(planes * (bands // 8), width)}
        for number, (count, dilation) in enumerate(zip(layers, _DILATIONS, strict=True), start=1):
            parts[f"block{number}"] = DenseBlock(count, width, growth=growth, dilation=dilation)
            width += count * growth
            parts[f"transit{number}"] = Transit(width, width // 2)
            width //= 2
        parts["out_nonlinear"] = normalised(width)
        parts["dense"] = Last(2 * width, dim)
        self.xvector = nn.ModuleDict(parts)

    def forward(self, frames: Tensor) -> Tensor:
        """Embeddings ``(batch, dim)``, not normalised, of frames ``(batch, frames, bands)``; four or more."""
        maps: Tensor = self.head(frames.transpose(1, 2))
        for name, part in self.xvector.items():
            if name == "dense":
                maps = torch.cat([maps.mean(dim=2), maps.std(dim=2)], dim=1)
            maps = part(maps)
        return maps


def normalised(channels: int) -> nn.Sequential:
    """Batch normalisation over channels, and a rectifier."""
    found = nn.Sequential()
    found.add_module("batchnorm", nn.BatchNorm1d(channels))
    found.add_module("relu", nn.ReLU())
    return found


class Head(nn.Module):
    """Residual convolutions over bands and frames; the bands become an eighth, the frames stay."""

    def __init__(self, planes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, planes, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.layer1 = nn.Sequential(Residual(planes, stride=2), Residual(planes, stride=1))
        self.layer2 = nn.Sequential(Residual(planes, stride=2), Residual(planes, stride=1))
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)

    def forward(self, bands: Tensor) -> Tensor:
        """(batch, bands, frames) to (batch, planes * bands / 8, frames)."""
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

    def __init__(self, count: int, channels: int, *, growth: int, dilation: int) -> None:
        layers = (Dense(channels + k * growth, growth, dilation=dilation) for k in range(count))
        super().__init__({f"tdnnd{k}": layer for k, layer in enumerate(layers, start=1)})

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, frames) to (batch, channels + count * growth, frames)."""
        for layer in self.values():
            maps = torch.cat([maps, layer(maps)], dim=1)
        return maps


class Dense(nn.Module):
    """Normalisation, a narrow layer of four times the growth, and the weighted convolution."""

    def __init__(self, channels: int, growth: int, *, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = normalised(channels)
        self.linear1 = nn.Conv1d(channels, 4 * growth, 1, bias=False)
        self.nonlinear2 = normalised(4 * growth)
        self.cam_layer = ContextAwareMask(4 * growth, growth, dilation=dilation)

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
    """Normalisation and a layer that halves the channels."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.nonlinear = normalised(channels)
        self.linear = nn.Conv1d(channels, width, 1, bias=False)

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
