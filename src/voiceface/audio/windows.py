"""Raw waveform windows: the input of networks that learn their own filters (SEGAN's judge)."""

from __future__ import annotations

import torch
from torch import Tensor

from voiceface.audio.wave_checks import as_batch
from voiceface.errors import InputError

__all__ = ["preemphasis", "window_starts", "windows"]


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


def window_starts(samples: int, *, rate: int, seconds: float = 4.0, overlap: float = 2.0) -> list[int]:
    """Say at which samples the whole windows of a recording start; none where it is too short.

    Args:
        samples: length of the recording.
        rate: sample rate in Hz.
        seconds: length of a window.
        overlap: what two neighbours share, in seconds.

    Raises:
        InputError: an overlap that is negative or leaves no step, or windows without a sample.

    >>> window_starts(160_000, rate=16_000)
    [0, 32000, 64000, 96000]
    """
    width, step = _sizes(rate, seconds, overlap)
    return list(range(0, samples - width + 1, step))


def windows(
    wave: Tensor, *, rate: int, seconds: float = 4.0, overlap: float = 2.0, fill: bool = False
) -> Tensor:
    """Cut waves into overlapping windows, 4 s with 2 s in common as Roldán 2018.

    Args:
        wave: ``(samples,)`` or ``(batch, samples)``.
        rate: sample rate in Hz.
        seconds: length of a window.
        overlap: what two neighbours share, in seconds.
        fill: add zeros at the end until the last window is whole; else what it lacks is left out.

    Returns:
        ``(batch, windows, seconds * rate)``, or ``(windows, ...)`` for one wave: a view where nothing
        was filled, without windows where the wave is too short.

    Raises:
        InputError: no samples, NaN, wrong shape, or an overlap that leaves no step.

    >>> windows(torch.zeros(2, 160_000), rate=16_000).shape
    torch.Size([2, 4, 64000])
    """
    batch = as_batch(wave)
    width, step = _sizes(rate, seconds, overlap)
    if fill:
        steps = -(-max(0, batch.shape[1] - width) // step)
        batch = torch.nn.functional.pad(batch, (0, max(0, steps * step + width - batch.shape[1])))
    pieces = (
        batch.unfold(1, width, step) if batch.shape[1] >= width else batch.new_zeros(len(batch), 0, width)
    )
    return pieces if wave.ndim == 2 else pieces[0]


def _sizes(rate: int, seconds: float, overlap: float) -> tuple[int, int]:
    """Give a window's width and step in samples."""
    width, step = round(seconds * rate), round((seconds - overlap) * rate)
    if width < 1:
        raise InputError("windows", f"of {seconds} s hold no sample at {rate} Hz", "give longer windows")
    if overlap < 0 or step < 1:
        raise InputError(
            "overlap",
            f"{overlap} s does not fit windows of {seconds} s",
            "give 0 s or more, less than the window",
        )
    return width, step
