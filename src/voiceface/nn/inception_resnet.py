"""Inception-ResNet-v1 (Szegedy, Ioffe, Vanhoucke, Alemi 2016, figures 10 to 14): pictures to an embedding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class InceptionResNetV1(nn.Module):
    """Stem, 5 blocks A, reduction, 10 blocks B, reduction, 5 blocks C, mean, dropout, one dense layer.

    Published sizes for 299 pixels: 35×35×256, 17×17×896, 8×8×1792. Any size from 80 pixels on will do.

    Args:
        dim: numbers of an embedding.
        width: factor on all channels; 1 is the published network.
        dropout: share of the 1,792 means dropped while learning (the paper keeps 0.8).
    """

    def __init__(self, *, dim: int = 128, width: float = 1.0, dropout: float = 0.2) -> None:
        super().__init__()

        def n(channels: int) -> int:
            return max(1, round(channels * width))

        self.stem = nn.Sequential(
            Unit(3, n(32), 3, stride=2),
            Unit(n(32), n(32), 3),
            Unit(n(32), n(64), 3, padding=1),
            nn.MaxPool2d(3, stride=2),
            Unit(n(64), n(80), 1),
            Unit(n(80), n(192), 3),
            Unit(n(192), n(256), 3, stride=2),
        )
        self.a = nn.Sequential(*(_block_a(n(256), n(32)) for _ in range(5)))
        self.reduce_a = Branches(
            Unit(n(256), n(384), 3, stride=2),
            nn.Sequential(
                Unit(n(256), n(192), 1), Unit(n(192), n(192), 3, padding=1), Unit(n(192), n(256), 3, stride=2)
            ),
            nn.MaxPool2d(3, stride=2),
        )
        middle = n(384) + 2 * n(256)
        self.b = nn.Sequential(*(_block_b(middle, n(128)) for _ in range(10)))
        self.reduce_b = Branches(
            nn.Sequential(Unit(middle, n(256), 1), Unit(n(256), n(384), 3, stride=2)),
            nn.Sequential(Unit(middle, n(256), 1), Unit(n(256), n(256), 3, stride=2)),
            nn.Sequential(
                Unit(middle, n(256), 1), Unit(n(256), n(256), 3, padding=1), Unit(n(256), n(256), 3, stride=2)
            ),
            nn.MaxPool2d(3, stride=2),
        )
        last = n(384) + 2 * n(256) + middle
        self.c = nn.Sequential(*(_block_c(last, n(192)) for _ in range(5)))
        self.dropout = dropout
        self.dense = nn.Linear(last, dim)

    def maps(self, pictures: Tensor) -> dict[str, Tensor]:
        """The maps after each part: ``stem``, ``a``, ``reduce_a``, ``b``, ``reduce_b``, ``c``."""
        found = {}
        for name in ("stem", "a", "reduce_a", "b", "reduce_b", "c"):
            pictures = self.get_submodule(name)(pictures)
            found[name] = pictures
        return found

    def forward(self, pictures: Tensor) -> Tensor:
        """Embeddings ``(batch, dim)`` of pictures ``(batch, 3, height, width)``."""
        means = self.maps(pictures)["c"].mean(dim=(2, 3))
        placed: Tensor = self.dense(F.dropout(means, self.dropout, self.training))
        return placed


class SmallConvNet(nn.Module):
    """A plain stand-in for a processor: five 3×3 convolutions that halve, mean, one dense layer.

    Args:
        dim: numbers of an embedding.
        width: channels of the first layer; each layer doubles them up to eight times.
        dropout: share of the means dropped while learning.
    """

    def __init__(self, *, dim: int = 128, width: int = 24, dropout: float = 0.2) -> None:
        super().__init__()
        sizes = [3, *(width * factor for factor in (1, 2, 4, 8, 8))]
        pairs = zip(sizes[:-1], sizes[1:], strict=True)
        self.layers = nn.Sequential(*(Unit(c, d, 3, stride=2, padding=1) for c, d in pairs))
        self.dropout = dropout
        self.dense = nn.Linear(sizes[-1], dim)

    def forward(self, pictures: Tensor) -> Tensor:
        """Embeddings ``(batch, dim)`` of pictures ``(batch, 3, height, width)``."""
        means = self.layers(pictures).mean(dim=(2, 3))
        placed: Tensor = self.dense(F.dropout(means, self.dropout, self.training))
        return placed


class Unit(nn.Sequential):
    """Convolution without bias, batch normalisation, rectifier."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__(
            nn.Conv2d(channels, width, kernel, stride=stride, padding=padding, bias=False),
            nn.BatchNorm2d(width, eps=1e-3),
            nn.ReLU(inplace=True),
        )


class Branches(nn.ModuleList):
    """The same maps through several branches, laid one behind the other."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__(branches)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, h, w) to (batch, the branches' channels together, h', w')."""
        return torch.cat([branch(maps) for branch in self], dim=1)


class ScaledResidual(nn.Module):
    """Maps plus a small share of what branches and a bare 1×1 convolution make of them, then a rectifier.

    Args:
        branches: what looks at the maps.
        between: channels that the branches give together.
        channels: of the maps.
        share: how much is added; the paper advises 0.1 to 0.3, or training becomes unstable.
    """

    def __init__(self, branches: Branches, between: int, channels: int, share: float) -> None:
        super().__init__()
        self.branches, self.share = branches, share
        self.back = nn.Conv2d(between, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """As large as it came."""
        return F.relu(maps + self.share * self.back(self.branches(maps)))


def _block_a(channels: int, n: int) -> ScaledResidual:
    branches = Branches(
        Unit(channels, n, 1),
        nn.Sequential(Unit(channels, n, 1), Unit(n, n, 3, padding=1)),
        nn.Sequential(Unit(channels, n, 1), Unit(n, n, 3, padding=1), Unit(n, n, 3, padding=1)),
    )
    return ScaledResidual(branches, 3 * n, channels, 0.17)


def _block_b(channels: int, n: int) -> ScaledResidual:
    long = nn.Sequential(
        Unit(channels, n, 1), Unit(n, n, (1, 7), padding=(0, 3)), Unit(n, n, (7, 1), padding=(3, 0))
    )
    return ScaledResidual(Branches(Unit(channels, n, 1), long), 2 * n, channels, 0.10)


def _block_c(channels: int, n: int) -> ScaledResidual:
    long = nn.Sequential(
        Unit(channels, n, 1), Unit(n, n, (1, 3), padding=(0, 1)), Unit(n, n, (3, 1), padding=(1, 0))
    )
    return ScaledResidual(Branches(Unit(channels, n, 1), long), 2 * n, channels, 0.20)
