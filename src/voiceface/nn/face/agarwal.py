"""Agarwal et al.'s networks: 64-pixel faces from a voice embedding, and the discriminator.

The figures that hold the sizes (7 to 9) say how many layers there are; kernels, strides and channels not
stated in the text are ours: 4×4 kernels of stride 2, channels doubling towards the middle.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 64
"""Pixels a side of the faces."""


class EmbeddingEncoder(nn.Module):
    """From a voice's embedding to a normal distribution over latents (Figure 7, left).

    Args:
        voice_dim: dimensions of the voice embedding.
        hidden: units of each of its two fully connected layers.
        latent: dimensions of the latent.
    """

    def __init__(self, *, voice_dim: int = 128, hidden: int = 128, latent: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(voice_dim, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.mean = nn.Linear(hidden, latent)
        self.log_variance = nn.Linear(hidden, latent)

    def forward(self, voices: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance, (n, latent) each, of embeddings (n, voice_dim)."""
        hidden = self.layers(voices)
        return self.mean(hidden), self.log_variance(hidden)


class LatentDecoder(nn.Module):
    """From a latent to a face: one fully connected layer, two transposed convolutions (Figure 7, right).

    Args:
        latent: dimensions of the latent.
        width: channels of the first transposed convolution's input and output.
    """

    def __init__(self, *, latent: int = 128, width: int = 64) -> None:
        super().__init__()
        self.width = width
        self.first = nn.Linear(latent, width * (SIDE // 4) ** 2)
        self.up = nn.ConvTranspose2d(width, width, 4, stride=2, padding=1)
        self.last = nn.ConvTranspose2d(width, 3, 4, stride=2, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """Faces (n, 3, 64, 64) in [0, 1] of latents (n, latent)."""
        x = F.relu(self.first(latents)).view(-1, self.width, SIDE // 4, SIDE // 4)
        return torch.sigmoid(self.last(F.relu(self.up(x))))


class EmbeddingGenerator(nn.Module):
    """From a voice's embedding, and no noise, to a face (Figure 8).

    Two fully connected layers, then four transposed convolutions.

    Args:
        voice_dim: dimensions of the voice embedding.
        hidden: units of the first layer.
        width: channels before the last transposed convolution; 8 times as many at 4×4.
    """

    def __init__(self, *, voice_dim: int = 128, hidden: int = 256, width: int = 32) -> None:
        super().__init__()
        self.channels = 8 * width
        self.first = nn.Linear(voice_dim, hidden)
        self.second = nn.Linear(hidden, self.channels * (SIDE // 16) ** 2)
        steps = (8 * width, 4 * width, 2 * width, width, 3)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)
            for before, after in zip(steps[:-1], steps[1:], strict=True)
        )

    def forward(self, voices: Tensor) -> Tensor:
        """Faces (n, 3, 64, 64) in [0, 1] of embeddings (n, voice_dim)."""
        x = F.relu(self.second(F.relu(self.first(voices))))
        x = x.view(-1, self.channels, SIDE // 16, SIDE // 16)
        for up in self.ups:
            x = up(F.relu(x))
        return torch.sigmoid(x)


class EmbeddingDiscriminator(nn.Module):
    """Whether a face is real *and* matches a voice (Figure 9).

    Four convolutions, then the embedding concatenated with their features, then fully connected layers to
    one score. A single layer would add a score of the face to one of the voice and could not tell whether
    the two match, so there is a hidden one.

    Args:
        voice_dim: dimensions of the voice embedding.
        hidden: units after the concatenation.
        width: channels of the first convolution; 8 times as many at 4×4.
    """

    def __init__(self, *, voice_dim: int = 128, hidden: int = 256, width: int = 32) -> None:
        super().__init__()
        steps = (3, width, 2 * width, 4 * width, 8 * width)
        self.downs = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride=2, padding=1)
            for before, after in zip(steps[:-1], steps[1:], strict=True)
        )
        self.both = nn.Linear(steps[-1] * (SIDE // 16) ** 2 + voice_dim, hidden)
        self.score = nn.Linear(hidden, 1)

    def forward(self, faces: Tensor, voices: Tensor) -> Tensor:
        """Log odds (n,) that faces (n, 3, 64, 64) in [0, 1] are real ones of embeddings (n, voice_dim)."""
        x = 2 * faces - 1
        for down in self.downs:
            x = F.leaky_relu(down(x), 0.2)
        both = self.both(torch.cat([x.flatten(1), voices.to(x.dtype)], dim=1))
        score: Tensor = self.score(F.leaky_relu(both, 0.2))
        return score.squeeze(1)
