"""The text-to-image GAN of Reed et al., as Roldán conditions it on names and speech.

Source: Reed, Akata, Yan, Logeswaran, Schiele, Lee 2016, Generative Adversarial Text to Image Synthesis,
section 4.1; Roldán 2018, sections II-B and IV-C, figures 6 to 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from voiceface.errors import InputError

Norm = Literal["none", "batch", "spectral"]

_SLOPE = 0.2


class RoldanGenerator(nn.Module):
    """Generates square pictures from a condition and noise, doubling the side from 4 pixels on.

    Args:
        condition: dimensions of the condition.
        noise: dimensions of the noise prior.
        width: channels before the last layer; eight times as many at 4 × 4 for 64 pixels.
        size: side of the picture in pixels, a power of two from 8 on.
        norm: batch or spectral normalisation of all layers but the last (spectral norm includes it).
        dropout: share of every block's output set to zero, *also at inference*: where the noise prior is
            ignored, variety comes from it (Isola et al. 2017; Roldán, section V).
    """

    def __init__(
        self,
        *,
        condition: int,
        noise: int = 100,
        width: int = 64,
        size: int = 64,
        norm: Norm = "spectral",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise InputError("dropout", f"is {dropout}", "give at least 0 and less than 1")
        self.condition, self.noise, self.size, self.dropout = condition, noise, size, dropout
        widths = _widths(width, size)[::-1]
        self.sides = [(count, 4 << level) for level, count in enumerate(widths)]
        sources = [condition + noise, *widths]
        self.blocks = nn.ModuleList(
            nn.Sequential(
                _layer(_up(source, target, first=level == 0, bias=norm != "batch"), norm),
                nn.BatchNorm2d(target) if norm == "batch" else nn.Identity(),
                nn.ReLU(),
            )
            for level, (source, target) in enumerate(zip(sources, widths, strict=False))
        )
        self.last = _layer(_up(widths[-1], 3, first=False, bias=True), norm)
        _initialise(self, norm)

    def forward(self, condition: Tensor, noise: Tensor, masks: Sequence[Tensor] | None = None) -> Tensor:
        """Pictures ``(n, 3, size, size)`` in [-1, 1] of conditions ``(n, condition)``, noise ``(n, noise)``.

        ``masks`` are those of `dropout_masks` for every picture, stacked; without them dropout is sampled.
        """
        x = torch.cat([condition, noise], 1)[:, :, None, None]
        for level, block in enumerate(self.blocks):
            x = block(x)
            if self.dropout:
                x = x * masks[level] if masks is not None else F.dropout(x, self.dropout, True)
        return torch.tanh(self.last(x))

    def dropout_masks(self, generator: torch.Generator) -> list[Tensor]:
        """One picture's dropout, block by block: ``(channels, side, side)``, 0 or 1 / (1 − dropout)."""
        kept = 1 - self.dropout
        uniform = [torch.rand(count, side, side, generator=generator) for count, side in self.sides]
        return [(one < kept).float() / kept for one in uniform]

    def first_weights(self) -> tuple[float, float]:
        """Mean absolute weight of the first layer for a dimension of the condition, and for one of the noise.

        Source: Roldán 2018, section V, who found the second more than 1,000 times smaller.
        """
        layer = cast(nn.ConvTranspose2d, self.blocks[0].get_submodule("0"))
        weights = layer.weight.detach().abs().mean((1, 2, 3))
        return float(weights[: self.condition].mean()), float(weights[self.condition :].mean())


class RoldanDiscriminator(nn.Module):
    """Scores pictures, given a condition where it reads one, and classifies their people where it can.

    The condition is repeated over the 4 × 4 positions of the trunk's output. A 1 × 1 convolution comes
    before the 4 × 4 one, as in Reed et al.; Roldán's text leaves it out, but the score would then be a sum
    of a function of the picture and one of the condition, and could not tell whether the two match.

    Args:
        condition: dimensions of the condition; 0 for a discriminator without one.
        classes: classes of the auxiliary classifier; 0 for none.
        width: channels of the first layer; eight times as many at 4 × 4 for 64 pixels.
        size: side of the pictures, a power of two from 8 on.
        norm: batch or spectral normalisation, or none.
    """

    def __init__(
        self, *, condition: int = 128, classes: int = 0, width: int = 64, size: int = 64, norm: Norm = "none"
    ) -> None:
        super().__init__()
        self.condition, batch = condition, norm == "batch"
        widths = _widths(width, size)
        blocks: list[nn.Module] = []
        for level, (source, target) in enumerate(zip([3, *widths], widths, strict=False)):
            # The first layer is never batch-normalised: it sees the pixels (Radford et al. 2016).
            plain = not batch or level == 0
            blocks.append(_layer(nn.Conv2d(source, target, 4, 2, 1, bias=plain), norm))
            blocks += [nn.Identity() if plain else nn.BatchNorm2d(target), nn.LeakyReLU(_SLOPE)]
        self.trunk = nn.Sequential(*blocks)
        top = widths[-1]
        self.join = nn.Sequential(
            _layer(nn.Conv2d(top + condition, top, 1, bias=not batch), norm),
            nn.BatchNorm2d(top) if batch else nn.Identity(),
            nn.LeakyReLU(_SLOPE),
        )
        self.score = _layer(nn.Conv2d(top, 1, 4), norm)
        self.classes = _layer(nn.Conv2d(top, classes, 4), norm) if classes else None
        _initialise(self, norm)

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Scores ``(n,)`` of pictures ``(n, 3, size, size)``, and logits ``(n, classes)`` or None."""
        return self.score_features(self.trunk(pictures), condition)

    def score_features(
        self, features: Tensor, condition: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The same from the trunk's output, which several conditions can share."""
        if condition is not None and self.condition:
            spread = condition[:, :, None, None].expand(-1, -1, *features.shape[2:])
            features = torch.cat([features, spread.to(features.dtype)], 1)
        joined = self.join(features)
        logits = self.classes(joined).flatten(1) if self.classes is not None else None
        return self.score(joined).flatten(), logits


def _widths(width: int, size: int) -> list[int]:
    """Channels of the layers between the picture and 4 × 4, the picture's side first."""
    levels = size.bit_length() - 3
    if levels < 1 or size != 4 << levels:
        raise InputError("size", f"is {size} pixels", "give a power of two, 8 or more")
    return [width * min(8, 1 << level) for level in range(levels)]


def _up(source: int, target: int, *, first: bool, bias: bool) -> nn.ConvTranspose2d:
    """From 1 × 1 to 4 × 4 at first, then to twice the side."""
    return nn.ConvTranspose2d(source, target, 4, 1 if first else 2, 0 if first else 1, bias=bias)


def _layer(layer: nn.Module, norm: Norm) -> nn.Module:
    return spectral_norm(layer) if norm == "spectral" else layer


def _initialise(network: nn.Module, norm: Norm) -> None:
    """DCGAN's initialisation where batch norm rescales what follows; elsewhere such small weights vanish."""
    if norm != "batch":
        return
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
