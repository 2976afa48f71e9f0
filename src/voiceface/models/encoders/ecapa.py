"""ECAPA-TDNN in SpeechBrain's published layout, 192 numbers a voice; needs weights (docs/encoders.md).

The network is our own (`voiceface.nn.voice.ecapa`); SpeechBrain is not needed. Its file
``embedding_model.ckpt`` holds tensors only and is read as such; ``hyperparams.yaml`` beside it is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.audio.log_fbank import log_fbank
from voiceface.errors import InputError
from voiceface.models.published_weights import digest, fill, find_weights, read_tensors
from voiceface.models.voice_encoder import VoiceEncoder, Waves, as_wave
from voiceface.nn.voice.ecapa import Ecapa

__all__ = ["FILES", "VARIABLE", "EcapaVoice", "fits", "load"]

FILES = ("embedding_model.ckpt", "embedding_model.safetensors")
VARIABLE = "VOICEFACE_ECAPA"
_REPOSITORIES = ("speechbrain/spkrec-ecapa-voxceleb",)
_LEAST = 1_600
"""Samples: a shorter recording is repeated, for the widest convolution needs some frames."""


class EcapaVoice(VoiceEncoder):
    """Recordings one by one, each whole: the network averages over any length itself."""

    name = "ecapa"

    def __init__(self, network: Ecapa, *, fingerprint: str, device: str = "cpu") -> None:
        self.network = network.eval().requires_grad_(False).to(device)
        self.fingerprint, self.device = fingerprint, device
        self.dim, self._bands = network.fc.out_channels, network.bands

    def embed(self, waves: Waves) -> npt.NDArray[np.float32]:
        """As `VoiceEncoder.embed`."""
        rows = [torch.zeros(0, self.dim)]
        with torch.inference_mode():
            for wave in waves:
                samples = as_wave(wave).to(self.device)
                if len(samples) < _LEAST:
                    samples = samples.repeat(-(-_LEAST // len(samples)))
                found = self.network(log_fbank(samples, bands=self._bands)[None]).float()
                rows.append(torch.nn.functional.normalize(found, dim=1).cpu())
        return torch.cat(rows).numpy()


def fits(place: Path) -> bool:
    """Whether a file or folder is this encoder's, by its name or what it holds."""
    return place.name in FILES or any((place / name).is_file() for name in FILES)


def load(weights: str | Path | None = None, *, device: str = "cpu") -> EcapaVoice:
    """Load the encoder from a file or folder, ``VOICEFACE_ECAPA``, or the hub's cache on this machine.

    The widths of the network are read off its tensors.

    Raises:
        MissingPartError: no weights are found.
        InputError: the file is damaged, holds code or is another network's; the tensor is named.
    """
    path = find_weights("ecapa", weights, variable=VARIABLE, repositories=_REPOSITORIES, files=FILES)
    tensors = read_tensors(path)
    with torch.random.fork_rng(devices=()):  # loading amid a training must not move the random numbers
        network = _shaped(tensors, path)
    fill(network, tensors, path, named=_theirs)
    return EcapaVoice(network, fingerprint=digest(path), device=device)


def _theirs(name: str) -> str:
    """SpeechBrain wraps every layer once more: ``blocks.0.conv.weight`` is ``blocks.0.conv.conv.weight``."""
    layer, _, leaf = name.rpartition(".")
    return f"{layer}.{'norm' if layer.endswith(('norm', 'asp_bn')) else 'conv'}.{leaf}"


def _shaped(tensors: Mapping[str, Tensor], path: Path) -> Ecapa:
    def size(name: str, axis: int) -> int:
        tensor = tensors.get(name)
        if tensor is None or tensor.ndim <= axis:
            fault, remedy = (
                f"lacks the tensor {name}",
                "give SpeechBrain's embedding_model.ckpt of ECAPA-TDNN",
            )
            raise InputError(path, fault, remedy)
        return int(tensor.shape[axis])

    first = "blocks.0.conv.conv.weight"
    middle = "blocks.1.res2net_block.blocks.0.conv.conv.weight"
    return Ecapa(
        bands=size(first, 1),
        channels=size(first, 0),
        gathered=size("mfa.conv.conv.weight", 0),
        attention=size("asp.tdnn.conv.conv.weight", 0),
        squeeze=size("blocks.1.se_block.conv1.conv.weight", 0),
        scale=max(2, size(first, 0) // max(1, size(middle, 0))),
        dim=size("fc.conv.weight", 0),
    )
