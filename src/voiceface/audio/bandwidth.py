"""Up to which frequency a recording holds sound: telephones end at 4 kHz, most microphones at 8 and more."""

from __future__ import annotations

import numpy as np

from voiceface.audio.vad import Wave, require_mono
from voiceface.audio.wave_checks import require_rate
from voiceface.records import SAMPLE_RATE

_FFT = 512
_LOUD_DB = 40.0  # frames further below the loudest are pauses
_BELOW_DB = 60.0  # of real recordings one in 60 has less than 6 kHz so, of the same at 8 kHz none over 4.7
_SMOOTHED = 8  # bins: 250 Hz, so that no single line counts


def bandwidth(wave: Wave, *, rate: int = SAMPLE_RATE) -> float:
    """Find the highest frequency within 60 dB of the loudest, in Hz; 0 for silence.

    Compares the power that a band of 250 Hz reaches in one loud frame of twenty, so that hisses count.

    Args:
        wave: float ``(samples,)`` in [-1, 1], 16 kHz.
        rate: sample rate in Hz.

    Raises:
        InputError: another rate, no samples, NaN, wrong shape or type.

    >>> bandwidth(np.zeros(16_000, np.float32))
    0.0
    """
    require_rate(rate, needed=SAMPLE_RATE, feature="bandwidth")
    samples = np.asarray(require_mono(wave), np.float32)
    padded = np.pad(samples, (0, max(0, _FFT - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[:: _FFT // 2]
    powers = np.abs(np.fft.rfft(frames * np.hanning(_FFT).astype(np.float32), axis=1)) ** 2
    sums = powers.sum(axis=1)
    if not sums.max() > 0:
        return 0.0
    reached = np.quantile(powers[sums >= sums.max() * 10 ** (-_LOUD_DB / 10)], 0.95, axis=0)
    smooth = np.convolve(reached, np.full(_SMOOTHED, 1 / _SMOOTHED), "same")
    last = int(np.flatnonzero(smooth >= smooth.max() * 10 ** (-_BELOW_DB / 10))[-1])
    return last * rate / _FFT
