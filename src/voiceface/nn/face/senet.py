"""SE-ResNet-50 as its authors published it for Caffe: a face to 2,048 numbers, and on to eight emotions.

Source: Hu, Shen, Sun 2018, Squeeze-and-Excitation Networks, section 3 and table 1; He, Zhang, Ren, Sun
2016 for what is squeezed. Caffe's form halves the side in a stage's first 1x1 convolution, where
torchvision's ResNet does it in the 3x3, and its first pooling is not padded but rounded up.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DEPTHS = (3, 4, 6, 3)
"""Blocks of the four stages."""
_EXPANSION, _REDUCTION = 4, 16


class SeNet50(nn.Module):
    """A stem, four stages of bottleneck blocks whose channels are reweighted, mean, one dense layer.

    Args:
        width: channels inside the first stage's blocks, a multiple of 4; 64 is the published network
            (26.1 M parameters with eight emotions).
        stages: blocks of each stage.
        emotions: classes of the last layer.
    """

    def __init__(self, *, width: int = 64, stages: Sequence[int] = DEPTHS, emotions: int = 8) -> None:
        super().__init__()
        self.stem = unit(3, width, 7, stride=2)
        channels, built = width, []
        for stage, count in enumerate(stages):
            wide = width * 2**stage
            stride = 1 if stage == 0 else 2
            blocks = [Block(channels, wide, stride=stride, first=True)]
            channels = wide * _EXPANSION
            blocks += [Block(channels, wide) for _ in range(count - 1)]
            built.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(built)
        self.dim = channels
        self.classifier = nn.Linear(channels, emotions)

    def forward(self, pictures: Tensor) -> Tensor:
        """As `features`."""
        return self.features(pictures)

    def features(self, pictures: Tensor) -> Tensor:
        """Averages of the last maps, ``(n, dim)``, of ``(n, 3, side, side)`` from 0 to 255 less the means."""
        return self.maps(pictures)[-1].mean(dim=(2, 3))

    def logits(self, pictures: Tensor) -> Tensor:
        """Logits of the emotions, ``(n, emotions)``."""
        found: Tensor = self.classifier(self.features(pictures))
        return found

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """The outputs of the pooled stem and of every stage, the largest side first."""
        maps = F.relu(self.stem(pictures))
        found = [F.max_pool2d(maps, 3, stride=2, ceil_mode=True)]
        for stage in self.stages:
            found.append(stage(found[-1]))
        return found


class Block(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, channels reweighted by what their means say, beside a shortcut.

    Args:
        channels: that come in.
        width: of the 3x3 convolution; four times as many go out.
        stride: of the first convolution and the shortcut's.
        first: of its stage, where the shortcut is a convolution.
    """

    def __init__(self, channels: int, width: int, *, stride: int = 1, first: bool = False) -> None:
        super().__init__()
        wide = width * _EXPANSION
        self.reduce = unit(channels, width, 1, stride=stride)
        self.middle = unit(width, width, 3)
        self.increase = unit(width, wide, 1)
        self.down = nn.Conv2d(wide, wide // _REDUCTION, 1)
        self.up = nn.Conv2d(wide // _REDUCTION, wide, 1)
        self.proj: nn.Module = unit(channels, wide, 1, stride=stride) if first else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """(n, channels, h, w) to (n, 4 width, h or h/2, w or w/2)."""
        bent = self.increase(F.relu(self.middle(F.relu(self.reduce(maps)))))
        squeezed = bent.mean(dim=(2, 3), keepdim=True)
        share = torch.sigmoid(self.up(F.relu(self.down(squeezed))))
        return F.relu(bent * share + self.proj(maps))


def unit(source: int, target: int, kernel: int, *, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the side but for its stride, and its normalisation."""
    layer = nn.Conv2d(source, target, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(target))
