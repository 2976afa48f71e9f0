"""Sound features for sync networks: log-mels of 0.2 s around every video frame, and SyncNet's cepstra."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from voiceface.audio.mel import mel_bank, power_frames
from voiceface.audio.wave_checks import as_batch, require_rate
from voiceface.records import SAMPLE_RATE

BANDS = 40
WINDOW = 20
"""Frames of 10 ms that one window holds: 5 video frames at 25 a second."""
HOPS = 4
"""Frames of 10 ms from one window to the next: one video frame."""

_HOP, _FFT = 160, 400
_FLOOR = 1e-5

_PSF_FFT, _PSF_FILTERS, _PSF_KEPT, _PSF_LIFTER = 512, 26, 13, 22


def sync_mel(wave: Tensor, *, frames: int, rate: int = SAMPLE_RATE) -> Tensor:
    """Log-mel spectrum of a clip whose level is brought to a root mean square of 1, every 10 ms.

    Args:
        wave: ``(samples,)`` or ``(batch, samples)``, 16 kHz.
        frames: video frames (25 a second) that the clip has; sound that is missing is silence.
        rate: sample rate in Hz.

    Returns:
        ``(4 * frames, 40)`` or ``(batch, 4 * frames, 40)`` natural logarithms; row k is centred on k * 10 ms.

    Raises:
        InputError: another rate, no samples, NaN.
    """
    require_rate(rate, needed=SAMPLE_RATE, feature="sync_mel")
    batch = as_batch(wave)
    needed = frames * HOPS * _HOP
    batch = batch[:, :needed]
    level = batch.square().mean(1, keepdim=True).sqrt()
    batch = torch.nn.functional.pad(batch / level.clamp_min(1e-4), (0, needed - batch.shape[1]))
    power = power_frames(batch, fft=_FFT, hop=_HOP)[:, : HOPS * frames]
    bank = mel_bank(bands=BANDS, fft=_FFT, rate=SAMPLE_RATE).to(power.dtype).to(power.device)
    mels = torch.log(power @ bank + _FLOOR)
    return mels if wave.ndim == 2 else mels[0]


def sync_windows(mels: Tensor) -> Tensor:
    """Cut ``(..., 4 * frames, bands)`` into a window for every five video frames.

    Returns:
        ``(..., frames - 4, bands, 20)``; window t belongs to the video frames t to t + 4.
    """
    return mels.unfold(-2, WINDOW, HOPS)


def syncnet_cepstra(wave: Tensor, *, rate: int = SAMPLE_RATE) -> Tensor:
    """Thirteen mel cepstra every 10 ms, as SyncNet's published weights expect them.

    Those of the program ``python_speech_features``: samples as 16-bit numbers, pre-emphasis 0.97,
    rectangular frames of 25 ms, 512-point spectrum, 26 triangular filters from 0 Hz up on the mel scale
    2595 log10(1 + f / 700) with edges on whole bins, orthonormal cosine transform, lifter 22, the first
    number replaced by the frame's log energy.

    Args:
        wave: ``(samples,)`` in [-1, 1], 16 kHz.
        rate: sample rate in Hz.

    Returns:
        ``(frames, 13)`` float64.

    Raises:
        InputError: another rate, no samples, NaN.
    """
    require_rate(rate, needed=SAMPLE_RATE, feature="syncnet_cepstra")
    samples = (as_batch(wave)[0].double() * 32768.0).round()
    samples = torch.cat([samples[:1], samples[1:] - 0.97 * samples[:-1]])
    count = 1 + max(0, math.ceil((len(samples) - _FFT) / _HOP))
    padded = torch.nn.functional.pad(samples, (0, (count - 1) * _HOP + _FFT - len(samples)))
    spectra = torch.fft.rfft(padded.unfold(0, _FFT, _HOP), _PSF_FFT)
    power = (spectra.real.square() + spectra.imag.square()) / _PSF_FFT
    tiny = torch.finfo(torch.float64).eps
    energy = power.sum(1)
    energy = torch.where(energy == 0, tiny, energy)
    mels = power @ _psf_bank()
    mels = torch.where(mels == 0, tiny, mels).log()
    centre = torch.arange(_PSF_FILTERS, dtype=torch.float64)[:, None] + 0.5
    order = torch.arange(_PSF_KEPT, dtype=torch.float64)
    table = torch.cos(math.pi / _PSF_FILTERS * centre * order) * math.sqrt(2 / _PSF_FILTERS)
    table[:, 0] /= math.sqrt(2)
    lift = 1 + _PSF_LIFTER / 2 * torch.sin(math.pi * order / _PSF_LIFTER)
    cepstra = mels @ table * lift
    cepstra[:, 0] = energy.log()
    return cepstra


def _psf_bank() -> Tensor:
    """Its filters, (257, 26): triangles between whole bins, not normalised."""
    top = 2595 * math.log10(1 + SAMPLE_RATE / 2 / 700)
    points = torch.linspace(0, top, _PSF_FILTERS + 2, dtype=torch.float64)
    edges = ((_PSF_FFT + 1) * (700 * (10 ** (points / 2595) - 1)) / SAMPLE_RATE).floor()
    bins = torch.arange(_PSF_FFT // 2 + 1, dtype=torch.float64)[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins - left) / (centre - left).clamp_min(1e-12)
    falling = (right - bins) / (right - centre).clamp_min(1e-12)
    # A bin on a filter's centre belongs to its falling side, whose value there is 1.
    inside = torch.where(bins < centre, rising, falling)
    return torch.where((bins >= left) & (bins < right), inside, 0.0)
