"""Log-mel frames as Kaldi computes them, which the speaker encoders of 3D-Speaker read."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from voiceface.audio.wave_checks import as_batch, full_precision, require_rate
from voiceface.errors import InputError
from voiceface.records import SAMPLE_RATE

_WINDOW, _HOP, _FFT = 400, 160, 512
_LOWEST_HZ = 20.0
_PREEMPHASIS = 0.97
_FLOOR = torch.finfo(torch.float32).eps


def kaldi_fbank(wave: Tensor, *, rate: int = SAMPLE_RATE, bands: int = 80) -> Tensor:
    """Logarithms of the power in mel bands, each band minus its mean over the recording.

    Frames of 25 ms every 10 ms that lie wholly in the recording, each less its mean, pre-emphasised with
    0.97 within the frame, in a Hann window to the power of 0.85 (Povey's); power of 512 bins in bands that
    are triangles on the scale 1127 ln(1 + f/700) from 20 Hz to half the rate. No dither.

    Source: Kaldi's ``compute-fbank-feats`` with its defaults; 3D-Speaker subtracts the mean.

    Args:
        wave: ``(samples,)`` or ``(batch, samples)`` in [-1, 1]; at least 400 samples.
        rate: sample rate in Hz; 16,000 is the only one the encoders know.
        bands: number of bands.

    Returns:
        ``(batch, frames, bands)``, or ``(frames, bands)`` for one wave; 1 + (samples - 400) // 160 frames.

    Raises:
        InputError: fewer samples, NaN, another rate or shape.

    >>> kaldi_fbank(torch.ones(16_000)).shape
    torch.Size([98, 80])
    """
    require_rate(rate, needed=SAMPLE_RATE, feature="kaldi_fbank")
    batch = as_batch(wave)
    if batch.shape[-1] < _WINDOW:
        raise InputError("wave", f"has {batch.shape[-1]} samples", f"give {_WINDOW} or more")
    frames = batch.unfold(-1, _WINDOW, _HOP)
    frames = frames - frames.mean(dim=-1, keepdim=True)
    before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
    hann = torch.hann_window(_WINDOW, periodic=False, dtype=frames.dtype, device=frames.device)
    spectra = torch.fft.rfft((frames - _PREEMPHASIS * before) * hann**0.85, n=_FFT)
    power = spectra.real.square() + spectra.imag.square()
    with full_precision(batch):
        logarithms = (power @ _bands(bands).to(power)).clamp_min(_FLOOR).log()
    found: Tensor = logarithms - logarithms.mean(dim=1, keepdim=True)
    return found if wave.ndim == 2 else found[0]


@functools.lru_cache(maxsize=4)
def _bands(count: int) -> Tensor:
    """float64 ``(257, count)``; cached, not to be written into."""
    hertz = torch.arange(_FFT // 2 + 1, dtype=torch.float64) * SAMPLE_RATE / _FFT
    mels = _mel(hertz)[:, None]
    ends = _mel(torch.tensor([_LOWEST_HZ, SAMPLE_RATE / 2], dtype=torch.float64))
    edges = torch.linspace(float(ends[0]), float(ends[1]), count + 2, dtype=torch.float64)
    rise = (mels - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - mels) / (edges[2:] - edges[1:-1])
    triangles = torch.minimum(rise, fall).clamp_min(0)
    triangles[-1] = 0  # Kaldi leaves out the bin at half the rate
    return triangles


def _mel(hertz: Tensor) -> Tensor:
    mels: Tensor = 1127 * (1 + hertz / 700).log()
    return mels
