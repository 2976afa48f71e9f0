"""Noises without speech, to test that a voice model is not fooled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError

KINDS = ("white", "pink", "brown", "hum")
_SLOPES = {"white": 0.0, "pink": 0.5, "brown": 1.0}
"""Power of the frequency that the amplitude falls with."""
_LOWEST_HZ = 20.0
_LEVEL = 0.1


def noise(kind: str, samples: int, *, rate: int, seed: int) -> npt.NDArray[np.float32]:
    """A noise ``(samples,)`` in [-1, 1] with a root mean square of 0.1.

    Args:
        kind: ``white`` (flat), ``pink`` (-3 dB an octave), ``brown`` (-6 dB), ``hum`` (a mains' harmonics
            of 50 Hz over a little white noise).
        samples: how many, 1 or more.
        rate: in Hz.
        seed: random seed.

    Raises:
        InputError: an unknown kind, or no samples.

    >>> round(float(np.sqrt((noise("pink", 16000, rate=16000, seed=0) ** 2).mean())), 3)
    0.1
    """
    if kind not in KINDS:
        raise InputError("noise", f"there is no kind {kind!r}", f"give one of {', '.join(KINDS)}")
    if samples < 1:
        raise InputError("noise", f"of {samples} samples", "ask for 1 or more")
    random = np.random.default_rng(seed)
    if kind == "hum":
        time, harmonics = np.arange(samples) / rate, np.arange(1, 21)
        phases, strengths = random.uniform(0, 2 * np.pi, 20), random.uniform(0.2, 1, 20) / harmonics
        tones = np.sin(2 * np.pi * 50.0 * harmonics[:, None] * time + phases[:, None])
        wave = strengths @ tones + 0.02 * random.standard_normal(samples)
    else:
        spectrum = np.fft.rfft(random.standard_normal(samples))
        hertz = np.maximum(np.fft.rfftfreq(samples, 1 / rate), _LOWEST_HZ)
        wave = np.fft.irfft(spectrum / hertz ** _SLOPES[kind], samples)
    level = max(float(np.sqrt((wave**2).mean())), 1e-12)
    return np.clip(_LEVEL * wave / level, -1, 1).astype(np.float32)
