"""A classifier of known speakers from log-mel patches, and the embeddings that it is trained for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
from voiceface.records import SAMPLE_RATE

_BLOCK = 64


class VoiceClassifier(Model):
    """Classifies the speaker of a patch; a batch holds ``patches (n, 60, 41, 2)`` and ``classes (n,)``.

    Args:
        classes: number of people.
        dropout: as in `PatchVoice`.
        penalty: weight of the sum of squared weights of the fully connected layers in the loss.
    """

    class_heads = ("network.last",)

    def __init__(self, *, classes: int, dropout: float = 0.5, penalty: float = 1e-3) -> None:
        super().__init__()
        self.network = PatchVoice(classes=classes, dropout=dropout)
        self.penalty = penalty

    def turns(self) -> Sequence[Turn]:
        """One turn."""
        return [Turn("name", list(self.network.parameters()), self.classifier_loss)]

    def classifier_loss(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Cross-entropy on the logits, and the penalty on the weights (not the biases)."""
        logits = self.network(batch["patches"])
        error = F.cross_entropy(logits.float(), batch["classes"])
        squares = sum(layer.weight.square().sum() for layer in self.network.fully_connected())
        accuracy = (logits.argmax(1) == batch["classes"]).float().mean()
        return {"loss": error + self.penalty * squares, "cross_entropy": error, "accuracy": accuracy}

    def posteriors(self, waves: Waves) -> Tensor:
        """Probabilities of the speakers, (recordings, classes): the mean over a recording's patches."""
        return _mean_of_patches(waves, lambda patches: self.network(patches).softmax(1), like=self.network)


class PatchEncoder(VoiceEncoder):
    """The classifier without its last layer as a voice encoder: the mean embedding of a recording's patches.

    Its embeddings are as the network gives them, *not* of length 1 (Agarwal et al. use them like that).
    """

    name = "agarwal"

    def __init__(self, network: PatchVoice, *, fingerprint: str) -> None:
        self.network, self.fingerprint, self.dim = network, fingerprint, network.second.out_features

    def embed(self, waves: Waves) -> npt.NDArray[np.float32]:
        """(recordings, 128)."""
        training = self.network.training
        self.network.eval()
        with torch.no_grad():
            rows = _mean_of_patches(waves, self.network.embedding, like=self.network)
        self.network.train(training)
        return rows.cpu().numpy()


def non_silent_patches(wave: npt.NDArray[np.generic]) -> Tensor:
    """Patches (n, 60, 41, 2) of a recording at 16 kHz without the silent ones; all of them if all are."""
    patches = logmel_patches(as_wave(wave), rate=SAMPLE_RATE)
    kept = patches[~silent_patches(patches)]
    return kept if len(kept) else patches


def _mean_of_patches(waves: Waves, function: Callable[[Tensor], Tensor], *, like: torch.nn.Module) -> Tensor:
    """``function`` of every non-silent patch, averaged over each recording: (recordings, width).

    Raises:
        InputError: no recordings, or one without samples.
    """
    if not len(waves):
        raise InputError("recordings", "there are none", "give at least one")
    device = next(like.parameters()).device
    means = []
    for first in range(0, len(waves), _BLOCK):
        patches = [non_silent_patches(wave) for wave in waves[first : first + _BLOCK]]
        rows = function(torch.cat(patches).to(device))
        means += [part.mean(0) for part in torch.split(rows, [len(p) for p in patches])]
    return torch.stack(means)
