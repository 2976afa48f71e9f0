"""Whose voice it is, among people it knows: a classifier of patches, and the embeddings it is made for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.audio.logmel_patches import logmel_patches, silent_patches
from voiceface.errors import InputError
from voiceface.models.model import Batch, Model, Shared, Turn
from voiceface.models.voice_encoder import VoiceEncoder, Waves, as_wave
from voiceface.nn.voice.patch_voice import PatchVoice

__all__ = ["PatchEncoder", "VoiceClassifier", "non_silent_patches", "fingerprint_of", "mean_of_patches"]

_RATE = 16_000
_BLOCK = 64


class VoiceClassifier(Model):
    """Learns whose patch it hears; a batch holds ``patches (n, 60, 41, 2)`` and ``classes (n,)``.

    Args:
        classes: number of people.
        dropout: as in `PatchVoice`.
        penalty: times the sum of squares of the fully connected weights is added to the loss.
    """

    class_heads = ("network.last",)

    def __init__(self, *, classes: int, dropout: float = 0.5, penalty: float = 1e-3) -> None:
        super().__init__()
        self.network = PatchVoice(classes=classes, dropout=dropout)
        self.penalty = penalty

    def turns(self) -> Sequence[Turn]:
        """One turn: name the speaker."""
        return [Turn("name", list(self.network.parameters()), self.name_speaker)]

    def name_speaker(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Cross-entropy on the logits, and the penalty on the weights (not the biases)."""
        logits = self.network(batch["patches"])
        error = F.cross_entropy(logits.float(), batch["classes"])
        small = sum(layer.weight.square().sum() for layer in self.network.fully_connected())
        right = (logits.argmax(1) == batch["classes"]).float().mean()
        return {"loss": error + self.penalty * small, "cross_entropy": error, "accuracy": right}

    def posteriors(self, waves: Waves) -> Tensor:
        """Whose recordings they are: (recordings, classes), the mean of the patches' probabilities."""
        return mean_of_patches(waves, lambda patches: self.network(patches).softmax(1), like=self.network)


class PatchEncoder(VoiceEncoder):
    """The classifier without its last layer as a voice encoder: a recording is the mean of its patches.

    Its rows are as the network gives them, *not* of length 1 (Agarwal et al. feed them on like that).
    """

    name = "agarwal"

    def __init__(self, network: PatchVoice, *, fingerprint: str) -> None:
        self.network, self.fingerprint, self.dim = network, fingerprint, network.second.out_features

    def embed(self, waves: Waves) -> npt.NDArray[np.float32]:
        """(recordings, 128)."""
        training = self.network.training
        self.network.eval()
        with torch.no_grad():
            rows = mean_of_patches(waves, self.network.embedding, like=self.network)
        self.network.train(training)
        return rows.cpu().numpy()


def non_silent_patches(wave: npt.NDArray[np.generic]) -> Tensor:
    """Patches (n, 60, 41, 2) of a recording at 16 kHz without the silent ones; all where all are silent."""
    patches = logmel_patches(as_wave(wave), rate=_RATE)
    heard = patches[~silent_patches(patches)]
    return heard if len(heard) else patches


def mean_of_patches(waves: Waves, function: object, *, like: torch.nn.Module) -> Tensor:
    """``function`` of every audible patch, averaged over each recording: (recordings, width).

    Raises:
        InputError: no recordings, or one without samples.
    """
    if not len(waves):
        raise InputError("recordings", "there are none", "give at least one")
    assert callable(function)
    device = next(like.parameters()).device
    means = []
    for first in range(0, len(waves), _BLOCK):
        patches = [non_silent_patches(wave) for wave in waves[first : first + _BLOCK]]
        rows = function(torch.cat(patches).to(device))
        means += [part.mean(0) for part in torch.split(rows, [len(p) for p in patches])]
    return torch.stack(means)


def fingerprint_of(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of tensors by their names and values: names the weights wherever they lie."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().float().numpy()).tobytes())
    return digest.hexdigest()
