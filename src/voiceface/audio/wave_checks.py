"""Checks of a wave that every sound feature starts with: shape, finite numbers, rate, lengths.

A wave is a floating-point tensor ``(samples,)`` or ``(batch, samples)``; recordings of different
lengths share a batch padded with zeros at the end, with their true lengths beside it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from voiceface.errors import InputError


def as_batch(wave: Tensor) -> Tensor:
    """Give a wave as ``(batch, samples)``, refusing what no feature can be computed from.

    Args:
        wave: floating-point ``(samples,)`` or ``(batch, samples)``.

    Raises:
        InputError: not floating point, neither 1-D nor 2-D, no samples, or NaN or infinite samples.

    >>> as_batch(torch.zeros(8)).shape
    torch.Size([1, 8])
    """
    if not wave.is_floating_point():
        raise InputError("wave", f"contains {wave.dtype} samples", "give floats in [-1, 1] (int16 / 32768)")
    if wave.ndim not in (1, 2):
        shape = tuple(wave.shape)
        raise InputError("wave", f"has shape {shape}", "give (samples,) or (batch, samples), mono")
    if wave.numel() == 0:
        raise InputError("wave", "contains no samples", "give a recording with sound in it")
    # An exported graph cannot refuse: nothing in it may depend on the values.
    if not torch.compiler.is_compiling() and not bool(torch.isfinite(wave).all()):
        raise InputError("wave", "contains NaN or infinite samples", "repair or leave out the recording")
    # Half floats cannot carry a spectrum's range, and the Fourier transforms do not take them everywhere.
    wide = wave if wave.dtype in (torch.float32, torch.float64) else wave.float()
    return wide if wave.ndim == 2 else wide[None]


def full_precision(batch: Tensor) -> AbstractContextManager[object]:
    """Switch autocast off for what is done with a batch: log-mels of bf16 products would be noise.

    >>> with torch.autocast("cpu", torch.bfloat16), full_precision(torch.ones(1)):
    ...     (torch.ones(1, 1) @ torch.ones(1, 1)).dtype
    torch.float32
    """
    device = batch.device.type
    if not torch.amp.is_autocast_available(device):
        return nullcontext()
    return torch.autocast(device, enabled=False)


def as_lengths(lengths: Tensor | None, batch: Tensor) -> Tensor:
    """Give the true lengths of a padded batch as int64 ``(batch,)`` on the batch's device.

    Args:
        lengths: integers ``(batch,)`` in samples, or None where nothing is padded.
        batch: the padded waves ``(batch, samples)``.

    Raises:
        InputError: another number of lengths than waves, or one below 1 or beyond the samples.
    """
    rows, samples = batch.shape
    if lengths is None:
        return torch.full((rows,), samples, dtype=torch.int64, device=batch.device)
    if lengths.shape != (rows,) or lengths.is_floating_point():
        raise InputError("lengths", f"do not fit a batch of {rows} waves", "give one whole number a wave")
    if int(lengths.min()) < 1 or int(lengths.max()) > samples:
        raise InputError("lengths", "lie outside the batch", f"give lengths from 1 to {samples} samples")
    return lengths.to(batch.device, torch.int64)


def require_rate(rate: int, *, needed: int, feature: str) -> None:
    """Refuse a sample rate for which a feature's filters and windows were not made.

    Raises:
        InputError: ``rate`` is not ``needed`` (Hz).
    """
    if rate != needed:
        raise InputError(feature, f"is defined at {needed} Hz and got {rate} Hz", f"resample to {needed} Hz")
