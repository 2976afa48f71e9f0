"""VGG-16 as VGG-Face uses it: a face to the 4,096 numbers before its classifier, and the maps on the way.

Source: Parkhi, Vedaldi, Zisserman 2015, Deep Face Recognition, section 4 and table 3, network A; Simonyan
and Zisserman 2015, configuration D.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.errors import InputError

DEPTHS = (2, 2, 3, 3, 3)
"""Convolutions of the five blocks."""
_WIDER = (1, 2, 4, 8, 8)


class VggFace(nn.Module):
    """Five blocks of 3x3 convolutions, each halved by its pooling, and two dense layers.

    The classifier behind them (fc8, of the people it was trained on) is left out, and dropout with it.

    Args:
        width: channels of the first block; 64 is the published network (134.3 M parameters).
        units: numbers of either dense layer.
        side: pixels of a face's side.

    Raises:
        InputError: nothing would be left of so small a side.
    """

    def __init__(self, *, width: int = 64, units: int = 4096, side: int = 224) -> None:
        super().__init__()
        left = side // 2 ** len(DEPTHS)
        if left < 1:
            raise InputError("side", f"is {side} pixels", f"give at least {2 ** len(DEPTHS)}")
        self.widths = [width * wider for wider in _WIDER]
        channels, blocks = 3, []
        for depth, wide in zip(DEPTHS, self.widths, strict=True):
            sources = [channels] + [wide] * (depth - 1)
            blocks.append(nn.ModuleList(nn.Conv2d(source, wide, 3, padding=1) for source in sources))
            channels = wide
        self.blocks = nn.ModuleList(blocks)
        self.fc6 = nn.Linear(channels * left * left, units)
        self.fc7 = nn.Linear(units, units)

    def forward(self, pictures: Tensor) -> Tensor:
        """fc7 after its rectifier, ``(n, units)``, of ``(n, 3, side, side)`` from 0 to 255 less the means."""
        last = F.max_pool2d(self.maps(pictures)[-1], 2)
        return F.relu(self.fc7(F.relu(self.fc6(last.flatten(1)))))

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """The five blocks' outputs after the rectifier and before pooling, the largest side first."""
        found: list[Tensor] = []
        for block in self.blocks:
            maps = F.max_pool2d(found[-1], 2) if found else pictures
            for layer in block.children():
                maps = F.relu(layer(maps))
            found.append(maps)
        return found
