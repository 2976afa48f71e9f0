"""The voice network of Wen, Singh, Raj 2019: five strided convolutions over time, averaged.

Source: Table 2 of the paper; what it leaves open (no bias before a normalisation, one after the last
layer) and the names of the tensors follow the authors' published weights, so that these load.
"""

from __future__ import annotations

from torch import Tensor, nn

GROWTH = (1.0, 1.5, 2.25, 3.375)
"""Channels of the four inner layers in units of the first: 256, 384, 576 and 864 as published."""


class WenVoice(nn.Module):
    """From log-mels to one embedding per recording; its tensors are called ``model.N.weight`` and so on.

    Args:
        bands: mel bands a frame.
        width: channels of the first layer; the others keep the published proportions.
        dim: size of an embedding.
    """

    def __init__(self, *, bands: int = 64, width: int = 256, dim: int = 64) -> None:
        super().__init__()
        sizes = [bands, *(round(width * factor) for factor in GROWTH)]
        layers: list[nn.Module] = []
        for source, target in zip(sizes, sizes[1:], strict=False):
            layers += [
                nn.Conv1d(source, target, 3, 2, 1, bias=False),
                nn.BatchNorm1d(target),
                nn.ReLU(inplace=True),
            ]
        layers.append(nn.Conv1d(sizes[-1], dim, 3, 2, 1))
        self.model = nn.Sequential(*layers)
        self.dim = dim

    def forward(self, logmels: Tensor) -> Tensor:
        """Embed ``(recordings, bands, frames)`` as ``(recordings, dim)``, of any length."""
        embeddings: Tensor = self.model(logmels).mean(2)
        return embeddings
