"""ECAPA-TDNN in SpeechBrain's published layout, 192 numbers a voice; needs weights (docs/encoders.md).

The network is our own (`voiceface.nn.voice.ecapa`); SpeechBrain is not needed. Its file
``embedding_model.ckpt`` holds tensors only and is read as such; ``hyperparams.yaml`` beside it is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from voiceface.audio.log_fbank import log_fbank
from voiceface.errors import InputError
from voiceface.models.published_weights import digest, find_weights, load_tensors, read_tensors
from voiceface.models.voice_encoder import RecordingEncoder
from voiceface.nn.voice.ecapa import Ecapa

FILES = ("embedding_model.ckpt", "embedding_model.safetensors")
VARIABLE = "VOICEFACE_ECAPA"
_REPOSITORIES = ("speechbrain/spkrec-ecapa-voxceleb",)
_MIN_SAMPLES = 1_600
"""Samples: a shorter recording is repeated, for the widest convolution needs five frames."""


class EcapaVoice(RecordingEncoder):
    """Recordings one by one, each whole: the network averages over any length itself."""

    name = "ecapa"

    def __init__(self, network: Ecapa, *, fingerprint: str, device: str = "cpu") -> None:
        super().__init__(network, fingerprint=fingerprint, least=_MIN_SAMPLES, device=device)
        self.dim, self._bands = network.fc.out_channels, network.bands

    def embed_recording(self, samples: Tensor) -> Tensor:
        """As `RecordingEncoder.embed_recording`."""
        found: Tensor = self.network(log_fbank(samples, bands=self._bands)[None])[0]
        return found


def load(weights: str | Path | None = None, *, device: str = "cpu") -> EcapaVoice:
    """Load the encoder from a file or folder, ``VOICEFACE_ECAPA``, or the hub's cache on this machine.

    The widths of the network are read from its tensors.

    Raises:
        MissingPartError: no weights are found.
        InputError: the file is damaged, holds code or is of another network; the tensor is named.
    """
    path = find_weights("ecapa", weights, variable=VARIABLE, repositories=_REPOSITORIES, files=FILES)
    tensors = read_tensors(path)
    with torch.random.fork_rng(devices=()):  # loading during a training must not advance its random numbers
        network = _build(tensors, path)
    load_tensors(network, tensors, path, rename=_published_name)
    return EcapaVoice(network, fingerprint=digest(path), device=device)


def _published_name(name: str) -> str:
    """SpeechBrain wraps every layer once more: ``blocks.0.conv.weight`` is ``blocks.0.conv.conv.weight``."""
    layer, _, leaf = name.rpartition(".")
    return f"{layer}.{'norm' if layer.endswith(('norm', 'asp_bn')) else 'conv'}.{leaf}"


def _build(tensors: Mapping[str, Tensor], path: Path) -> Ecapa:
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
        aggregated=size("mfa.conv.conv.weight", 0),
        attention=size("asp.tdnn.conv.conv.weight", 0),
        squeeze=size("blocks.1.se_block.conv1.conv.weight", 0),
        scale=max(2, size(first, 0) // max(1, size(middle, 0))),
        dim=size("fc.conv.weight", 0),
    )
