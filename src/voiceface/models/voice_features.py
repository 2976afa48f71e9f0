"""Frozen voice networks whose features condition a generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy.typing as npt
import torch
from torch import Tensor, nn

from voiceface.audio.wen_logmel import repeat_frames
from voiceface.errors import InputError
from voiceface.models.logmels import logmel
from voiceface.models.matching import solve
from voiceface.models.voice_encoder import WindowEncoder
from voiceface.nn.voice.recurrent_voice import RecurrentVoice
from voiceface.nn.voice.wen_voice import WenVoice

Space = Literal["speaker", "face"]


class VoiceFeatures(nn.Module):
    """Features ``(n, dim)``: of what a training caches of a voice (`forward`), or of recordings."""

    dim: int

    def embed_waves(self, waves: Sequence[npt.NDArray[Any]]) -> Tensor:
        """Features ``(waves, dim)`` of whole recordings at 16 kHz."""
        raise NotImplementedError


class LogmelFeatures(VoiceFeatures):
    """Wen et al.'s voice network on their log-mels."""

    def __init__(self, *, width: int = 256, dim: int = 64) -> None:
        super().__init__()
        self.network = WenVoice(width=width, dim=dim)
        self.dim = dim

    def forward(self, logmels: Tensor) -> Tensor:
        """Features ``(n, dim)`` of log-mels ``(n, 64, frames)``."""
        features: Tensor = self.network(logmels)
        return features

    def embed_waves(self, waves: Sequence[npt.NDArray[Any]]) -> Tensor:
        """As `VoiceFeatures.embed_waves`; recordings under ten seconds are repeated, as the authors do."""
        return self.embed_logmels([logmel(wave) for wave in waves])

    def embed_logmels(self, logmels: Sequence[Tensor]) -> Tensor:
        """Features ``(n, dim)`` of whole recordings' log-mels ``(frames, 64)``."""
        device = next(self.parameters()).device
        with torch.no_grad():
            features = [self(repeat_frames(one).T[None].to(device)) for one in logmels]
        return torch.cat(features) if features else torch.zeros(0, self.dim)


class EncoderFeatures(VoiceFeatures):
    """A speaker encoder's embeddings, reduced by a linear map that is computed, not learned.

    Such embeddings are positive and concentrated around one direction; after the map they spread.

    Args:
        bands: mel bands of the encoder.
        hidden: units of its layers.
        layers: their number.
        width: dimensions of its embeddings.
        dim: dimensions after the map.
    """

    def __init__(
        self, *, bands: int = 40, hidden: int = 256, layers: int = 3, width: int = 256, dim: int = 64
    ) -> None:
        super().__init__()
        self.encoder = RecurrentVoice(bands=bands, hidden=hidden, layers=layers, dim=width)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("map", torch.zeros(width, dim))
        self.dim = dim

    def forward(self, embeddings: Tensor) -> Tensor:
        """Features ``(n, dim)`` of the encoder's embeddings ``(n, width)``."""
        return (embeddings - self.get_buffer("mean")) @ self.get_buffer("map")

    def embed_waves(self, waves: Sequence[npt.NDArray[Any]]) -> Tensor:
        """As `VoiceFeatures.embed_waves`."""
        embeddings = torch.from_numpy(self.window_encoder("").embed(list(waves)))
        with torch.no_grad():
            return self(embeddings.to(self.get_buffer("mean").device))  # type: ignore[no-any-return]

    def window_encoder(self, fingerprint: str) -> WindowEncoder:
        """The encoder under the fingerprint by which a corpus caches its embeddings."""
        device = str(self.get_buffer("mean").device)
        return WindowEncoder("student", self.encoder, fingerprint=fingerprint, device=device)

    def fit_map(self, voices: Tensor, faces: Tensor, *, space: Space, ridge: float = 5.0) -> None:
        """Compute the map from training people.

        Args:
            voices: ``(n, width)`` embeddings of the encoder.
            faces: ``(n, k)`` face embeddings of the same people; read for ``"face"`` alone.
            space: ``"speaker"``: the directions in which voices differ most, each scaled to one
                deviation; ``"face"``: those in which voices predict faces best (`solve`).
            ridge: of ``"face"``.

        Raises:
            InputError: an unknown space.
        """
        if space == "face":
            solution = solve(voices, faces, ridge=ridge, dim=self.dim)
            mean, directions = solution.voice_mean, solution.voice_map
        elif space == "speaker":
            mean = voices.mean(0)
            _, values, vectors = torch.linalg.svd((voices - mean).double(), full_matrices=False)
            deviations = values[: self.dim] / max(1, len(voices)) ** 0.5
            directions = (vectors[: self.dim].T / deviations.clamp_min(1e-4)).float()
        else:
            raise InputError("space", f"is {space!r}", "give 'speaker' or 'face'")
        with torch.no_grad():
            self.get_buffer("mean").copy_(mean)
            self.get_buffer("map").zero_()[:, : directions.shape[1]] = directions
