"""Voice encoders from waves to embeddings, front end and all, in steps that a graph can record."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.audio.ge2e_features import ge2e_windows, normalise_volume
from voiceface.audio.kaldi_fbank import kaldi_fbank
from voiceface.errors import InputError
from voiceface.models.encoders.campplus import CampplusVoice
from voiceface.models.stacked_voices import StackedVoices
from voiceface.models.voice_encoder import VoiceEncoder, WindowEncoder

WAVE = "sound at 16 kHz, mono, in [-1, 1]; recordings of one length, of 0.2 s to a minute"
_EXPORTED = "student, ge2e, campplus, campplus_student and stacks of them can be exported"


def voice_network(encoder: VoiceEncoder) -> nn.Module:
    """The network that computes what the encoder's ``embed`` does: (batch, samples) to (batch, dim).

    Raises:
        InputError: it is an encoder that cannot be exported.
    """
    if isinstance(encoder, StackedVoices):
        return _Stack([voice_network(part) for part in encoder.parts])
    if isinstance(encoder, WindowEncoder):
        return _Windows(encoder.network)
    if isinstance(encoder, CampplusVoice):
        return _Recording(encoder.network)
    raise InputError(f"voice encoder {encoder.name}", "cannot be exported", _EXPORTED)


def example_waves(number: int) -> Tensor:
    """Silence, then noise (batch, samples) in bursts, of another length and level for every number."""
    random = torch.Generator().manual_seed(number)
    samples = 52_000 + 9_973 * number
    noise = torch.randn(2 if number < 2 else 1, samples, generator=random)
    bursts = torch.sin(torch.arange(samples) / 1_600).square()
    bursts[: samples // 3] = 0  # digital silence, as recordings begin with
    return 10.0 ** -(1 + number % 3) * noise * bursts


class _Windows(nn.Module):
    """The mean of a recording's windows, of length 1: `WindowEncoder` of waves of one length."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, waves: Tensor) -> Tensor:
        windows = ge2e_windows(normalise_volume(waves))
        rows = self.network(windows.flatten(0, 1))
        return F.normalize(rows.view(*windows.shape[:2], -1).mean(1), dim=1)


class _Recording(nn.Module):
    """A recording of up to a minute as a whole: `CampplusVoice` without its cutting of longer ones."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, waves: Tensor) -> Tensor:
        return F.normalize(self.network(kaldi_fbank(waves)), dim=1)


class _Stack(nn.Module):
    """As `StackedVoices`."""

    def __init__(self, parts: list[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, waves: Tensor) -> Tensor:
        rows: Tensor = torch.cat([part(waves) for part in self.parts], dim=1) / len(self.parts) ** 0.5
        return rows
