"""The log-mel spectrogram of Wen, Singh, Raj 2019, as their published weights were trained on it.

The paper names 64 log-mels of 25 ms every 10 ms; the rest comes from the authors' program and is kept
here with its oddities, because the weights were trained on them: 16-bit integers for samples,
a pre-emphasis whose first sample looks back at the end of the *previous frame*, and last frames that
repeat themselves where the recording is at its end.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from voiceface.audio.wave_checks import as_batch, as_lengths, full_precision, require_rate
from voiceface.records import SAMPLE_RATE

BANDS = 64

_WINDOW = 400
_HOP = 160
_FFT = 1024
_LOW_HZ, _HIGH_HZ = 20.0, 7_200.0
_EMPHASIS = 0.97
_FLOOR = 1e-5
_SIXTEEN_BIT = 32_768.0  # the floor above is meant for samples of that size
_DEVIATION_FLOOR = 1.1920929e-07  # one float32 step: a bin that never changes becomes zero, not NaN


@functools.lru_cache(maxsize=1)
def wen_bank() -> Tensor:
    """Build the 64 triangular filters, evenly spaced in mels of 2595 log10(1 + f / 700), of unit area.

    Edges are rounded to FFT bins (half to even), the peak is 2 / width in Hz.

    Returns:
        float64 ``(513, 64)``. Cached: do not write into it.
    """
    low, high = (
        2595 * torch.log10(1 + torch.tensor(f, dtype=torch.float64) / 700) for f in (_LOW_HZ, _HIGH_HZ)
    )
    edges = 700 * (10 ** ((low + (high - low) / (BANDS + 1) * torch.arange(BANDS + 2)) / 2595) - 1)
    bin_hz = SAMPLE_RATE / _FFT
    left, centre, right = (torch.round(edges / bin_hz)[i : i + BANDS] for i in range(3))
    bins = torch.arange(_FFT // 2 + 1, dtype=torch.float64)[:, None]
    triangles = torch.minimum((bins - left) / (centre - left), (right - bins) / (right - centre))
    return triangles.clamp_min(0) * 2 / ((right - left) * bin_hz)


def frame_count(samples: int) -> int:
    """Say how many frames a recording of so many samples has, the incomplete last ones included.

    >>> frame_count(16_000)
    101
    """
    return 1 + samples // _HOP


def wen_logmel(wave: Tensor, *, rate: int = SAMPLE_RATE, lengths: Tensor | None = None) -> Tensor:
    """Give log-mels with zero mean and unit (population) deviation of each band over the recording.

    Args:
        wave: ``(samples,)`` or ``(batch, samples)`` in [-1, 1], 16 kHz, pauses already cut out.
        rate: sample rate in Hz.
        lengths: true lengths ``(batch,)`` of a padded batch, in samples.

    Returns:
        ``(batch, frames, 64)``, or ``(frames, 64)`` for one wave; zeros beyond a recording's frames
        (:func:`frame_count`).

    Raises:
        InputError: another rate, no samples, NaN, wrong shape or lengths.
    """
    require_rate(rate, needed=SAMPLE_RATE, feature="wen_logmel")
    batch = as_batch(wave)
    sizes = as_lengths(lengths, batch)
    frames = _frames(batch * _SIXTEEN_BIT, sizes)
    before = torch.nn.functional.pad(frames[:, :-1, -1], (1, 0))
    emphasised = frames - _EMPHASIS * torch.cat([before[..., None], frames[..., :-1]], dim=-1)
    window = torch.hamming_window(_WINDOW, periodic=False, dtype=batch.dtype, device=batch.device)
    spectra = torch.fft.rfft(emphasised * window, _FFT)
    power = spectra.real.square() + spectra.imag.square()
    with full_precision(batch):
        logmel = (power @ wen_bank().to(batch.dtype).to(batch.device)).clamp_min(_FLOOR).log()
    counts = 1 + sizes // _HOP
    inside = (torch.arange(logmel.shape[1], device=batch.device) < counts[:, None])[..., None]
    mean = (logmel * inside).sum(1, keepdim=True) / counts[:, None, None]
    centred = (logmel - mean) * inside
    deviation = centred.square().sum(1, keepdim=True).div(counts[:, None, None]).sqrt()
    features: Tensor = centred / (deviation + _DEVIATION_FLOOR)
    return features if wave.ndim == 2 else features[0]


def _frames(batch: Tensor, sizes: Tensor) -> Tensor:
    """Cut ``(b, samples)`` into ``(b, frames, 400)``; a frame reaching past the end starts itself again."""
    total = frame_count(int(sizes.max()))
    needed = (total - 1) * _HOP + _WINDOW
    padded = torch.nn.functional.pad(batch, (0, max(0, needed - batch.shape[1])))
    frames = padded[:, :needed].unfold(1, _WINDOW, _HOP).clone()
    # At most the last three frames of a recording lack samples; earlier ones are written back unchanged.
    last = sizes[:, None] // _HOP - torch.arange(3, device=batch.device)
    last = last.clamp_min(0)
    present = (sizes[:, None] - last * _HOP).clamp(max=_WINDOW)[..., None]
    offsets = torch.arange(_WINDOW, device=batch.device) % present.clamp_min(1)
    indices = (last[..., None] * _HOP + offsets).flatten(1)
    tails = padded.gather(1, indices).view(len(batch), 3, _WINDOW) * (present > 0)
    frames.scatter_(1, last[..., None].expand_as(tails), tails)
    return frames


def repeat_frames(features: Tensor, *, frames: int = 1000) -> Tensor:
    """Repeat a recording's features from its start until it has ``frames``; longer ones stay whole.

    Args:
        features: ``(..., frames, bands)``.
        frames: the least number of frames; 1,000 are the authors' ten seconds.

    Returns:
        ``(..., max(frames, given), bands)``.

    >>> repeat_frames(torch.arange(3.0)[:, None], frames=5)[:, 0].tolist()
    [0.0, 1.0, 2.0, 0.0, 1.0]
    """
    given = features.shape[-2]
    indices = torch.arange(max(frames, given), device=features.device) % given
    return features.index_select(-2, indices)
