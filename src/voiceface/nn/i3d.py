"""Inflated Inception (I3D, Carreira and Zisserman 2017) with the names of its published PyTorch weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_MIXED = {
    "Mixed_3b": (192, 64, 96, 128, 16, 32, 32),
    "Mixed_3c": (256, 128, 128, 192, 32, 96, 64),
    "Mixed_4b": (480, 192, 96, 208, 16, 48, 64),
    "Mixed_4c": (512, 160, 112, 224, 24, 64, 64),
    "Mixed_4d": (512, 128, 128, 256, 24, 64, 64),
    "Mixed_4e": (512, 112, 144, 288, 32, 64, 64),
    "Mixed_4f": (528, 256, 160, 320, 32, 128, 128),
    "Mixed_5b": (832, 256, 160, 320, 32, 128, 128),
    "Mixed_5c": (832, 384, 192, 384, 48, 128, 128),
}
"""Channels into a block, and of its six convolutions in the order b0, b1a, b1b, b2a, b2b, b3b."""
_POOLED = {
    "Conv3d_2b_1x1": ((1, 3, 3), (1, 2, 2)),
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}
"""Kernel and stride of the maximum before a layer."""
SIDE = 224
LEAST_FRAMES = 9
"""Fewer leave one moment before the last mean, which is over two."""


class I3d(nn.Module):
    """From clips to the logits of actions.

    Args:
        classes: of the last layer; 400 for Kinetics-400.
    """

    def __init__(self, classes: int = 400) -> None:
        super().__init__()
        self.add_module("Conv3d_1a_7x7", _Unit(3, 64, kernel=7, stride=2))
        self.add_module("Conv3d_2b_1x1", _Unit(64, 64))
        self.add_module("Conv3d_2c_3x3", _Unit(64, 192, kernel=3))
        for name, widths in _MIXED.items():
            self.add_module(name, _Mixed(*widths))
        self.stages = tuple(name for name, _ in self.named_children())
        self.add_module("logits", nn.ModuleDict({"conv3d": nn.Conv3d(1024, classes, 1)}))

    def forward(self, clips: Tensor) -> Tensor:
        """Logits (n, classes), the mean over time, of clips (n, 3, frames, 224, 224) in [-1, 1].

        A clip has 9 frames or more.
        """
        for name in self.stages:
            if name in _POOLED:
                kernel, stride = _POOLED[name]
                clips = F.max_pool3d(_pad(clips, kernel, stride), kernel, stride)
            clips = self.get_submodule(name)(clips)
        pooled = F.avg_pool3d(clips, (2, 7, 7), stride=1)
        found: Tensor = self.get_submodule("logits.conv3d")(pooled)
        return found.mean(dim=(2, 3, 4))


class _Unit(nn.Module):
    """Convolution, batch normalisation and rectifier."""

    def __init__(self, width: int, out: int, *, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(width, out, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(out, eps=1e-3)
        self.shape = (kernel,) * 3, (stride,) * 3

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = self.bn(self.conv3d(_pad(maps, *self.shape)))
        return found.relu()


class _Mixed(nn.Module):
    """Four branches side by side."""

    def __init__(self, width: int, b0: int, b1a: int, b1b: int, b2a: int, b2b: int, b3b: int) -> None:
        super().__init__()
        self.b0 = _Unit(width, b0)
        self.b1a, self.b1b = _Unit(width, b1a), _Unit(b1a, b1b, kernel=3)
        self.b2a, self.b2b = _Unit(width, b2a), _Unit(b2a, b2b, kernel=3)
        self.b3b = _Unit(width, b3b)

    def forward(self, maps: Tensor) -> Tensor:
        highest = F.max_pool3d(_pad(maps, (3, 3, 3), (1, 1, 1)), 3, 1)
        branches = (self.b0(maps), self.b1b(self.b1a(maps)), self.b2b(self.b2a(maps)), self.b3b(highest))
        return torch.cat(branches, dim=1)


def _pad(maps: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Zeros around, so that a layer gives as many places as its stride goes into the size, rounded up.

    The odd one goes behind, as TensorFlow has it. Zeros serve a maximum too, since all maps are rectified.
    """
    around = []
    for size, width, step in zip(maps.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        lacking = max((-(-size // step) - 1) * step + width - size, 0)
        around += [lacking // 2, lacking - lacking // 2]
    return F.pad(maps, around)
