"""Log-mel frames as SpeechBrain's published speaker encoders read them."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from voiceface.audio.wave_checks import as_batch, full_precision, require_rate
from voiceface.records import SAMPLE_RATE

_FFT, _HOP = 400, 160
_FLOOR, _RANGE_DB = 1e-10, 80.0


def log_fbank(wave: Tensor, *, rate: int = SAMPLE_RATE, bands: int = 80) -> Tensor:
    """Decibels in mel bands, each band minus its mean over the recording.

    Hamming windows of 25 ms every 10 ms, centred, with zeros beyond the ends; power in triangular bands
    from 0 Hz to half the rate on the scale 2595 log10(1 + f/700); at most 80 dB below the loudest.
    A band falls as steeply as it rises, in Hz, which is SpeechBrain's own way: such a triangle ends
    before the next one's centre. Its weights were trained on that.

    Args:
        wave: ``(samples,)`` or ``(batch, samples)`` in [-1, 1].
        rate: sample rate in Hz; 16,000 is the only one the encoders know.
        bands: number of bands.

    Returns:
        ``(batch, frames, bands)``, or ``(frames, bands)`` for one wave; 1 + samples // 160 frames.

    Raises:
        InputError: no samples, NaN, another rate or shape.

    >>> log_fbank(torch.ones(16_000)).shape
    torch.Size([101, 80])
    """
    require_rate(rate, needed=SAMPLE_RATE, feature="log_fbank")
    batch = as_batch(wave)
    window = torch.hamming_window(_FFT, dtype=batch.dtype, device=batch.device)
    spectra = torch.stft(batch, _FFT, _HOP, window=window, pad_mode="constant", return_complex=True)
    power = (spectra.real.square() + spectra.imag.square()).transpose(1, 2)
    with full_precision(batch):
        decibels = 10 * (power @ _bands(bands).to(power)).clamp_min(_FLOOR).log10()
    decibels = decibels.maximum(decibels.amax(dim=(1, 2), keepdim=True) - _RANGE_DB)
    found = decibels - decibels.mean(dim=1, keepdim=True)
    return found if wave.ndim == 2 else found[0]


@functools.lru_cache(maxsize=4)
def _bands(count: int) -> Tensor:
    """float64 ``(201, count)``; cached, not to be written into."""
    top = 2595 * torch.log10(torch.tensor(1 + SAMPLE_RATE / 2 / 700, dtype=torch.float64))
    mels = torch.linspace(0.0, float(top), count + 2, dtype=torch.float64)
    edges = 700 * (10 ** (mels / 2595) - 1)
    bins = torch.linspace(0, SAMPLE_RATE / 2, _FFT // 2 + 1, dtype=torch.float64)[:, None]
    return (1 - (bins - edges[1:-1]).abs() / edges.diff()[:-1]).clamp_min(0)
