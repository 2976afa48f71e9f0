"""Hearing without predictive coding: log-mels for c_t, a speaker embedding for ν, statistics for μ.

What Speech2Video's first stage is compared with; it needs no training of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from voiceface.audio.mel import mel_bank
from voiceface.audio.voice_statistics import voice_statistics
from voiceface.errors import InputError
from voiceface.models.context_stream import HOP, BlockStream
from voiceface.models.encoders import student
from voiceface.models.teachers.dlib import DlibTeacher
from voiceface.models.voice_encoder import WindowEncoder

__all__ = ["MelSpeechEncoder", "mel_statistics"]

_FFT, _BANDS, _FLOOR = 400, 40, 1e-5
_EMOTION = 66


class MelSpeechEncoder(nn.Module):
    """40 log-mels every 10 ms, our voice encoder's 256 numbers, 66 plain statistics; dlib's maps.

    Args:
        facts: what `mel_statistics` found.
    """

    context, identity, emotion = _BANDS, 256, _EMOTION
    map_channels = DlibTeacher.map_channels

    def __init__(self, facts: Mapping[str, Sequence[float]]) -> None:
        super().__init__()
        for name in ("mean", "deviation", "felt_mean", "felt_deviation"):
            self.register_buffer(name, torch.tensor(facts[name]))

    def contexts(self, wave: Tensor) -> Tensor:
        """Standardised log-mels of a whole recording, whose level is brought to a root mean square of 1."""
        stream = self.stream(wave)
        return torch.cat([part for part in (stream.feed(wave), stream.close()) if len(part)])

    def stream(self, wave: Tensor) -> BlockStream:
        """The same of a recording that arrives in pieces, as loud as ``wave``."""
        level = wave.square().mean().sqrt().clamp_min(1e-4)
        mean, deviation = self.get_buffer("mean"), self.get_buffer("deviation")

        def make(piece: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
            return (log_mels(piece / level).to(mean.device) - mean) / deviation, None

        # A window of 25 ms around the middle of its 10 ms.
        return BlockStream(make, left=(_FFT - HOP) // 2, right=(_FFT - HOP) // 2)

    def speaker(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        """ν of the voice encoder, μ of the statistics."""
        place = self.get_buffer("mean").device
        row = torch.from_numpy(self._encoder.embed([wave.numpy()]))[0].to(place)
        felt = voice_statistics(wave).float().to(place)
        return row, (felt - self.get_buffer("felt_mean")) / self.get_buffer("felt_deviation")

    def taught(self, pictures: Tensor) -> Tensor:
        """There is no teacher in this space.

        Raises:
            InputError: always.
        """
        raise InputError("hearing mels", "has no teacher of ν", "leave --forcing at 0, or name a si_distill")

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Maps by dlib of faces ``(n, 3, side, side)`` from 0 to 255."""
        return DlibTeacher().maps(pictures)

    @cached_property
    def _encoder(self) -> WindowEncoder:
        return student.load()


def log_mels(wave: Tensor) -> Tensor:
    """Natural logarithms of 40 mel bands, a row every 160 samples from the first whole window on."""
    window = torch.hann_window(_FFT, dtype=wave.dtype)
    spectra = torch.fft.rfft(wave.unfold(0, _FFT, HOP) * window)
    bank = mel_bank(bands=_BANDS, fft=_FFT, rate=16_000).to(wave.dtype)
    return torch.log((spectra.real.square() + spectra.imag.square()) @ bank + _FLOOR)


def mel_statistics(waves: Sequence[Tensor]) -> dict[str, Any]:
    """Means and deviations of mels and statistics over training sound."""
    mels = torch.cat([log_mels(wave / wave.square().mean().sqrt().clamp_min(1e-4)) for wave in waves])
    felt = torch.stack([voice_statistics(wave).float() for wave in waves])
    found = {
        "mean": mels.mean(0),
        "deviation": mels.std(0).clamp_min(1e-2),
        "felt_mean": felt.mean(0),
        "felt_deviation": felt.std(0, correction=0).clamp_min(1e-3),
    }
    return {name: np.round(value.tolist(), 6).tolist() for name, value in found.items()}
