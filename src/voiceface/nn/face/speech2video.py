"""Speech2Video's networks: identity inflation, frame decoder, identity discriminator.

Source: Si et al. 2021, Speech2Video, section 2.2 and figure 2. It states no widths: they are arguments here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from voiceface.errors import InputError

_SLOPE = 0.2


def check_size(size: int) -> None:
    """Check that a picture side is a multiple of 16 and at least 32.

    Raises:
        InputError: it is not.
    """
    if size < 32 or size % 16:
        raise InputError("size", f"is {size} pixels", "give 32, 64, 128 or another multiple of 16")


def map_sides(size: int) -> tuple[int, int, int]:
    """Sides of the three inflated maps for pictures of ``size``.

    >>> map_sides(64)
    (8, 16, 32)
    """
    return size // 8, size // 4, size // 2


class IdentityInflation(nn.Module):
    """Three transposed convolutions that each double the side, a 1 × 1 convolution beside each.

    The first starts at a sixteenth of the picture's side, to which a linear layer maps the vector.

    Args:
        identity: size of ν.
        maps: channels of the recogniser's maps at an eighth, a fourth and half of the picture's side.
        width: channels of the last of the three; twice and four times as many before.
        size: side of the pictures.
    """

    def __init__(self, *, identity: int, maps: Sequence[int], width: int = 32, size: int = 64) -> None:
        super().__init__()
        check_size(size)
        self.base = size // 16
        widths = [8 * width, 4 * width, 2 * width, width]
        self.spread = nn.Linear(identity, widths[0] * self.base**2)
        self.ups = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(source, target, 4, 2, 1, bias=False),
                nn.BatchNorm2d(target),
                nn.LeakyReLU(_SLOPE),
            )
            for source, target in zip(widths[:-1], widths[1:], strict=True)
        )
        self.aligned = nn.ModuleList(
            nn.Conv2d(source, target, 1) for source, target in zip(widths[1:], maps, strict=True)
        )
        _initialise(self)

    def forward(self, identity: Tensor) -> list[Tensor]:
        """Inflate ν ``(n, identity)``: three maps ``(n, maps[k], side, side)``, the smallest first."""
        rows = self.spread(identity)
        features = nn.functional.leaky_relu(rows, _SLOPE).reshape(len(rows), -1, self.base, self.base)
        found = []
        for up, align in zip(self.ups, self.aligned, strict=True):
            features = up(features)
            found.append(align(features))
        return found


class FrameDecoder(nn.Module):
    """A frame from the speech context c_t and the emotion μ, with the inflated identity maps joined in.

    Each join is concatenation, a transposed convolution and two 1 × 1 convolutions (figure 2).

    Args:
        context: size of c_t.
        emotion: size of μ.
        maps: channels of the identity's three maps.
        width: channels at full resolution; up to eight times as many at lower ones.
        size: side of the pictures.
    """

    def __init__(
        self, *, context: int, emotion: int, maps: Sequence[int], width: int = 32, size: int = 64
    ) -> None:
        super().__init__()
        check_size(size)
        self.base = size // 16
        widths = [8 * width, 4 * width, 2 * width, width, width]
        self.spread = nn.Linear(context + emotion, widths[0] * self.base**2)
        joined = [0, *maps]
        self.blocks = nn.ModuleList(
            _join(source + more, target)
            for source, target, more in zip(widths[:-1], widths[1:], joined, strict=True)
        )
        self.colour = nn.Conv2d(widths[-1], 3, 3, padding=1)
        _initialise(self.blocks)

    def forward(self, context: Tensor, emotion: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Frames ``(n, 3, size, size)`` in [-1, 1] of ``(n, context)``, ``(n, emotion)`` and three maps."""
        rows = self.spread(torch.cat([context, emotion], 1))
        features = nn.functional.leaky_relu(rows, _SLOPE).reshape(len(rows), -1, self.base, self.base)
        features = self.blocks[0](features)
        for block, level in zip(list(self.blocks)[1:], maps, strict=True):
            features = block(torch.cat([features, level.to(features.dtype)], 1))
        frames: Tensor = self.colour(features).tanh()
        return frames


class IdentityDiscriminator(nn.Module):
    """Scores whether three maps are a recogniser's of a real face, or inflated.

    Each smaller map is joined where strided convolutions have reduced the larger ones to its side.

    Args:
        maps: channels of the three maps, the smallest side first.
        width: channels of the first convolution.
        size: side of the pictures.
    """

    def __init__(self, *, maps: Sequence[int], width: int = 32, size: int = 64) -> None:
        super().__init__()
        check_size(size)
        widths, more = [width, 2 * width, 4 * width], [0, width, 2 * width]
        self.downs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(source + extra, target, 4, 2, 1), nn.LeakyReLU(_SLOPE))
            for source, extra, target in zip(reversed(maps), more, widths, strict=True)
        )
        self.score = nn.Conv2d(widths[-1], 1, size // 16)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Score maps, the smallest first: ``(n,)``."""
        features = None
        for down, level in zip(self.downs, reversed(list(maps)), strict=True):
            features = down(level if features is None else torch.cat([level, features], 1))
        scores: Tensor = self.score(features).flatten()
        return scores


def _join(source: int, target: int) -> nn.Sequential:
    """Double the side: a transposed convolution, then two 1 × 1 convolutions."""
    return nn.Sequential(
        nn.ConvTranspose2d(source, target, 4, 2, 1, bias=False),
        nn.BatchNorm2d(target),
        nn.LeakyReLU(_SLOPE),
        nn.Conv2d(target, target, 1),
        nn.LeakyReLU(_SLOPE),
        nn.Conv2d(target, target, 1),
        nn.LeakyReLU(_SLOPE),
    )


def _initialise(network: nn.Module) -> None:
    """He initialisation: with PyTorch's default, the speech features vanish beside the maps joined in."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, a=_SLOPE)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
