"""SyncNet in its published layout, so that its published weights load."""

from __future__ import annotations

from torch import Tensor, nn


class SyncNet(nn.Module):
    """Two towers of convolutions over a face's five frames and over 0.2 s of cepstra, 1,024 numbers each.

    Source: Chung & Zisserman 2016, figures 2 and 3; layers and names as in the published
    ``syncnet_v2.model``, which takes colour frames of 224 pixels.

    Args:
        dim: size of an embedding; 1,024 in the published weights.
    """

    def __init__(self, *, dim: int = 1024) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_flat(1, 64),
            nn.MaxPool2d(1, 1),
            *_flat(64, 192),
            nn.MaxPool2d(3, (1, 2)),
            *_flat(192, 384),
            *_flat(384, 256),
            *_flat(256, 256),
            nn.MaxPool2d(3, 2),
            *_flat(256, 512, kernel=(5, 4), padding=0),
        )
        self.netfcaud = _head(dim)
        self.netfclip = _head(dim)
        self.netcnnlip = nn.Sequential(
            *_deep(3, 96, kernel=(5, 7, 7), stride=2, padding=0),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_deep(96, 256, kernel=(1, 5, 5), stride=2),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), padding=(0, 1, 1)),
            *_deep(256, 256),
            *_deep(256, 256),
            *_deep(256, 256),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_deep(256, 512, kernel=(1, 6, 6), padding=0),
        )

    def sound(self, cepstra: Tensor) -> Tensor:
        """Embed windows ``(n, 1, 13, 20)`` as ``(n, dim)``."""
        return self.netfcaud(self.netcnnaud(cepstra).flatten(1))  # type: ignore[no-any-return]

    def lips(self, frames: Tensor) -> Tensor:
        """Embed windows ``(n, 3, 5, 224, 224)``, blue, green, red from 0 to 255, as ``(n, dim)``."""
        return self.netfclip(self.netcnnlip(frames).flatten(1))  # type: ignore[no-any-return]


def _flat(
    into: int, out: int, *, kernel: int | tuple[int, int] = 3, padding: int = 1
) -> tuple[nn.Module, nn.Module, nn.Module]:
    return nn.Conv2d(into, out, kernel, padding=padding), nn.BatchNorm2d(out), nn.ReLU()


def _deep(
    into: int, out: int, *, kernel: tuple[int, int, int] = (1, 3, 3), stride: int = 1, padding: int = 1
) -> tuple[nn.Module, nn.Module, nn.Module]:
    convolution = nn.Conv3d(into, out, kernel, stride=(1, stride, stride), padding=(0, padding, padding))
    return convolution, nn.BatchNorm3d(out), nn.ReLU()


def _head(dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, dim))
