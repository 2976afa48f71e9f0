"""Input of the published GE2E speaker encoder (Resemblyzer's weights): level, mels, partial windows.

Source: Wan, Wang, Papir, Lopez Moreno 2018, Generalized End-to-End Loss for Speaker Verification; the
figures are those of the ``resemblyzer`` package (Apache-2.0), whose weights were trained on them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from voiceface.audio.mel import mel_bank, power_frames
from voiceface.audio.wave_checks import as_batch, as_lengths, full_precision, require_rate
from voiceface.records import SAMPLE_RATE

BANDS = 40
PARTIAL_FRAMES = 160  # 1.6 s, the length the encoder was trained on

_WINDOW = 400
_HOP = 160
_TARGET_DBFS = -30.0
_PARTIALS_A_SECOND = 1.3
_LEAST_COVERAGE = 0.75


def normalise_volume(
    wave: Tensor, *, lengths: Tensor | None = None, target_dbfs: float = _TARGET_DBFS
) -> Tensor:
    """Raise quiet waves to a root-mean-square level; louder ones and pure silence stay as they are.

    Args:
        wave: ``(samples,)`` or ``(batch, samples)`` in [-1, 1].
        lengths: true lengths ``(batch,)`` of a padded batch, in samples.
        target_dbfs: level in dB relative to a root mean square of 1.

    Returns:
        The same shape.

    Raises:
        InputError: no samples, NaN, wrong shape.

    >>> normalise_volume(torch.full((4,), 0.001)).mean().log10().mul(20).round().item()
    -30.0
    """
    batch = as_batch(wave)
    sizes = as_lengths(lengths, batch)
    # The batch is zero beyond its lengths only if the caller made it so; the level must not depend on it.
    inside = torch.arange(batch.shape[1], device=batch.device) < sizes[:, None]
    level = (batch.square() * inside).sum(1).div(sizes).sqrt()
    target = 10 ** (target_dbfs / 20)
    gain = torch.where(level > 0, target / level.clamp_min(torch.finfo(batch.dtype).tiny), 1.0).clamp_min(1.0)
    return (batch * gain[:, None]).reshape(wave.shape)


def ge2e_mel(wave: Tensor, *, rate: int = SAMPLE_RATE) -> Tensor:
    """Give the power mel spectrogram (no logarithm) that the encoder reads.

    Args:
        wave: ``(samples,)`` or ``(batch, samples)``, 16 kHz, already at its level.
        rate: sample rate in Hz; 16,000 is the only one the encoder knows.

    Returns:
        ``(batch, frames, 40)``, or ``(frames, 40)`` for one wave; 1 + samples // 160 frames.

    Raises:
        InputError: another rate, no samples, NaN, wrong shape.
    """
    require_rate(rate, needed=SAMPLE_RATE, feature="ge2e_mel")
    batch = as_batch(wave)
    bank = mel_bank(bands=BANDS, fft=_WINDOW, rate=SAMPLE_RATE).to(batch.dtype).to(batch.device)
    with full_precision(batch):
        mels = power_frames(batch, fft=_WINDOW, hop=_HOP) @ bank
    return mels if wave.ndim == 2 else mels[0]


def partial_starts(samples: int) -> list[int]:
    """Say at which mel frames the overlapping 1.6 s windows of a recording start, at least one.

    Windows follow each other 1.3 times a second; a last one with less than three quarters of its
    span inside the recording is left out.

    >>> partial_starts(16_000), partial_starts(48_000)
    ([0], [0, 77, 154])
    """
    step = round(SAMPLE_RATE / _PARTIALS_A_SECOND / _HOP)
    frames = math.ceil((samples + 1) / _HOP)
    starts = list(range(0, max(1, frames - PARTIAL_FRAMES + step + 1), step))
    covered = (samples - starts[-1] * _HOP) / (PARTIAL_FRAMES * _HOP)
    return starts[:-1] if len(starts) > 1 and covered < _LEAST_COVERAGE else starts


def ge2e_windows(waves: Tensor) -> Tensor:
    """Cut waves of one length into the windows of `ge2e_partials`, in steps that a graph can record.

    Args:
        waves: ``(batch, samples)``, 16 kHz, already at their level.

    Returns:
        ``(batch, windows, 160, 40)``.
    """
    step = round(SAMPLE_RATE / _PARTIALS_A_SECOND / _HOP)
    least = round(_LEAST_COVERAGE * PARTIAL_FRAMES * _HOP)
    count: int = torch.sym_max(0, waves.shape[1] - least) // (step * _HOP) + 1  # type: ignore[no-untyped-call]
    frames = (count - 1) * step + PARTIAL_FRAMES
    # What the last frame sees, whether the recording is longer or shorter.
    needed = (frames - 1) * _HOP + _WINDOW // 2
    mels = ge2e_mel(torch.nn.functional.pad(waves, (0, needed))[:, :needed])
    starts = torch.arange(count, device=waves.device)[:, None] * step
    return mels[:, starts + torch.arange(PARTIAL_FRAMES, device=waves.device)]


def ge2e_partials(
    wave: Tensor, *, lengths: Tensor | None = None, rate: int = SAMPLE_RATE
) -> tuple[Tensor, Tensor]:
    """Cut waves into the encoder's mel windows, all recordings' windows in one batch.

    Args:
        wave: ``(samples,)`` or ``(batch, samples)``, 16 kHz, already at its level; zeros beyond lengths.
        lengths: true lengths ``(batch,)`` of a padded batch, in samples.
        rate: sample rate in Hz.

    Returns:
        windows ``(sum of counts, 160, 40)`` and counts int64 ``(batch,)``, for
        :func:`voiceface.nn.voice.ge2e.embed_windows`.

    Raises:
        InputError: another rate, no samples, NaN, wrong shape or lengths.
    """
    batch = as_batch(wave)
    sizes = as_lengths(lengths, batch)
    starts = [partial_starts(int(size)) for size in sizes.tolist()]
    longest = max(rows[-1] for rows in starts) + PARTIAL_FRAMES
    inside = torch.arange(batch.shape[1], device=batch.device) < sizes[:, None]
    padded = torch.nn.functional.pad(batch * inside, (0, max(0, longest * _HOP - batch.shape[1])))
    mels = ge2e_mel(padded, rate=rate)
    windows = [mels[row, a : a + PARTIAL_FRAMES] for row, rows in enumerate(starts) for a in rows]
    return torch.stack(windows), torch.tensor([len(rows) for rows in starts], device=batch.device)
