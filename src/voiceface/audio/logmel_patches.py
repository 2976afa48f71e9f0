"""Log-mel patches with their deltas, 60 bands x 41 frames x 2 (Piczak 2015, as Agarwal et al. use them)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.audio.mel import mel_bank, power_frames
from voiceface.audio.wave_checks import as_batch, as_lengths, full_precision

BANDS = 60
FRAMES = 41

_FFT = 1024
_HOP = 512
_STEP = FRAMES // 2
_REACH = 4  # a delta is the slope of a line through 9 frames
_POWER_FLOOR = 1e-10


def patch_count(samples: int) -> int:
    """Say how many patches a recording of so many samples gives, at least one.

    >>> patch_count(16_000), patch_count(48_000)
    (1, 3)
    """
    return 1 + (max(FRAMES, 1 + samples // _HOP) - FRAMES) // _STEP


def logmel_patches(wave: Tensor, *, rate: int, lengths: Tensor | None = None) -> Tensor:
    """Cut log-mels and their slopes over time into patches that overlap by half.

    Windows of 1,024 samples every 512, 60 Slaney mel bands up to half the rate, decibels relative to
    full scale with a floor at -100 dB; the slope is that of a line through 9 frames of the *recording*
    (at its ends that of the outermost 9). Neither is normalised, as Agarwal et al. say. Piczak worked
    at 22,050 Hz (0.95 s a patch); at 16,000 Hz one lasts 1.3 s. A recording shorter than a patch is
    filled with silence; what follows the last whole patch is left out.

    Args:
        wave: ``(samples,)`` or ``(batch, samples)`` in [-1, 1].
        rate: sample rate in Hz.
        lengths: true lengths ``(batch,)`` of a padded batch, in samples.

    Returns:
        ``(batch, patches, 60, 41, 2)``, or ``(patches, 60, 41, 2)`` for one wave. Patches beyond a
        recording's own (:func:`patch_count`) hold -100 dB and slope 0: :func:`silent_patches` finds them.

    Raises:
        InputError: no samples, NaN, wrong shape or lengths.
    """
    batch = as_batch(wave)
    sizes = as_lengths(lengths, batch)
    inside = torch.arange(batch.shape[1], device=batch.device) < sizes[:, None]
    total = max(FRAMES, 1 + batch.shape[1] // _HOP)
    padded = F.pad(batch * inside, (0, max(0, (total - 1) * _HOP - batch.shape[1])))
    bank = mel_bank(bands=BANDS, fft=_FFT, rate=rate).to(batch.dtype).to(batch.device)
    counts = (1 + sizes // _HOP).clamp_min(FRAMES)
    with full_precision(batch):
        mels = power_frames(padded, fft=_FFT, hop=_HOP)[:, :total] @ bank
        decibels = 10 * torch.log10(mels.clamp_min(_POWER_FLOOR))
        both = torch.stack([decibels, _slopes(decibels, counts)], dim=-1)
    patches = both.unfold(1, FRAMES, _STEP).permute(0, 1, 2, 4, 3)
    own = torch.arange(patches.shape[1], device=batch.device) < (1 + (counts - FRAMES) // _STEP)[:, None]
    silence = torch.tensor([-100.0, 0.0], dtype=batch.dtype, device=batch.device)
    patches = torch.where(own[:, :, None, None, None], patches, silence)
    return patches if wave.ndim == 2 else patches[0]


def silent_patches(patches: Tensor, *, below_db: float = -70.0) -> Tensor:
    """Mark patches ``(..., 60, 41, 2)`` whose mean level lies under a threshold, as bool ``(...)``.

    Piczak 2015 leaves silent segments out; take ``patches[~silent_patches(patches)]``.
    """
    return patches[..., 0].mean((-1, -2)) < below_db


def _slopes(decibels: Tensor, counts: Tensor) -> Tensor:
    """Give each frame's slope ``(b, frames, bands)``; near an end that of the outermost 9 frames."""
    steps = torch.arange(-_REACH, _REACH + 1, dtype=decibels.dtype, device=decibels.device)
    inner = decibels.unfold(1, 2 * _REACH + 1, 1) @ (steps / steps.square().sum())
    frames = torch.arange(decibels.shape[1], device=decibels.device)
    centres = (frames - _REACH).clamp_min(0).minimum(counts[:, None] - 2 * _REACH - 1)
    return inner.gather(1, centres[..., None].expand(-1, -1, decibels.shape[2]))
