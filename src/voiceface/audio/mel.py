"""Mel filter banks, cosine transform and deltas, shared by the features that start from them."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

# Slaney's Auditory Toolbox scale: linear below 1 kHz (200/3 Hz a mel), 27 logarithmic steps up to 6.4 kHz.
_LINEAR_HZ = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ
_LOG_STEP = math.log(6.4) / 27.0


def hz_to_mel(hz: Tensor) -> Tensor:
    """Map frequencies in Hz to Slaney's mel scale, any shape.

    >>> hz_to_mel(torch.tensor([0.0, 1000.0])).round().tolist()
    [0.0, 15.0]
    """
    logarithmic = _BREAK_MEL + torch.log(hz.clamp_min(_BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return torch.where(hz < _BREAK_HZ, hz / _LINEAR_HZ, logarithmic)


def mel_to_hz(mel: Tensor) -> Tensor:
    """Map Slaney mels back to Hz, any shape; the inverse of :func:`hz_to_mel`."""
    logarithmic = _BREAK_HZ * torch.exp(_LOG_STEP * (mel.clamp_min(_BREAK_MEL) - _BREAK_MEL))
    return torch.where(mel < _BREAK_MEL, mel * _LINEAR_HZ, logarithmic)


@functools.lru_cache(maxsize=16)
def mel_bank(*, bands: int, fft: int, rate: int, low: float = 0.0, high: float | None = None) -> Tensor:
    """Build triangular filters of unit area on Slaney's mel scale.

    Args:
        bands: number of filters.
        fft: length of the Fourier transform in samples.
        rate: sample rate in Hz.
        low: lower edge of the first filter in Hz.
        high: upper edge of the last filter in Hz; half the rate where None.

    Returns:
        float64 ``(fft // 2 + 1, bands)``; a power spectrum times it is a mel spectrum. Cached: do not
        write into it.
    """
    top = rate / 2 if high is None else high
    ends = hz_to_mel(torch.tensor([low, top], dtype=torch.float64))
    edges = mel_to_hz(torch.linspace(float(ends[0]), float(ends[1]), bands + 2, dtype=torch.float64))
    bins = torch.linspace(0, rate / 2, fft // 2 + 1, dtype=torch.float64)[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins - left) / (centre - left)
    falling = (right - bins) / (right - centre)
    return torch.minimum(rising, falling).clamp_min(0) * (2 / (right - left))


def power_frames(batch: Tensor, *, fft: int, hop: int, power: float = 2.0, centre: bool = True) -> Tensor:
    """Give Hann-windowed short-time spectra raised to a power.

    Args:
        batch: waves ``(batch, samples)``.
        fft: window and transform length in samples.
        hop: step between frames in samples.
        power: 1 for magnitudes, 2 for power.
        centre: frame t is centred on sample t * hop, with zeros beyond the ends; else it starts there.

    Returns:
        ``(batch, frames, fft // 2 + 1)``; 1 + samples // hop frames where centred.
    """
    window = torch.hann_window(fft, dtype=batch.dtype, device=batch.device)
    if torch.compiler.is_compiling():
        found = _power_by_product(batch, window, hop=hop, centre=centre)
        return found if power == 2.0 else found.pow(power / 2)
    spectra = torch.stft(
        batch, fft, hop, window=window, center=centre, pad_mode="constant", return_complex=True
    )
    magnitudes = spectra.abs() if power != 2.0 else spectra.real.square() + spectra.imag.square()
    return (magnitudes if power in (1.0, 2.0) else magnitudes.pow(power)).transpose(1, 2)


def _power_by_product(batch: Tensor, window: Tensor, *, hop: int, centre: bool) -> Tensor:
    """Power spectra for exported graphs: runtimes take many times as long for a transform."""
    fft = len(window)
    padded = torch.nn.functional.pad(batch, (fft // 2, fft // 2)) if centre else batch
    time = torch.arange(fft, dtype=torch.float64, device=batch.device)
    angles = 2 * math.pi / fft * time[:, None] * time[: fft // 2 + 1]
    frames = padded.unfold(1, fft, hop) * window
    return (frames @ angles.cos().to(batch)).square() + (frames @ angles.sin().to(batch)).square()


@functools.lru_cache(maxsize=16)
def cosine_transform(*, bands: int, kept: int) -> Tensor:
    """Build the orthonormal DCT-II that turns log-mels into cepstra.

    Returns:
        float64 ``(bands, kept)``; columns have length 1. Cached: do not write into it.
    """
    time = torch.arange(bands, dtype=torch.float64)[:, None] + 0.5
    order = torch.arange(kept, dtype=torch.float64)
    table = torch.cos(math.pi / bands * time * order) * math.sqrt(2 / bands)
    table[:, 0] /= math.sqrt(2)
    return table
