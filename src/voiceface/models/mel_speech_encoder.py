"""Speech features without predictive coding: log-mels for c_t, a speaker embedding for ν, statistics for μ.

The baseline of Speech2Video's first stage; it needs no training of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from voiceface.audio.mel import mel_bank
from voiceface.audio.voice_statistics import voice_statistics
from voiceface.errors import InputError
from voiceface.models.context_stream import HOP, BlockStream
from voiceface.models.encoders import student
from voiceface.models.speech_encoder import SpeechEncoder
from voiceface.models.teachers.dlib import DlibTeacher
from voiceface.models.voice_encoder import WindowEncoder
from voiceface.nn.voice.cpc import rms_level
from voiceface.records import SAMPLE_RATE

_FFT, _BANDS, _FLOOR = 400, 40, 1e-5


class MelSpeechEncoder(SpeechEncoder):
    """40 log-mels every 10 ms, our voice encoder's 256 numbers, 66 plain statistics; dlib's maps.

    Args:
        facts: the result of `mel_statistics`.
    """

    context_dim, identity_dim, emotion_dim = _BANDS, 256, 66
    map_channels = DlibTeacher.map_channels

    def __init__(self, facts: Mapping[str, Sequence[float]]) -> None:
        super().__init__()
        for name in ("mean", "deviation", "felt_mean", "felt_deviation"):
            self.register_buffer(name, torch.tensor(facts[name]))

    def stream(self, wave: Tensor, /) -> BlockStream:
        """Standardised log-mels, with the level of ``wave`` brought to a root mean square of 1."""
        level = rms_level(wave)
        mean, deviation = self.get_buffer("mean"), self.get_buffer("deviation")

        def compute(piece: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
            return (log_mels(piece / level).to(mean.device) - mean) / deviation, None

        # A window of 25 ms around the middle of its 10 ms.
        return BlockStream(compute, left=(_FFT - HOP) // 2, right=(_FFT - HOP) // 2)

    def identity_and_emotion(self, wave: Tensor, /) -> tuple[Tensor, Tensor]:
        """ν by the voice encoder, μ from the statistics."""
        device = self.get_buffer("mean").device
        identity = torch.from_numpy(self._encoder.embed([wave.numpy()]))[0].to(device)
        statistics = voice_statistics(wave).float().to(device)
        return identity, (statistics - self.get_buffer("felt_mean")) / self.get_buffer("felt_deviation")

    def teacher_identity(self, pictures: Tensor, /) -> Tensor:
        """There is no teacher of ν.

        Raises:
            InputError: always.
        """
        fault, remedy = "have no identity teacher", "leave --forcing at 0, or name weights of si_distill"
        raise InputError("mel speech features", fault, remedy)

    def maps(self, pictures: Tensor, /) -> list[Tensor]:
        """Maps by dlib of faces ``(n, 3, side, side)`` from 0 to 255."""
        return DlibTeacher().maps(pictures)

    @cached_property
    def _encoder(self) -> WindowEncoder:
        return student.load()


def log_mels(wave: Tensor) -> Tensor:
    """Natural logarithms of 40 mel bands, a row every 160 samples from the first whole window on."""
    window = torch.hann_window(_FFT, dtype=wave.dtype)
    spectra = torch.fft.rfft(wave.unfold(0, _FFT, HOP) * window)
    bank = mel_bank(bands=_BANDS, fft=_FFT, rate=SAMPLE_RATE).to(wave.dtype)
    return torch.log((spectra.real.square() + spectra.imag.square()) @ bank + _FLOOR)


def mel_statistics(waves: Sequence[Tensor]) -> dict[str, Any]:
    """Means and deviations of log-mels and voice statistics over training sound."""
    mels = torch.cat([log_mels(wave / rms_level(wave)) for wave in waves])
    statistics = torch.stack([voice_statistics(wave).float() for wave in waves])
    found = {
        "mean": mels.mean(0),
        "deviation": mels.std(0).clamp_min(1e-2),
        "felt_mean": statistics.mean(0),
        "felt_deviation": statistics.std(0, correction=0).clamp_min(1e-3),
    }
    return {name: np.round(value.tolist(), 6).tolist() for name, value in found.items()}
