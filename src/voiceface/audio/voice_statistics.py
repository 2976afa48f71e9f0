"""Sixty-six plain statistics of a recording that say much about the speaker: timbre and pitch.

Frames count only where they hold sound worth the name, so pauses change nothing; the level is brought
to one value first, so the microphone's gain changes nothing either.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from voiceface.audio.mel import cosine_transform, mel_bank
from voiceface.audio.pitch import CEILING_HZ, FLOOR_HZ, frame_samples, pitch
from voiceface.audio.wave_checks import as_batch, as_lengths, full_precision, require_rate
from voiceface.records import SAMPLE_RATE

CEPSTRA = 20
PERCENTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SIZE = 3 * CEPSTRA + len(PERCENTILES) + 1

_HOP = 160
_FFT = 400
_BANDS = 40
_POWER_FLOOR = 1e-8
_BELOW_LOUD_DB = 30.0
_VOICED = 0.7
_UNKNOWN_LOG_F0 = 0.5 * math.log(FLOOR_HZ * CEILING_HZ)
_BLOCK = 512  # frames of all recordings at a time: few enough to stay in the processor's cache


def voice_statistics(wave: Tensor, *, rate: int = SAMPLE_RATE, lengths: Tensor | None = None) -> Tensor:
    """Describe each recording's timbre and pitch by 66 numbers.

    Twenty mel cepstra's means, their standard deviations (population) and their mean absolute changes
    from one frame to the next, over speech frames; then the 5, 25, 50, 75 and 95 % points of log f0
    (natural logarithm of Hz) over voiced frames, and the voiced share of the speech frames. Speech
    frames are those within 30 dB of the recording's loud ones (their 95 % point). Without any voiced
    frame the five points are those of 155 Hz, the middle of the range searched.

    Args:
        wave: ``(samples,)`` or ``(batch, samples)``, 16 kHz.
        rate: sample rate in Hz.
        lengths: true lengths ``(batch,)`` of a padded batch, in samples.

    Returns:
        ``(batch, 66)``, or ``(66,)`` for one wave; all finite, silence included.

    Raises:
        InputError: another rate, no samples, NaN, wrong shape or lengths.
    """
    require_rate(rate, needed=SAMPLE_RATE, feature="voice_statistics")
    batch = as_batch(wave)
    sizes = as_lengths(lengths, batch)
    with full_precision(batch):
        cepstra, f0, speech, voiced, _ = analyse_frames(batch, sizes)
    count = speech.sum(1, keepdim=True).clamp_min(1)
    mean = (cepstra * speech[..., None]).sum(1) / count
    spread = ((cepstra - mean[:, None]).square() * speech[..., None]).sum(1).div(count).sqrt()
    pairs = speech[:, 1:] & speech[:, :-1]
    steps = (cepstra[:, 1:] - cepstra[:, :-1]).abs() * pairs[..., None]
    change = steps.sum(1) / pairs.sum(1, keepdim=True).clamp_min(1)
    points = [_quantile(f0.log(), voiced, share, empty=_UNKNOWN_LOG_F0) for share in PERCENTILES]
    voiced_share = voiced.sum(1, keepdim=True) / count
    statistics = torch.cat([mean, spread, change, torch.stack(points, 1), voiced_share.to(mean.dtype)], dim=1)
    return statistics if wave.ndim == 2 else statistics[0]


class Frames(NamedTuple):
    """What is known of each 10 ms of a batch of recordings, each ``(batch, frames)`` but for the cepstra."""

    cepstra: Tensor
    """``(batch, frames, 20)``, of the recording brought to a root mean square of 1."""
    f0: Tensor
    """Hz; says nothing where the frame is not voiced."""
    speech: Tensor
    """bool: loud enough to be somebody speaking."""
    voiced: Tensor
    """bool: such a frame, and periodic."""
    inside: Tensor
    """bool: the frame lies within its recording."""


def analyse_frames(batch: Tensor, sizes: Tensor) -> Frames:
    """Analyse checked waves ``(batch, samples)`` of true lengths ``(batch,)``, 16 kHz, every 10 ms.

    Frames start at a recording's first sample, and each lies wholly inside its recording; a recording
    shorter than a frame (49 ms) is taken as followed by silence.
    """
    span = frame_samples(SAMPLE_RATE)
    inside = torch.arange(batch.shape[1], device=batch.device) < sizes[:, None]
    batch = batch * inside
    level = batch.square().sum(1).div(sizes).sqrt()
    batch = batch / level.clamp_min(1e-5)[:, None]
    batch = torch.nn.functional.pad(batch, (0, max(0, span - batch.shape[1])))
    total = 1 + (batch.shape[1] - span) // _HOP
    window = torch.hann_window(_FFT, dtype=batch.dtype, device=batch.device)
    bank = mel_bank(bands=_BANDS, fft=_FFT, rate=SAMPLE_RATE).to(batch.dtype).to(batch.device)
    table = cosine_transform(bands=_BANDS, kept=CEPSTRA).to(batch.dtype).to(batch.device)
    parts = []
    block = max(1, _BLOCK // len(batch))
    for start in range(0, total, block):
        stop = min(start + block, total)
        frames = batch[:, start * _HOP : (stop - 1) * _HOP + span].unfold(1, span, _HOP)
        # The cepstra's window lies in the middle of what the pitch correlates with itself.
        left = (span - _FFT) // 2
        spectra = torch.fft.rfft(frames[..., left : left + _FFT] * window)
        mels = (spectra.real.square() + spectra.imag.square()) @ bank
        cepstra = torch.log(mels.clamp_min(_POWER_FLOOR)) @ table
        parts.append((cepstra, frames.square().mean(-1), *pitch(frames, rate=SAMPLE_RATE)))
    cepstra, power, f0, periodicity = (torch.cat(each, dim=1) for each in zip(*parts, strict=True))
    counts = 1 + (sizes - span).clamp_min(0) // _HOP
    inside = torch.arange(total, device=batch.device) < counts[:, None]
    speech = _loud(power, inside) & inside
    return Frames(cepstra, f0, speech, speech & (periodicity >= _VOICED), inside)


def _loud(power: Tensor, inside: Tensor) -> Tensor:
    """Mark frames ``(b, frames)`` within 30 dB of the recording's loud ones, and not silent."""
    loud = _quantile(power, inside, 0.95, empty=0.0)
    return (power >= loud[:, None] * 10 ** (-_BELOW_LOUD_DB / 10)) & (power > 1e-6)


def _quantile(values: Tensor, chosen: Tensor, share: float, *, empty: float) -> Tensor:
    """Interpolate each row's quantile over chosen values ``(b, n)`` as ``(b,)``; ``empty`` without any."""
    ordered = values.masked_fill(~chosen, torch.inf).sort(1).values
    count = chosen.sum(1, keepdim=True)
    position = (count - 1).clamp_min(0) * share
    low = position.floor().long()
    high = torch.minimum(low + 1, (count - 1).clamp_min(0))
    left, right = ordered.gather(1, low), ordered.gather(1, high)
    point = left + (right - left) * (position - low).to(values.dtype)
    return torch.where(count > 0, point, empty)[:, 0]
