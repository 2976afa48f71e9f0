"""Magnitude spectrograms of short clips, as voice-and-face networks with image backbones read them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.audio.wave_checks import as_batch
from voiceface.errors import InputError


def magnitude_spectrogram(
    wave: Tensor, *, rate: int, window_seconds: float = 0.025, hop_seconds: float = 0.010, bins: int = 512
) -> Tensor:
    """Give the short-time magnitude spectrum, neither compressed nor normalised.

    Nawaz et al. 2019 (SSNet) point to Nagrani et al. 2017 (VoxCeleb) for it: Hamming windows of 25 ms
    every 10 ms, 512 x 300 numbers for three seconds at 16 kHz. Ours, where neither says more: the window
    is padded to 2 * bins for the transform, the bin at half the rate is left out, and the last frames
    are filled with zeros, so that there is one frame a hop.

    Args:
        wave: ``(samples,)`` or ``(batch, samples)``.
        rate: sample rate in Hz.
        window_seconds: window length in seconds.
        hop_seconds: step between frames in seconds.
        bins: frequency rows; the transform has twice as many points.

    Returns:
        ``(batch, bins, frames)``, or ``(bins, frames)`` for one wave, frames = ceil(samples / hop).

    Raises:
        InputError: no samples, NaN, wrong shape, or a window longer than the transform.

    >>> magnitude_spectrogram(torch.zeros(48_000), rate=16_000).shape
    torch.Size([512, 300])
    """
    batch = as_batch(wave)
    width, hop, fft = round(window_seconds * rate), round(hop_seconds * rate), 2 * bins
    if hop < 1 or width < 1:
        raise InputError(
            "magnitude_spectrogram", f"has no sample a window or hop at {rate} Hz", "give longer ones"
        )
    if width > fft:
        raise InputError(
            "bins", f"{bins} are too few for a window of {width} samples", f"give {-(-width // 2)}"
        )
    frames = -(-batch.shape[1] // hop)
    padded = F.pad(batch, (0, max(0, (frames - 1) * hop + width - batch.shape[1])))
    window = torch.hamming_window(width, periodic=False, dtype=batch.dtype, device=batch.device)
    pieces = padded.unfold(1, width, hop)[:, :frames]
    spectra: Tensor = torch.fft.rfft(pieces * window, fft).abs()[..., :bins].transpose(1, 2)
    return spectra if wave.ndim == 2 else spectra[0]
