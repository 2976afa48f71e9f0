"""The level of a frame of speech, for networks that read the samples themselves."""

from __future__ import annotations

import torch
from torch import Tensor

from voiceface.audio.wave_checks import as_batch


def normalise_peak(wave: Tensor) -> Tensor:
    """Bring every wave's largest sample to 1; silence stays silent.

    Source: Roldán 2018, section III-A: speech frames "normalized between -1 and 1".

    Args:
        wave: ``(samples,)`` or ``(batch, samples)``.

    Raises:
        InputError: no samples, NaN, wrong shape.

    >>> normalise_peak(torch.tensor([0.25, -0.5])).tolist()
    [0.5, -1.0]
    """
    batch = as_batch(wave)
    loud = batch.abs().amax(1, keepdim=True)
    brought = batch / torch.where(loud > 0, loud, 1.0)
    return brought if wave.ndim == 2 else brought[0]
