"""The pitch of speech, frame by frame: normalised cross-correlation, batched."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

FLOOR_HZ = 60.0
CEILING_HZ = 400.0

_CORRELATED_SECONDS = 0.032
# A multiple of the true period correlates as well as the period itself, so the shortest lag that comes
# near the best one is taken.
_NEAR_BEST = 0.9


def frame_samples(rate: int) -> int:
    """Say how many samples :func:`pitch` needs of a frame: what is correlated, and the longest lag.

    >>> frame_samples(16_000)
    780
    """
    return round(_CORRELATED_SECONDS * rate) + int(rate / FLOOR_HZ) + 2


def pitch(frames: Tensor, *, rate: int) -> tuple[Tensor, Tensor]:
    """Estimate the fundamental frequency of frames, and how periodic they are.

    The frame's first 32 ms are correlated with what lies one lag later, both brought to length 1
    (Talkin 1995, A Robust Algorithm for Pitch Tracking, its normalised cross-correlation), and the
    shortest lag within a tenth of the best is refined by a parabola.

    Args:
        frames: ``(..., frame_samples(rate))``.
        rate: sample rate in Hz.

    Returns:
        f0 in Hz ``(...)``, between 60 and 400, and the correlation there ``(...)`` in [-1, 1]; the
        former says nothing where the latter is low.
    """
    width = round(_CORRELATED_SECONDS * rate)
    lags = frames.shape[-1] - width
    shortest, longest = int(rate / CEILING_HZ), lags - 1
    frames = frames - frames.mean(-1, keepdim=True)
    size = 1 << (frames.shape[-1] - 1).bit_length()
    spectrum = torch.fft.rfft(frames, size)
    head = torch.fft.rfft(frames[..., :width], size)
    products = torch.fft.irfft(head.conj() * spectrum, size)[..., : lags + 1]
    squares = F.pad(frames.square().cumsum(-1), (1, 0))
    energies = squares[..., width:] - squares[..., : lags + 1]
    # A window with a ten-thousandth of the frame's energy is rounding and noise, not a period.
    floor = squares[..., -1:] * 1e-4 + torch.finfo(frames.dtype).tiny
    scale = energies[..., :1].clamp_min(floor).sqrt() * energies.clamp_min(floor).sqrt()
    correlation = products / scale
    middle = correlation[..., shortest : longest + 1]
    before, after = correlation[..., shortest - 1 : longest], correlation[..., shortest + 1 : longest + 2]
    peaks = (middle > before) & (middle >= after)
    best = torch.where(peaks, middle, -1.0).amax(-1, keepdim=True)
    first = (peaks & (middle >= best * _NEAR_BEST)).to(torch.int8).argmax(-1, keepdim=True)
    here, left, right = (each.gather(-1, first)[..., 0] for each in (middle, before, after))
    curve = left - 2 * here + right
    shift = torch.where(curve < 0, (left - right) / (2 * curve.clamp_max(-1e-12)), 0.0).clamp(-0.5, 0.5)
    f0 = rate / (first[..., 0] + shortest + shift)
    found = peaks.any(-1)
    return f0.clamp(FLOOR_HZ, CEILING_HZ), torch.where(found, here, -1.0)
