"""SEGAN's discriminator as an encoder of speech: strided convolutions straight over the samples.

Source: Pascual, Bonafonte, Serrà 2017, SEGAN, section 3; sizes of Roldán 2018, section IV-D.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.errors import InputError

_KERNEL, _STRIDE, _SLOPE = 15, 4, 0.3


class SeganEncoder(nn.Module):
    """Six blocks of convolution (kernel 15), batch norm and leaky ReLU, each a quarter as long; then a layer.

    The "pooling of 4" is read as the convolutions' stride, which is how SEGAN shortens its signals.

    Args:
        inputs: channels: 1 for a wave, the bands of a spectrogram.
        length: samples or frames of every input.
        width: channels of the first block; 64 gives 64, 128, 256, 512, 1024 and 1024.
        dim: numbers of the embedding.
    """

    def __init__(self, *, inputs: int = 1, length: int = 64_000, width: int = 64, dim: int = 128) -> None:
        super().__init__()
        if length < 1:
            raise InputError("length", f"is {length}", "give at least one sample")
        self.length = length
        widths = [width * factor for factor in (1, 2, 4, 8, 16, 16)]
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv1d(source, target, _KERNEL, _STRIDE, _KERNEL // 2, bias=False),
                    nn.BatchNorm1d(target),
                    nn.LeakyReLU(_SLOPE),
                )
                for source, target in zip([inputs, *widths], widths, strict=False)
            )
        )
        for _ in widths:
            length = -(-length // _STRIDE)
        self.linear = nn.Linear(widths[-1] * length, dim)

    def forward(self, signals: Tensor) -> Tensor:
        """Embed ``(n, inputs, length)``, or waves ``(n, length)``, as ``(n, dim)``; shorter ones get zeros.

        Raises:
            InputError: they are longer than the encoder was made for.
        """
        rows = signals if signals.ndim == 3 else signals[:, None]
        missing = self.length - rows.shape[2]
        if missing < 0:
            raise InputError("speech", f"is {-missing} samples too long", f"cut it to {self.length}")
        embedding: Tensor = self.linear(self.blocks(F.pad(rows, (0, missing))).flatten(1))
        return embedding
