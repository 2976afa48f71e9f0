"""Contrastive predictive coding's two networks: raw sound to latents, latents to contexts of the past."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["HOP", "REACH", "CpcNet", "loudness"]

HOP = 160
"""Samples from one latent to the next: 10 ms at 16 kHz."""
_KERNELS, _STRIDES = (10, 8, 4, 4, 4), (5, 4, 2, 2, 2)
REACH = 465
"""Samples that a latent is made of, of which the last 160 are its own."""


class CpcNet(nn.Module):
    """Five strided convolutions and a recurrent layer; nothing hears what is yet to come.

    Source: van den Oord et al. 2018, section 3.1: kernels 10, 8, 4, 4, 4 and strides 5, 4, 2, 2, 2,
    512 channels, a GRU of 256. Each moment's channels are normalised by themselves, so that a stream gives
    the same as a whole recording.

    Args:
        width: channels of the convolutions and numbers of a latent.
        context: numbers of a context.
    """

    def __init__(self, *, width: int = 512, context: int = 256) -> None:
        super().__init__()
        self.width, self.context = width, context
        before = [1] + [width] * (len(_KERNELS) - 1)
        self.convs = nn.ModuleList(
            nn.Conv1d(b, width, kernel, stride=stride)
            for b, kernel, stride in zip(before, _KERNELS, _STRIDES, strict=True)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in _KERNELS)
        self.past = nn.GRU(width, context, batch_first=True)

    def latents(self, waves: Tensor) -> Tensor:
        """Z of sound ``(n, 305 + steps * 160)``: ``(n, steps, width)``; 305 samples only lead in."""
        maps = waves[:, :, None]
        for conv, norm in zip(self.convs, self.norms, strict=True):
            maps = F.relu(norm(_convolved(maps, conv)))
        return maps

    def contexts(self, latents: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """C ``(n, steps, context)`` of latents ``(n, steps, width)``, and the state after the last."""
        found, after = self.past(latents, state)
        return found, after

    def lead(self, waves: Tensor) -> Tensor:
        """Sound ``(n, samples)`` with the silence before it that the first latent needs."""
        return F.pad(waves, (REACH - HOP, 0))


def _convolved(maps: Tensor, conv: nn.Module) -> Tensor:
    """``conv`` over ``(n, moments, channels)``.

    Every kernel is two strides long: its halves are a product each with the moments as they lie in memory,
    without a turned copy of them.
    """
    assert isinstance(conv, nn.Conv1d) and conv.bias is not None
    wide, _, kernel = conv.weight.shape
    stride = kernel // 2
    count, moments, channels = maps.shape
    blocks = maps[:, : moments // stride * stride].reshape(count, -1, stride * channels)
    halves = conv.weight.permute(2, 1, 0).reshape(2, stride * channels, wide)
    # The earlier half of a window is one block, the later half the next.
    return blocks[:, :-1] @ halves[0] + blocks[:, 1:] @ halves[1] + conv.bias


def loudness(wave: Tensor) -> Tensor:
    """Root mean square of sound ``(samples,)``, at least 0.0001: what it is divided by before it is heard.

    >>> import torch
    >>> loudness(torch.tensor([0.5, -0.5]))
    tensor(0.5000)
    """
    level = wave.square().mean().sqrt() if len(wave) else wave.new_zeros(())
    return level.clamp_min(1e-4)
