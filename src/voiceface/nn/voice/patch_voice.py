"""A speaker classifier of log-mel patches, whose last hidden layer is the voice embedding."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class PatchVoice(nn.Module):
    """Three convolutions and three fully connected layers (Agarwal et al. 2019, III-A and Figure 1).

    Each convolution of 3×3 keeps the size, is pooled by 4 bands × 2 frames and rectified; an odd rest
    is pooled too, since 60 × 41 would otherwise end without a row: 15 × 21, 4 × 11, 1 × 6.

    Args:
        classes: number of people; 0: no last layer, embeddings alone.
        bands: rows of a patch.
        frames: columns of a patch.
        channels: kernels of each convolution.
        hidden: units of the first fully connected layer.
        dim: size of an embedding.
        dropout: share of units dropped behind each of the two hidden fully connected layers.
    """

    def __init__(
        self,
        *,
        classes: int,
        bands: int = 60,
        frames: int = 41,
        channels: int = 128,
        hidden: int = 512,
        dim: int = 128,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, channels, 3, padding=1) for before in (2, channels, channels)
        )
        for _ in self.convolutions:
            bands, frames = -(-bands // 4), -(-frames // 2)
        self.first = nn.Linear(channels * bands * frames, hidden)
        self.second = nn.Linear(hidden, dim)
        self.last = nn.Linear(dim, classes) if classes else None
        self.dropout = nn.Dropout(dropout)

    def embedding(self, patches: Tensor) -> Tensor:
        """Rectified units (n, dim) of patches (n, bands, frames, 2)."""
        x = patches.permute(0, 3, 1, 2)
        for convolution in self.convolutions:
            x = F.relu(F.max_pool2d(convolution(x), (4, 2), ceil_mode=True))
        x = self.dropout(F.relu(self.first(x.flatten(1))))
        return F.relu(self.second(x))

    def forward(self, patches: Tensor) -> Tensor:
        """Logits (n, classes) of patches (n, bands, frames, 2)."""
        if self.last is None:
            raise RuntimeError("a network without classes has no logits")
        logits: Tensor = self.last(self.dropout(self.embedding(patches)))
        return logits

    def fully_connected(self) -> list[nn.Linear]:
        """The layers with weight decay."""
        return [layer for layer in (self.first, self.second, self.last) if layer is not None]
