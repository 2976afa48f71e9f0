"""Distances of generated frames from real ones: the half above the nose, and image gradients."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def half_frame_l1(generated: Tensor, real: Tensor, *, lower: bool = False) -> Tensor:
    """Mean absolute difference over the upper half of the rows, above the nose, which speech does not move.

    Source: Si et al. 2021, equation 8, as a mean for a sum. Its index range, H/2 to H, is the mouth's half
    when rows count from the top; the text means the upper one, rows 0 to H/2.

    Args:
        generated: ``(n, channels, height, width)``.
        real: the reference frames.
        lower: use the lower half instead.

    >>> real = torch.zeros(1, 1, 4, 4)
    >>> generated = torch.tensor([1.0, 2.0, 8.0, 8.0])[None, None, :, None].expand(1, 1, 4, 4)
    >>> half_frame_l1(generated, real).item(), half_frame_l1(generated, real, lower=True).item()
    (1.5, 8.0)
    """
    middle = generated.shape[-2] // 2
    rows = slice(middle, None) if lower else slice(None, middle)
    return (generated[..., rows, :] - real[..., rows, :]).abs().mean()


def smoothed(pictures: Tensor) -> Tensor:
    """Pictures ``(n, channels, height, width)`` filtered by 1 2 1 in both directions, edges repeated."""
    channels = pictures.shape[1]
    line = pictures.new_tensor([0.25, 0.5, 0.25])
    kernel = torch.outer(line, line).expand(channels, 1, 3, 3)
    return F.conv2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), kernel, groups=channels)


def gradient_loss(generated: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference of the smoothed pictures' gradients, across and down, added.

    Source: Si et al. 2021, equation 9; neither filter is named there: 1 2 1 for smoothing, differences of
    neighbours for the gradient.

    >>> flat, stripes = torch.zeros(1, 1, 4, 4), torch.tensor([0.0, 1.0]).repeat(2).expand(1, 1, 4, 4)
    >>> gradient_loss(flat, flat + 3).item(), gradient_loss(flat, stripes).item() > 0.1
    (0.0, True)
    """
    difference = smoothed(generated - real)
    across = (difference[..., 1:] - difference[..., :-1]).abs().mean()
    down = (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
    return across + down
