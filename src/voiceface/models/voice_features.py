"""Voice networks that stay frozen while others learn from what they hear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy.typing as npt
import torch
from torch import Tensor, nn

from voiceface.errors import InputError
from voiceface.models.logmels import logmel
from voiceface.models.matching import solve
from voiceface.models.voice_encoder import WindowEncoder
from voiceface.nn.voice.recurrent_voice import RecurrentVoice
from voiceface.nn.voice.wen_voice import WenVoice

__all__ = ["EncoderFeatures", "Hearing", "LogmelFeatures", "Space"]

Space = Literal["speaker", "face"]


class Hearing(nn.Module):
    """From what a training stores of a voice (`forward`), or from a recording (`hear`), to a row."""

    dim: int

    def hear(self, waves: Sequence[npt.NDArray[Any]]) -> Tensor:
        """Whole recordings at 16 kHz as rows ``(waves, dim)``."""
        raise NotImplementedError


class LogmelFeatures(Hearing):
    """Wen et al.'s voice network on their log-mels."""

    def __init__(self, *, width: int = 256, dim: int = 64) -> None:
        super().__init__()
        self.network = WenVoice(width=width, dim=dim)
        self.dim = dim

    def forward(self, logmels: Tensor) -> Tensor:
        """Log-mels ``(n, 64, frames)`` as rows ``(n, dim)``."""
        rows: Tensor = self.network(logmels)
        return rows

    def hear(self, waves: Sequence[npt.NDArray[Any]]) -> Tensor:
        """As `Hearing.hear`; a recording shorter than ten seconds is repeated, as at the authors'."""
        return self.whole([logmel(wave) for wave in waves])

    def whole(self, logmels: Sequence[Tensor]) -> Tensor:
        """Log-mels ``(frames, 64)`` of whole recordings as rows ``(n, dim)``."""
        from voiceface.audio.wen_logmel import repeat_frames

        device = next(self.parameters()).device
        with torch.no_grad():
            rows = [self(repeat_frames(one).T[None].to(device)) for one in logmels]
        return torch.cat(rows) if rows else torch.zeros(0, self.dim)


class EncoderFeatures(Hearing):
    """A speaker encoder's rows, brought to fewer numbers by a linear map that is computed, not learnt.

    The rows of such encoders are positive and crowd round one direction; after the map they spread.

    Args:
        bands: mel bands of the encoder.
        hidden: units of its layers.
        layers: of them.
        width: numbers of its rows.
        dim: numbers after the map.
    """

    def __init__(
        self, *, bands: int = 40, hidden: int = 256, layers: int = 3, width: int = 256, dim: int = 64
    ) -> None:
        super().__init__()
        self.encoder = RecurrentVoice(bands=bands, hidden=hidden, layers=layers, dim=width)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("map", torch.zeros(width, dim))
        self.dim = dim

    def forward(self, rows: Tensor) -> Tensor:
        """The encoder's rows ``(n, width)`` as rows ``(n, dim)``."""
        return (rows - self.get_buffer("mean")) @ self.get_buffer("map")

    def hear(self, waves: Sequence[npt.NDArray[Any]]) -> Tensor:
        """As `Hearing.hear`."""
        place = self.get_buffer("mean").device
        rows = torch.from_numpy(self.window_encoder("").embed(list(waves))).to(place)
        with torch.no_grad():
            return self(rows)  # type: ignore[no-any-return]

    def window_encoder(self, fingerprint: str) -> WindowEncoder:
        """The encoder as the corpus' cached rows know it."""
        place = str(self.get_buffer("mean").device)
        return WindowEncoder("student", self.encoder, fingerprint=fingerprint, device=place)

    def spread(self, voices: Tensor, faces: Tensor, *, space: Space, ridge: float = 5.0) -> None:
        """Compute the map from training people.

        Args:
            voices: ``(n, width)`` rows of the encoder.
            faces: ``(n, k)`` descriptors of the same people's faces; looked at for ``"face"`` alone.
            space: ``"speaker"``: the directions in which voices differ most, each brought to one
                deviation; ``"face"``: those in which voices tell most of faces (`solve`).
            ridge: of ``"face"``.

        Raises:
            InputError: an unknown space.
        """
        if space == "face":
            found = solve(voices, faces, ridge=ridge, dim=self.dim)
            mean, made = found.voice_mean, found.voice_map
        elif space == "speaker":
            mean = voices.mean(0)
            _, values, vectors = torch.linalg.svd((voices - mean).double(), full_matrices=False)
            deviations = values[: self.dim] / max(1, len(voices)) ** 0.5
            made = (vectors[: self.dim].T / deviations.clamp_min(1e-4)).float()
        else:
            raise InputError("space", f"is {space!r}", "give 'speaker' or 'face'")
        with torch.no_grad():
            self.get_buffer("mean").copy_(mean)
            self.get_buffer("map").zero_()[:, : made.shape[1]] = made
