"""ECAPA-TDNN (Desplanques, Thienpondt, Demuynck 2020): log-mel frames to a speaker embedding.

Sizes and order of the layers are those of SpeechBrain's published encoder (rectifier before
normalisation, reflected edges, 20.8 M parameters).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DILATIONS = (2, 3, 4)
"""Of the three blocks (paper, figure 2)."""


class Ecapa(nn.Module):
    """One convolution, three dilated blocks, their aggregate, attentive statistics, one dense layer.

    Args:
        bands: log-mels a frame.
        channels: of the convolutions; 1,024 in the published encoder.
        aggregated: channels of the aggregate; 3,072.
        attention: channels that the attention over time passes through.
        squeeze: channels that a block's gate passes through.
        scale: groups of a block's middle convolution.
        dim: size of an embedding.
    """

    def __init__(
        self,
        *,
        bands: int = 80,
        channels: int = 1024,
        aggregated: int = 3072,
        attention: int = 128,
        squeeze: int = 128,
        scale: int = 8,
        dim: int = 192,
    ) -> None:
        super().__init__()
        self.bands = bands
        blocks = [Block(channels, squeeze, scale=scale, dilation=dilation) for dilation in DILATIONS]
        self.blocks = nn.ModuleList([Layer(bands, channels, 5), *blocks])
        self.mfa = Layer(len(DILATIONS) * channels, aggregated, 1)
        self.asp = Attention(aggregated, attention)
        self.asp_bn = nn.BatchNorm1d(2 * aggregated)
        self.fc = nn.Conv1d(2 * aggregated, dim, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Embeddings ``(batch, dim)``, not normalised, of frames ``(batch, frames, bands)``.

        At least five frames: the widest convolution reflects four at each end.
        """
        found = self.blocks[0](frames.transpose(1, 2))
        outputs = []
        for block in self.blocks[1:]:
            found = block(found)
            outputs.append(found)
        pooled = self.asp_bn(self.asp(self.mfa(torch.cat(outputs, dim=1))))
        embeddings: Tensor = self.fc(pooled.unsqueeze(2)).squeeze(2)
        return embeddings


class Layer(nn.Module):
    """Convolution over time that keeps the length, rectifier, batch normalisation."""

    def __init__(self, channels: int, width: int, kernel: int, *, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(
            channels,
            width,
            kernel,
            dilation=dilation,
            padding=dilation * (kernel - 1) // 2,
            padding_mode="reflect",
        )
        self.norm = nn.BatchNorm1d(width)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, frames) to (batch, width, frames)."""
        found: Tensor = self.norm(F.relu(self.conv(maps)))
        return found


class Groups(nn.Module):
    """Res2Net's convolution (Gao et al. 2019): each group of channels is added to the output of the last."""

    def __init__(self, channels: int, *, scale: int, dilation: int) -> None:
        super().__init__()
        width = channels // scale
        self.blocks = nn.ModuleList(Layer(width, width, 3, dilation=dilation) for _ in range(scale - 1))

    def forward(self, maps: Tensor) -> Tensor:
        """The same shape, (batch, channels, frames)."""
        first, *rest = maps.chunk(len(self.blocks) + 1, dim=1)
        found = [first]
        for index, (group, layer) in enumerate(zip(rest, self.blocks, strict=True)):
            found.append(layer(group + found[-1] if index else group))
        return torch.cat(found, dim=1)


class Gate(nn.Module):
    """Squeeze and excitation (Hu et al. 2018): channels weighted by a function of their means."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(channels, squeeze, 1)
        self.conv2 = nn.Conv1d(squeeze, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """The same shape, (batch, channels, frames)."""
        weights = F.relu(self.conv1(maps.mean(dim=2, keepdim=True)))
        return maps * torch.sigmoid(self.conv2(weights))


class Block(nn.Module):
    """Layer, groups, layer and gate beside a shortcut."""

    def __init__(self, channels: int, squeeze: int, *, scale: int, dilation: int) -> None:
        super().__init__()
        self.tdnn1 = Layer(channels, channels, 1)
        self.res2net_block = Groups(channels, scale=scale, dilation=dilation)
        self.tdnn2 = Layer(channels, channels, 1)
        self.se_block = Gate(channels, squeeze)

    def forward(self, maps: Tensor) -> Tensor:
        """The same shape, (batch, channels, frames)."""
        found: Tensor = self.se_block(self.tdnn2(self.res2net_block(self.tdnn1(maps))))
        return found + maps


class Attention(nn.Module):
    """Mean and deviation over time, every channel weighing its frames itself (paper, section 3.1)."""

    def __init__(self, channels: int, attention: int) -> None:
        super().__init__()
        self.tdnn = Layer(3 * channels, attention, 1)
        self.conv = nn.Conv1d(attention, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, frames) to (batch, 2 channels)."""
        even = torch.full_like(maps[:, :1], 1 / maps.shape[2])
        context = [found.unsqueeze(2).expand_as(maps) for found in _moments(maps, even)]
        weights = torch.softmax(self.conv(torch.tanh(self.tdnn(torch.cat([maps, *context], dim=1)))), dim=2)
        return torch.cat(_moments(maps, weights), dim=1)


def _moments(maps: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and deviation over time, ``(batch, channels)`` each."""
    mean = (weights * maps).sum(dim=2)
    spread = (weights * (maps - mean.unsqueeze(2)).square()).sum(dim=2)
    return mean, spread.clamp_min(1e-12).sqrt()
