"""The two networks of contrastive predictive coding (CPC): raw sound to latents, latents to contexts."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

HOP = 160
"""Samples from one latent to the next: 10 ms at 16 kHz."""
_KERNELS, _STRIDES = (10, 8, 4, 4, 4), (5, 4, 2, 2, 2)
RECEPTIVE_FIELD = 465
"""Samples that a latent depends on; the last 160 are its own."""


class CpcNet(nn.Module):
    """Five strided convolutions and a recurrent layer; nothing depends on later samples.

    Source: van den Oord et al. 2018, section 3.1: kernels 10, 8, 4, 4, 4 and strides 5, 4, 2, 2, 2,
    512 channels, a GRU of 256. Channels are normalised at each moment alone, so that a stream gives the same
    result as a whole recording.

    Args:
        width: channels of the convolutions, the size of a latent.
        context: size of a context.
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
        """Z of sound ``(n, 305 + steps * 160)``: ``(n, steps, width)``; the first 305 samples are context."""
        maps = waves[:, :, None]
        for conv, norm in zip(self.convs, self.norms, strict=True):
            maps = F.relu(norm(_convolved(maps, conv)))
        return maps

    def contexts(self, latents: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """C ``(n, steps, context)`` of latents ``(n, steps, width)``, and the state after the last."""
        found, after = self.past(latents, state)
        return found, after

    def pad_start(self, waves: Tensor) -> Tensor:
        """Pad sound ``(n, samples)`` with the silence that the first latent needs before it."""
        return F.pad(waves, (RECEPTIVE_FIELD - HOP, 0))


def _convolved(maps: Tensor, conv: nn.Module) -> Tensor:
    """``conv`` over ``(n, moments, channels)``.

    Every kernel is two strides long: each half is one matrix product with the moments as they lie in memory,
    without a transposed copy.
    """
    assert isinstance(conv, nn.Conv1d) and conv.bias is not None
    width, _, kernel = conv.weight.shape
    stride = kernel // 2
    count, moments, channels = maps.shape
    blocks = maps[:, : moments // stride * stride].reshape(count, -1, stride * channels)
    halves = conv.weight.permute(2, 1, 0).reshape(2, stride * channels, width)
    # The earlier half of a window is one block, the later half the next.
    return blocks[:, :-1] @ halves[0] + blocks[:, 1:] @ halves[1] + conv.bias


def rms_level(wave: Tensor) -> Tensor:
    """Root mean square of sound ``(samples,)``, at least 0.0001.

    >>> import torch
    >>> rms_level(torch.tensor([0.5, -0.5]))
    tensor(0.5000)
    """
    level = wave.square().mean().sqrt() if len(wave) else wave.new_zeros(())
    return level.clamp_min(1e-4)
