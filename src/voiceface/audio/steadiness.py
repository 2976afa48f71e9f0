"""How steady the partials of a sound are: notes keep theirs, the harmonics of speech glide."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from voiceface.audio.vad import Wave, require_mono
from voiceface.audio.wave_checks import require_rate
from voiceface.records import SAMPLE_RATE

_WINDOW, _FFT, _HOP = 1024, 2048, 256
_LOW_HZ, _HIGH_HZ = 200, 3000
_APART = 9
"""Hops between what is compared: 144 ms, in which a syllable's pitch has moved on."""
_SMOOTH = 25
"""Bins (195 Hz): wider structure is timbre and is subtracted, finer structure are the partials."""
_BELOW_LOUD = 10**-2.5
"""Of the loud frames' power: quieter frames do not count."""
_FEWEST = 5


def steadiness(wave: Wave, *, rate: int = SAMPLE_RATE) -> float:
    """Say how alike a sound's partials are 144 ms apart: near 0 in speech, near 1 in held notes.

    The logarithmic spectrum from 200 to 3,000 Hz, less its smooth course, is correlated with the one nine
    hops of 16 ms later; the mean over the pairs in which both are loud. The level does not count.

    Args:
        wave: float ``(samples,)`` in [-1, 1], 16 kHz.
        rate: sample rate in Hz.

    Returns:
        A correlation in [-1, 1]; 0 where fewer than five pairs are loud.

    Raises:
        InputError: another rate, NaN, wrong shape or type.

    >>> import numpy as np
    >>> time = np.arange(32_000) / 16_000
    >>> chord = sum(np.sin(2 * np.pi * hz * time) for hz in (262, 330, 392))
    >>> steadiness(0.1 * chord) > 0.9
    True
    """
    require_rate(rate, needed=SAMPLE_RATE, feature="steadiness")
    samples = torch.from_numpy(require_mono(wave).astype("float32"))
    if len(samples) < _WINDOW + (_APART + _FEWEST) * _HOP:
        return 0.0
    window = torch.hann_window(_WINDOW)
    spectra = torch.stft(
        samples, _FFT, hop_length=_HOP, win_length=_WINDOW, window=window, center=False, return_complex=True
    ).abs()
    power = spectra.square().sum(0)
    if float(power.max()) < 1e-9:
        return 0.0
    low, high = _LOW_HZ * _FFT // SAMPLE_RATE, _HIGH_HZ * _FFT // SAMPLE_RATE
    course = torch.log(spectra[low:high].T + 1e-3 * spectra.max())
    smooth = F.avg_pool1d(course[:, None], _SMOOTH, 1, _SMOOTH // 2, count_include_pad=False)[:, 0]
    partials = F.normalize(course - smooth, dim=1, eps=1e-6)
    loud = power > torch.quantile(power, 0.95) * _BELOW_LOUD
    both = loud[:-_APART] & loud[_APART:]
    if int(both.sum()) < _FEWEST:
        return 0.0
    return float((partials[:-_APART] * partials[_APART:]).sum(1)[both].mean())
