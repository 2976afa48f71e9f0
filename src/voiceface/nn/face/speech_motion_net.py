"""Log-mels to coefficients of a face's motion, one set a video frame."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

ROWS_A_FRAME = 4
"""Rows of log-mels, 10 ms each, of one video frame of 40 ms."""
_KERNEL = 5
_UNIT = 3.0
"""What log-mels are divided by: about their deviation."""


class SpeechMotionNet(nn.Module):
    """Five convolutions over time: a frame depends on 24 rows of sound, six frames, to either side.

    Args:
        bands: of the log-mels.
        width: channels.
        components: coefficients a frame.
        dropout: share of the channels left out in training, twice.
    """

    def __init__(self, *, bands: int, width: int, components: int, dropout: float = 0.2) -> None:
        super().__init__()
        half = _KERNEL // 2
        self.rows = nn.ModuleList(
            [
                nn.Conv1d(bands, width, _KERNEL, padding=half),
                nn.Conv1d(width, width, _KERNEL, padding=half, stride=2),
                nn.Conv1d(width, width, _KERNEL, padding=half, stride=2),
            ]
        )
        self.frames = nn.ModuleList(
            [nn.Conv1d(width, width, _KERNEL, padding=half), nn.Conv1d(width, width, _KERNEL, padding=half)]
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Conv1d(width, components, 1)

    def forward(self, mels: Tensor) -> Tensor:
        """Coefficients (clips, ceil(rows / 4), components) of log-mels (clips, rows, bands).

        The first frame is centred on the first row.
        """
        hidden = mels.transpose(1, 2) / _UNIT
        for layer in self.rows:
            hidden = F.gelu(layer(hidden))
        hidden = self.dropout(hidden)
        for layer in self.frames:
            hidden = hidden + F.gelu(layer(hidden))
        coefficients: Tensor = self.head(self.dropout(hidden)).transpose(1, 2)
        return coefficients
