"""How the channels of a recording become one wave, decided once for all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voiceface.media.samples import Wave, mix_to_mono

MIXDOWN_SECONDS = 10.0
"""Of a recording's beginning, from which its mixdown is learnt: every part of it is then treated alike."""
MIXDOWN_VALUES = 2**23
"""Samples of all channels that are looked at at most: 32 MB."""

_CANCELLED = 0.2  # of the channels' energy is left in the mix; of unrelated channels half is
_OFFSET_SHARE, _OFFSET_SECONDS = 0.1, 0.5  # a mean of this share of the deviation, over this time at least
_OVERSHOOT = 1.5  # what a codec adds to a loud recording, and a clip takes away without harm
_OTHER_SCALE = 100.0  # 40 dB; more is no level but another scale, such as 16-bit numbers as floats
_HOT_PEAK = 0.5  # leaves 6 dB for what comes after the beginning


@dataclass(frozen=True)
class Mixdown:
    """Channels to one wave, without what a recorder spoilt: opposite phase, an offset, a level above 1."""

    count: int = 1
    """Channels of the recording; a part with another number of them is mixed as usual."""
    channel: int | None = None
    """The one that is taken where the mix of all cancels."""
    offset: float = 0.0
    """Subtracted from the wave."""
    gain: float = 1.0

    def __call__(self, channels: Wave, names: list[str]) -> Wave:
        """``(channels, samples)`` as ``(samples,)`` float32, in [-1, 1] but for overshoots."""
        known = len(channels) == self.count
        mono = channels[self.channel] if known and self.channel is not None else mix_to_mono(channels, names)
        if known and self.offset:
            mono = mono - np.float32(self.offset)
        return mono if self.gain == 1.0 else mono * np.float32(self.gain)


def learn_mixdown(parts: Sequence[tuple[Wave, list[str]]], rate: int) -> Mixdown:
    """The mixdown of a recording by its beginning; ordinary sound gets the plain mix.

    Where the mix keeps less than a fifth of the channels' energy, as of a pair of opposite phase, the
    first loud channel is taken. A mean above a tenth of the deviation is subtracted. Floats that reach
    1.5 to 100 are scaled to a peak of 0.5; below that they are clipped, above it left for `check_samples`.

    Args:
        parts: ``(channels, samples)`` of the beginning, each with its channels' names.
        rate: Samples a second, Hz.

    >>> clean = np.sin(np.arange(16000, dtype=np.float32))
    >>> learn_mixdown([(np.stack([clean, -clean]), ["FL", "FR"])], 16000).channel
    0
    """
    if not parts:
        return Mixdown()
    names, count = parts[0][1], len(parts[0][0])
    excerpt = np.concatenate([part for part, _ in parts if len(part) == count], axis=1)
    if not np.isfinite(_energy(excerpt)) and not np.isfinite(excerpt).all():
        return Mixdown()  # refused by `check_samples` where it lies
    channel = _loud_channel(excerpt, names) if count > 1 else None
    mono = Mixdown(count, channel)(excerpt, names)
    mean = float(mono.mean(dtype=np.float64))
    offset = mean if len(mono) >= _OFFSET_SECONDS * rate and _is_constant(mean, mono) else 0.0
    centred = mono - np.float32(offset) if offset else mono
    peak = max(float(centred.max(initial=0.0)), -float(centred.min(initial=0.0)))
    gain = _HOT_PEAK / peak if _OVERSHOOT < peak <= _OTHER_SCALE else 1.0
    return Mixdown(count, channel, offset, gain)


def _is_constant(mean: float, mono: Wave) -> bool:
    """Whether the mean is more than a tenth of the deviation."""
    variance = _energy(mono) / len(mono) - mean * mean
    # Nearly every recording is told by this variance, in a tenth of the exact one's time.
    if mean * mean < 0.5 * _OFFSET_SHARE**2 * variance < np.inf:
        return False
    return abs(mean) > _OFFSET_SHARE * float(mono.std(dtype=np.float64)) > 0


def _energy(samples: Wave) -> float:
    """The sum of squares to float32's precision; not finite where a sample is not."""
    flat = samples.ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        return float(flat @ flat)


def _loud_channel(channels: Wave, names: list[str]) -> int | None:
    """The first channel of at least half the loudest's energy, if the mix of all cancels; else None."""
    centred = channels - channels.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    shares = mix_to_mono(np.eye(len(channels), dtype=np.float32), names)
    energies = np.einsum("ct,ct->c", centred, centred) * (shares > 0)
    mixed = shares @ centred
    if not mixed @ mixed < _CANCELLED * (shares @ energies):
        return None
    return int(np.argmax(energies >= 0.5 * energies.max()))
