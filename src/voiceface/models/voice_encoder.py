"""The interface of voice encoders: from waves to embeddings of length 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from voiceface.audio.ge2e_features import ge2e_partials, normalise_volume
from voiceface.errors import InputError
from voiceface.nn.voice.ge2e import Ge2e, embed_windows
from voiceface.nn.voice.recurrent_voice import RecurrentVoice

Waves = Sequence[npt.NDArray[Any]]


class VoiceEncoder:
    """The interface of ``models/encoders/NAME.py``: each has ``load(**options) -> VoiceEncoder``."""

    name: str
    dim: int
    fingerprint: str
    """Identifies the weights: a matcher refuses embeddings of another encoder than its own."""
    gains_by_bf16: bool = False
    """Whether bf16 is faster where the processor computes in it, and a matcher was shown to lose nothing.

    A pipeline then computes it so unless another precision is asked for (docs/measurements/speed.md).
    """

    def embed(self, waves: Waves) -> npt.NDArray[np.float32]:
        """Embed recordings, 16 kHz mono, float in [-1, 1] or int16, as ``(n, dim)``, each of length 1.

        Raises:
            InputError: a recording without samples, or with NaN or infinite ones.
        """
        raise NotImplementedError


class WindowEncoder(VoiceEncoder):
    """An encoder of 1.6 s mel windows: the mean of a recording's windows, normalised to length 1.

    Under autocast to bf16 its network computes in it, its mels do not.

    Args:
        name: the encoder's name.
        network: `Ge2e` or a student of its shape.
        fingerprint: of its weights.
        device: where it runs.
    """

    gains_by_bf16 = True

    def __init__(
        self, name: str, network: Ge2e | RecurrentVoice, *, fingerprint: str, device: str = "cpu"
    ) -> None:
        self.name, self.fingerprint, self.device = name, fingerprint, device
        self.network: nn.Module = network.eval().requires_grad_(False).to(device)
        self.dim = network.linear.out_features

    def embed(self, waves: Waves) -> npt.NDArray[np.float32]:
        """As `VoiceEncoder.embed`; the windows of up to 64 recordings share forward passes."""
        embeddings = [torch.zeros(0, self.dim)]
        with torch.inference_mode():
            for first in range(0, len(waves), 64):
                windows, counts = [], []
                for wave in waves[first : first + 64]:
                    found, count = ge2e_partials(normalise_volume(as_wave(wave).to(self.device)))
                    windows.append(found)
                    counts.append(int(count))
                block = 48 if torch.device(self.device).type == "cpu" else 512
                found = embed_windows(self.network, torch.cat(windows), counts, block=block)
                embeddings.append(found.cpu())
        return torch.cat(embeddings).float().numpy()


class RecordingEncoder(VoiceEncoder):
    """An encoder that takes each recording whole; embeddings get length 1.

    Args:
        network: what embeds.
        fingerprint: of its weights.
        least: samples; a shorter recording is repeated.
        device: where it runs.
    """

    def __init__(self, network: nn.Module, *, fingerprint: str, least: int, device: str = "cpu") -> None:
        self.network: nn.Module = network.eval().requires_grad_(False).to(device)
        self.fingerprint, self.device, self._least = fingerprint, device, least

    def embed_recording(self, samples: Tensor) -> Tensor:
        """The embedding (dim,), of any length, of one recording (samples,)."""
        raise NotImplementedError

    def embed(self, waves: Waves) -> npt.NDArray[np.float32]:
        """As `VoiceEncoder.embed`."""
        embeddings = [torch.zeros(0, self.dim)]
        with torch.inference_mode():
            for wave in waves:
                samples = as_wave(wave).to(self.device)
                if len(samples) < self._least:
                    samples = samples.repeat(-(-self._least // len(samples)))
                found = self.embed_recording(samples).float()[None]
                embeddings.append(torch.nn.functional.normalize(found, dim=1).cpu())
        return torch.cat(embeddings).numpy()


def as_wave(wave: npt.NDArray[Any]) -> Tensor:
    """A recording as a float tensor ``(samples,)`` in [-1, 1].

    Raises:
        InputError: it has no samples, is not one-dimensional or holds neither floats nor signed integers,
            or NaN or infinite samples.
    """
    if wave.ndim != 1 or not wave.size:
        raise InputError("wave", f"has shape {wave.shape}", "give (samples,), at least one")
    if wave.dtype.kind not in "fi":
        raise InputError("wave", f"holds {wave.dtype} samples", "give floats in [-1, 1] or int16")
    if wave.dtype.kind == "i":
        return torch.from_numpy(wave.astype(np.float32) / -float(np.iinfo(wave.dtype).min))
    if not np.isfinite(wave).all():
        raise InputError("wave", "holds NaN or infinite samples", "repair or leave out the recording")
    return torch.from_numpy(np.ascontiguousarray(wave, dtype=np.float32))
