"""Other voices, rooms and microphones from one recording: changes of speech that keep its words.

Every function takes a batch ``(batch, samples)`` of float waves and a generator; the same generator
state gives the same result. `shift_formants` and `resample_by` make *another speaker* of a recording;
the rest makes another recording of the same speaker.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_FFT = 512
_HOP = 128
_LIFTER = 30  # cepstra kept as the envelope: below the pitch period of a high voice at 16 kHz


def resample_by(wave: Tensor, ratio: float, *, samples: int) -> Tensor:
    """Play a wave ``ratio`` times as fast (pitch, formants and rate rise together), band-limited.

    Args:
        wave: ``(n,)`` with at least ``samples * ratio`` samples; the first ones are used.
        ratio: new pitch over old pitch, kept to within 256 samples of ``samples * ratio``.
        samples: samples of the result.

    Returns:
        ``(samples,)``.
    """
    # A multiple of 256: a Fourier transform of prime length costs many times as much.
    taken = min(len(wave), max(1, round(samples * ratio / 256)) * 256)
    spectrum = torch.fft.rfft(wave[:taken])
    bins = samples // 2 + 1
    kept = F.pad(spectrum[:bins], (0, max(0, bins - len(spectrum))))
    played: Tensor = torch.fft.irfft(kept, n=samples) * (samples / taken)
    return played


def shift_formants(wave: Tensor, ratio: Tensor) -> Tensor:
    """Move each wave's spectral envelope by ``ratio`` along frequency; the pitch stays.

    The envelope is the smooth part of the log spectrum (low-time cepstrum); its fine structure and
    the phases are kept.

    Args:
        wave: ``(batch, samples)``.
        ratio: ``(batch,)``; above 1 the vocal tract becomes shorter.
    """
    window = torch.hann_window(_FFT, device=wave.device)
    spectrum = torch.stft(wave, _FFT, _HOP, window=window, return_complex=True)
    log = spectrum.abs().clamp_min(1e-6).log()
    cepstrum = torch.fft.irfft(log, n=_FFT, dim=1)
    lifter = torch.zeros(_FFT, device=wave.device)
    lifter[:_LIFTER], lifter[-_LIFTER + 1 :] = 1.0, 1.0
    envelope = torch.fft.rfft(cepstrum * lifter[:, None], dim=1).real
    bins = envelope.shape[1]
    source = torch.arange(bins, device=wave.device) / ratio[:, None]
    low = source.floor().long().clamp_max(bins - 1)
    part = (source - low)[..., None]
    high = (low + 1).clamp_max(bins - 1)
    frames = envelope.shape[2]
    moved = (
        envelope.gather(1, low[..., None].expand(-1, -1, frames)) * (1 - part)
        + envelope.gather(1, high[..., None].expand(-1, -1, frames)) * part
    )
    changed = spectrum * (moved - envelope).clamp(-6, 6).exp()
    return torch.istft(changed, _FFT, _HOP, window=window, length=wave.shape[1])


def add_noise(wave: Tensor, noise: Tensor, snr_db: Tensor) -> Tensor:
    """Mix ``noise`` under each wave at its signal-to-noise ratio ``(batch,)`` in dB; silence stays silent."""
    power = wave.square().mean(1, keepdim=True)
    noise_power = noise.square().mean(1, keepdim=True).clamp_min(1e-12)
    return wave + noise * (power / noise_power / 10 ** (snr_db[:, None] / 10)).sqrt()


def random_equaliser(
    wave: Tensor, *, strength_db: float, points: int = 8, generator: torch.Generator
) -> Tensor:
    """Filter each wave by a smooth random gain curve over frequency: another microphone or distance.

    Args:
        wave: ``(batch, samples)``.
        strength_db: standard deviation of the curve's knots in dB.
        points: knots of the curve, evenly spaced in frequency on a square-root scale.
        generator: samples the knots.
    """
    knots = torch.randn(len(wave), 1, points, generator=generator).to(wave) * strength_db
    bins = wave.shape[1] // 2 + 1
    curve = F.interpolate(knots, size=256, mode="linear", align_corners=True)[:, 0]
    where = (torch.linspace(0, 1, bins, device=wave.device).sqrt() * 255).round().long()
    gain = 10 ** (curve[:, where] / 20)
    coloured: Tensor = torch.fft.irfft(torch.fft.rfft(wave) * gain, n=wave.shape[1])
    return coloured


def add_reverb(
    wave: Tensor, seconds: Tensor, wet: Tensor, *, rate: int, generator: torch.Generator
) -> Tensor:
    """Put each wave into a room: a decaying noise tail behind the direct sound.

    Args:
        wave: ``(batch, samples)``.
        seconds: reverberation time (60 dB) ``(batch,)``.
        wet: the tail's energy over the direct sound's ``(batch,)``; 0 leaves the wave as it is.
        rate: sample rate in Hz.
        generator: samples the tails.
    """
    length = round(0.6 * rate)
    time = torch.arange(length, device=wave.device) / rate
    tail = torch.randn(len(wave), length, generator=generator).to(wave)
    tail = tail * torch.exp(-6.9 * time / seconds[:, None])
    tail[:, 0] = 0
    tail = tail / tail.square().sum(1, keepdim=True).sqrt() * wet[:, None].sqrt()
    tail[:, 0] = 1
    total = wave.shape[1] + length
    wide: Tensor = torch.fft.irfft(torch.fft.rfft(wave, n=total) * torch.fft.rfft(tail, n=total), n=total)
    return wide[:, : wave.shape[1]]


def band_limit(wave: Tensor, cutoff_hz: Tensor, bits: Tensor, *, rate: int) -> Tensor:
    """A line's or codec's loss: nothing above ``cutoff_hz``, μ-law of ``bits`` bits; both ``(batch,)``."""
    spectrum = torch.fft.rfft(wave)
    hertz = torch.linspace(0, rate / 2, spectrum.shape[1], device=wave.device)
    # A straight fall over 300 Hz: a brick wall would ring.
    keep = ((cutoff_hz[:, None] + 300 - hertz) / 300).clamp(0, 1)
    low = torch.fft.irfft(spectrum * keep, n=wave.shape[1])
    peak = low.abs().amax(1, keepdim=True).clamp_min(1e-9)
    steps = 2.0 ** (bits[:, None] - 1)
    pressed = torch.sign(low) * torch.log1p(255 * low.abs() / peak) / torch.log(torch.tensor(256.0))
    rounded = (pressed * steps).round() / steps
    opened: Tensor = torch.sign(rounded) * (256.0 ** rounded.abs() - 1) / 255 * peak
    return opened
