"""Samples as they come (any format, any number of channels) as one float32 wave of full scale 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError

Wave = NDArray[np.float32]
Pieces = Iterator[tuple[Wave, int]]
"""Consecutive mono samples, each piece with its rate in Hz."""

RATES = range(1000, 1_000_000)
"""Hz. Speech needs 4,000 and more; at 1 Hz a megabyte would stand for days of sound."""
_FULL_SCALE = {"uint8": 2.0**7, "int8": 2.0**7, "int16": 2.0**15, "int32": 2.0**31}
_LOUDEST = 4.0  # overshoot of a codec or a float recorder stays below +12 dB; more is another scale
_MOST_CHANNELS = 64

# ITU-R BS.775 folded to one channel; what is unnamed counts as a surround channel, effects not at all.
_CENTRE, _SIDE = 0.5**0.5, 0.5**1.5
_SHARE = {"FL": 0.5, "FR": 0.5, "DL": 0.5, "DR": 0.5, "FC": _CENTRE, "LFE": 0.0, "LFE2": 0.0}
# Files (and arrays) that only say how many channels they have follow the order of WAV.
_USUAL = {6: "FL FR FC LFE BL BR", 8: "FL FR FC LFE BL BR SL SR"}


def channels_and_rate(source: tuple[Any, Any]) -> tuple[NDArray[Any], int]:
    """The pair as ``(channels, samples)`` and a rate; refuses what has no clear meaning."""
    if len(source) != 2 or np.ndim(source[1]) or not np.ndim(source[0]):
        raise InputError("<array>", "is not an (array, rate) pair", "give (samples, samples a second)")
    samples, rate = np.asarray(source[0]), source[1]
    if isinstance(rate, str) or rate not in RATES:
        raise InputError("<array>", f"has a rate of {rate} Hz", "give its samples a second, such as 16000")
    if samples.ndim == 1:
        samples = samples[None]
    if samples.ndim != 2 or min(samples.shape) > _MOST_CHANNELS:
        raise InputError(
            "<array>", f"has the shape {samples.shape}", "give (samples,) or (samples, channels)"
        )
    if samples.shape[0] == samples.shape[1] > 1:
        raise InputError(
            "<array>", f"of shape {samples.shape} could be either way round", "mix it to (samples,)"
        )
    if samples.shape[0] > samples.shape[1] > 0:
        samples = samples.T
    if samples.size == 0:
        raise InputError("<array>", "contains no sound (0 samples)", "give at least one sample")
    return samples, int(rate)


def check_rate(name: str, rate: int) -> None:
    """Refuse a file's samples a second that are not in `RATES` (InputError)."""
    if rate not in RATES:
        fault = f"says to have {rate:,} samples a second"
        raise InputError(name, fault, f"give sound of {RATES[0]:,} to {RATES[-1]:,} Hz")


def as_float(samples: NDArray[Any], name: str) -> Wave:
    """Any sample format as float32 whose full scale is [-1, 1]."""
    if samples.dtype.kind == "f":
        if samples.dtype == np.float32:
            return samples.copy()
        # A float64 of 1e300 becomes infinite here and is refused as such.
        with np.errstate(over="ignore"):
            floats: Wave = samples.astype(np.float32)
        return floats
    kind = samples.dtype.name
    if kind not in _FULL_SCALE:
        raise InputError(
            name, f"contains {kind}, whose full scale is unknown", "give int16 or floats in [-1, 1]"
        )
    scaled: Wave = samples.astype(np.float32)
    if kind == "uint8":
        scaled -= 128
    scaled *= 1 / _FULL_SCALE[kind]  # a power of two: exact
    return scaled


def mix_to_mono(channels: Wave, names: list[str]) -> Wave:
    """(channels, samples) to (samples,): a weighted mean by the channels' positions."""
    count = len(channels)
    if count == 1:
        only: Wave = channels[0]
        return only
    if len(names) != count or len(set(names)) < count:  # unnamed, or nothing but the number is known
        names = _USUAL.get(count, " ".join(["?"] * count)).split()
    shares = np.array([_SHARE.get(name, _SIDE) for name in names], np.float32)
    if not shares.any():
        shares[:] = 1.0
    mono: Wave = (shares / shares.sum()) @ channels
    return mono


def check_samples(piece: Wave, name: str) -> Wave:
    """The piece itself, unless a sample is not finite or of another scale altogether (InputError)."""
    loudest = float(np.abs(piece).max(initial=0.0))  # NaN wherever one sample is
    if not np.isfinite(loudest):
        raise InputError(
            name, "contains NaN or infinite samples", "repair it, with numpy.nan_to_num for instance"
        )
    if loudest > _LOUDEST:
        raise InputError(name, f"reaches {loudest:g}, far out of [-1, 1]", "scale it, or give int16 samples")
    return piece
