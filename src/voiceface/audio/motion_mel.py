"""Log-mels that speak of the mouth alone: the level and the colour of the channel are taken out."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

from voiceface.audio.mel import mel_bank, power_frames
from voiceface.records import SAMPLE_RATE

BANDS = 32
HOP = 160
"""Samples at 16 kHz from one row to the next: 10 ms."""
FLOOR = -6.0
"""Natural logarithms below the speaker's mean spectrum that count as silence."""

_FFT = 400
_LOW, _HIGH = 60.0, 7600.0
_LOUD = 0.95
"""Share of the frames that are not as loud as the recording's level."""
_SPEECH = 4.0
"""Natural logarithms below that level, of power, within which a frame counts as speech."""
_LEAST = 5e-9
"""The least share of the level's power that a band has."""
_QUIETEST = -9.0
"""The lowest level that sound is amplified from: that of speech whose loudest sample is about 0.001."""


class SpeechSpectrum(NamedTuple):
    """What is the same all through a recording."""

    level: float
    """Natural logarithm of the power of its loud frames."""
    mean: Tensor
    """(32,) mean log-mels of its speech above that level."""


def speech_spectrum(wave: Tensor) -> SpeechSpectrum:
    """Measure the level and the mean spectrum of a recording (samples,) at 16 kHz."""
    powers = _mel_powers(wave)
    loudness = (powers.sum(1) + 1e-9).log()
    level = max(float(loudness.quantile(_LOUD)), _QUIETEST)
    speech = loudness > level - _SPEECH
    if not bool(speech.any()):
        return SpeechSpectrum(level, powers.new_zeros(BANDS))
    return SpeechSpectrum(level, _logarithms(powers[speech], math.exp(-level)).mean(0))


def motion_mel(wave: Tensor, spectrum: SpeechSpectrum) -> Tensor:
    """Log-mels (1 + samples // 160, 32) of a wave (samples,) at 16 kHz, less level and mean spectrum.

    Row k is centred on sample 160 k; `FLOOR` is silence.
    """
    mels = _logarithms(_mel_powers(wave), math.exp(-spectrum.level)) - spectrum.mean.to(wave)
    return mels.clamp_min(FLOOR)


def motion_mel_beside(wave: Tensor, speech: Tensor) -> Tensor:
    """`motion_mel` of a wave with the `speech_spectrum` of another, in steps that a graph can record."""
    powers = _mel_powers(speech)
    loudness = (powers.sum(1) + 1e-9).log()
    level = loudness.quantile(_LOUD).clamp_min(_QUIETEST)
    counted = (loudness > level - _SPEECH).to(powers)[:, None]
    mean = (_logarithms(powers, (-level).exp()) * counted).sum(0) / counted.sum().clamp_min(1)
    return (_logarithms(_mel_powers(wave), (-level).exp()) - mean).clamp_min(FLOOR)


def _logarithms(powers: Tensor, gain: float | Tensor) -> Tensor:
    return (powers * gain + _LEAST).log()


def _mel_powers(wave: Tensor) -> Tensor:
    bank = mel_bank(bands=BANDS, fft=_FFT, rate=SAMPLE_RATE, low=_LOW, high=_HIGH)
    return power_frames(wave[None], fft=_FFT, hop=HOP)[0] @ bank.to(wave)
