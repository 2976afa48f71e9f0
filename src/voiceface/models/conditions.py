"""The conditions a face is generated from: a name, projected or repeated, and four seconds of speech."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.audio.mel import mel_bank, power_frames
from voiceface.audio.normalise_peak import normalise_peak
from voiceface.audio.preemphasis import preemphasis
from voiceface.audio.wave_checks import full_precision
from voiceface.nn.voice.segan import SeganEncoder
from voiceface.records import SAMPLE_RATE

FRAME = 4 * SAMPLE_RATE
"""Samples of Roldán's speech frames (section III-A)."""

_FFT, _HOP, _BANDS = 512, 128, 80


class Condition(nn.Module):
    """One part of a condition, ``(n, dim)``, computed from a batch."""

    dim: int
    frozen: bool = False
    """It was trained before, and stays as it is."""

    def forward(self, batch: dict[str, Any]) -> Tensor:
        """Read the batch's ``people`` or ``waves``: ``(n, dim)``."""
        raise NotImplementedError


class ProjectedName(Condition):
    """A name as a learned linear projection of its one-hot vector; reads ``people (n,)``, indices from 0.

    Source: Roldán 2018, section IV-C.
    """

    def __init__(self, people: int, *, dim: int = 128) -> None:
        super().__init__()
        self.people, self.dim = people, dim
        self.projection = nn.Linear(people, dim)

    def forward(self, batch: dict[str, Any]) -> Tensor:
        """As `Condition.forward`."""
        one_hot = F.one_hot(batch["people"], self.people).to(self.projection.weight.dtype)
        embedding: Tensor = self.projection(one_hot)
        return embedding


class RepeatedName(Condition):
    """A name as its one-hot vector, repeated as often as fits and padded with zeros; nothing is learned.

    More people than ``dim`` make it as wide as there are people.

    Source: Roldán 2018, figure 6.
    """

    def __init__(self, people: int, *, dim: int = 128) -> None:
        super().__init__()
        self.people, self.dim = people, max(dim, people)

    def forward(self, batch: dict[str, Any]) -> Tensor:
        """As `Condition.forward`."""
        one_hot = F.one_hot(batch["people"], self.people).float()
        repeated = one_hot.repeat(1, self.dim // self.people)
        return F.pad(repeated, (0, self.dim - repeated.shape[1]))


class Speech(Condition):
    """Four seconds of speech through SEGAN's encoder; reads ``waves (n, 64000)``, int16 or float in [-1, 1].

    Source: Roldán 2018, sections III-A (level, pre-emphasis), IV-D (encoder), V (mel variant: transform
    of 512 samples every 128; its bands and its logarithm are not stated: 80, natural) and VI (an encoder
    trained on speaker recognition, here frozen then).
    """

    def __init__(
        self, form: Literal["waveform", "mel"], *, width: int = 64, dim: int = 128, frozen: bool = False
    ) -> None:
        super().__init__()
        self.form, self.dim, self.frozen = form, dim, frozen
        inputs, length = (1, FRAME) if form == "waveform" else (_BANDS, 1 + FRAME // _HOP)
        self.encoder = SeganEncoder(inputs=inputs, length=length, width=width, dim=dim)

    def forward(self, batch: dict[str, Any]) -> Tensor:
        """As `Condition.forward`."""
        waves: Tensor = batch["waves"]
        with torch.no_grad(), full_precision(waves):
            rows = waves.float() / 32768 if not waves.is_floating_point() else waves
            rows = preemphasis(normalise_peak(rows))
            if self.form == "mel":
                bank = mel_bank(bands=_BANDS, fft=_FFT, rate=SAMPLE_RATE).to(rows)
                # 1e-4 is about the floor of 16-bit noise in such a band.
                rows = (power_frames(rows, fft=_FFT, hop=_HOP) @ bank).clamp_min(1e-4).log().transpose(1, 2)
        embedding: Tensor = self.encoder(rows)
        return embedding
