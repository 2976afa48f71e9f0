"""The residual network of ArcFace (Deng et al. 2019, section 3.1): aligned faces to an embedding."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3), 200: (6, 26, 60, 6)}
"""Layers of a network to blocks of its four stages."""


class IResNet(nn.Module):
    """A convolution, four stages that halve the size, normalisation, one dense layer, normalisation.

    Args:
        depths: blocks of each stage; (3, 4, 14, 3) is the network of 50 layers (43.6 M parameters).
        width: channels of the first stage; each stage doubles them.
        side: pixels of a face's side.
        dim: numbers of an embedding.
    """

    def __init__(
        self, *, depths: Sequence[int] = DEPTHS[50], width: int = 64, side: int = 112, dim: int = 512
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.prelu = nn.PReLU(width)
        channels = width
        for stage, count in enumerate(depths, start=1):
            wide = width * 2 ** (stage - 1)
            blocks = [Block(channels, wide, halve=True), *(Block(wide, wide) for _ in range(count - 1))]
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
            channels, side = wide, -(-side // 2)
        self.stages = len(depths)
        self.bn2 = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels * side * side, dim)
        self.features = nn.BatchNorm1d(dim)

    def forward(self, faces: Tensor) -> Tensor:
        """Embeddings ``(batch, dim)``, not brought to length 1, of ``(batch, 3, side, side)`` in [-1, 1]."""
        maps = self.prelu(self.bn1(self.conv1(faces)))
        for stage in range(1, self.stages + 1):
            maps = self.get_submodule(f"layer{stage}")(maps)
        placed: Tensor = self.features(self.fc(self.bn2(maps).flatten(1)))
        return placed


class Block(nn.Module):
    """Normalisation before and after two 3x3 convolutions, beside a shortcut; no rectifier behind the sum."""

    def __init__(self, channels: int, width: int, *, halve: bool = False) -> None:
        super().__init__()
        stride = 2 if halve else 1
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.prelu = nn.PReLU(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.downsample: nn.Module = nn.Identity()
        if halve or channels != width:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, h, w) to (batch, width, h or h/2, w or w/2)."""
        bent = self.bn2(self.conv1(self.bn1(maps)))
        found: Tensor = self.bn3(self.conv2(self.prelu(bent))) + self.downsample(maps)
        return found
