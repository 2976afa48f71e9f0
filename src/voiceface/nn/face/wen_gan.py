"""Generator, shared trunk, discriminator and classifier of Wen, Singh, Raj 2019 (Table 2), 64-pixel faces.

Two readings of the kernels between the first layer and the last: the paper prints 3x3, the authors'
program has 4x4. A 4x4 kernel with stride 2 and padding 1 doubles or halves a picture exactly. So does a
3x3 one on the way down; on the way up it needs one more row and column, which is an output padding of 1.
The paper also prints a leaky ReLU after the trunk's last convolution; the program has none. Tensors are
called ``model.N.weight``, as in the authors' published weights.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from voiceface.errors import InputError

SIZE = 64
"""Pixels a side of the faces."""

Kernel = Literal["paper", "code"]
_KERNELS = {"paper": 3, "code": 4}
_SLOPE = 0.2
_MIN_WIDTH = 32


class WenGenerator(nn.Module):
    """A face from an embedding: transposed convolutions to 4, 8, 16, 32 and 64 pixels, no tanh at the end.

    Args:
        dim: dimensions of the embedding.
        width: channels at 4 pixels, halved at every doubling; 1024 as published.
        kernel: ``"paper"`` (3x3) or ``"code"`` (4x4).
    """

    def __init__(self, *, dim: int = 64, width: int = 1024, kernel: Kernel = "paper") -> None:
        super().__init__()
        side = _side(kernel, width)
        sizes = [width >> level for level in range(5)]
        layers: list[nn.Module] = [nn.ConvTranspose2d(dim, width, 4, 1, 0), nn.ReLU(inplace=True)]
        for given, made in zip(sizes, sizes[1:], strict=False):
            layers += [
                nn.ConvTranspose2d(given, made, side, 2, 1, output_padding=4 - side),
                nn.ReLU(inplace=True),
            ]
        self.model = nn.Sequential(*layers, nn.ConvTranspose2d(sizes[-1], 3, 1))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Faces ``(n, 3, 64, 64)`` of embeddings ``(n, dim)``; black is -1, white 1, nothing is clamped."""
        faces: Tensor = self.model(embeddings[:, :, None, None])
        return faces


class WenFaceTrunk(nn.Module):
    """The trunk that discriminator and classifier share: convolutions from 64 pixels to a feature vector.

    Args:
        width: channels at 4 pixels, halved at every doubling; 512 as published.
        dim: features.
        kernel: ``"paper"`` (3x3, a leaky ReLU at the end) or ``"code"`` (4x4, none).
    """

    def __init__(self, *, width: int = 512, dim: int = 64, kernel: Kernel = "paper") -> None:
        super().__init__()
        side = _side(kernel, 2 * width)
        sizes = [width >> level for level in range(4, -1, -1)]
        layers: list[nn.Module] = [nn.Conv2d(3, sizes[0], 1), nn.LeakyReLU(_SLOPE, inplace=True)]
        for given, made in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Conv2d(given, made, side, 2, 1), nn.LeakyReLU(_SLOPE, inplace=True)]
        layers.append(nn.Conv2d(width, dim, 4))
        if kernel == "paper":
            layers.append(nn.LeakyReLU(_SLOPE, inplace=True))
        self.model = nn.Sequential(*layers)

    def forward(self, faces: Tensor) -> Tensor:
        """Features ``(n, dim)`` of faces ``(n, 3, 64, 64)``."""
        features: Tensor = self.model(faces).flatten(1)
        return features


class WenLinear(nn.Module):
    """A linear layer without bias on a trunk's features: one logit to discriminate, or one a person."""

    def __init__(self, *, dim: int = 64, classes: int = 1) -> None:
        super().__init__()
        self.model = nn.Linear(dim, classes, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(n, classes)`` of features ``(n, dim)``."""
        logits: Tensor = self.model(features)
        return logits


def _side(kernel: str, width: int) -> int:
    if kernel not in _KERNELS:
        raise InputError("kernel", f"is {kernel!r}", "give 'paper' (3x3) or 'code' (4x4)")
    if width < _MIN_WIDTH or width % _MIN_WIDTH:
        raise InputError("width", f"is {width}", f"give a multiple of {_MIN_WIDTH}; 1024 is as published")
    return _KERNELS[kernel]
