"""Pre-emphasis: what networks on raw samples read (SEGAN's discriminator)."""

from __future__ import annotations

import torch
from torch import Tensor

from voiceface.audio.wave_checks import as_batch


def preemphasis(wave: Tensor, *, coefficient: float = 0.95) -> Tensor:
    """Lift high frequencies: y[t] = x[t] - coefficient * x[t - 1], the first sample kept as it is.

    Roldán 2018 takes it over from SEGAN (Pascual, Bonafonte, Serrà 2017), whose coefficient is 0.95.

    Args:
        wave: ``(samples,)`` or ``(batch, samples)``.
        coefficient: 0 leaves the wave alone, 1 takes differences.

    Returns:
        The same shape.

    Raises:
        InputError: no samples, NaN, wrong shape.

    >>> preemphasis(torch.tensor([1.0, 1.0, 2.0]), coefficient=0.5).tolist()
    [1.0, 0.5, 1.5]
    """
    batch = as_batch(wave)
    return (batch - coefficient * torch.nn.functional.pad(batch, (1, 0))[:, :-1]).reshape(wave.shape)
