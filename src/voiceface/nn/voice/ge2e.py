"""The GE2E speaker encoder: three LSTM layers and a projection, 256 numbers a voice.

Source: Wan, Wang, Papir, Lopez Moreno 2018, Generalized End-to-End Loss for Speaker Verification;
sizes and tensor names are those of the weights published with the ``resemblyzer`` package. Fed by
:func:`voiceface.audio.ge2e_features.ge2e_partials`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.errors import InputError
from voiceface.nn.voice.run_lstm import run_lstm

# Parameters of the training loss, published with the network: never loaded.
_LOSS_TENSORS = frozenset({"similarity_weight", "similarity_bias"})


class Ge2e(nn.Module):
    """Speaker encoder: from mel windows to non-negative embeddings of length 1.

    Args:
        bands: mel bands a frame.
        hidden: units of each LSTM layer.
        layers: number of LSTM layers.
        dim: size of an embedding.
    """

    def __init__(self, *, bands: int = 40, hidden: int = 256, layers: int = 3, dim: int = 256) -> None:
        super().__init__()
        self.lstm = nn.LSTM(bands, hidden, layers, batch_first=True)
        self.linear = nn.Linear(hidden, dim)

    def forward(self, mels: Tensor) -> Tensor:
        """Embed windows ``(windows, frames, bands)`` as ``(windows, dim)``, each of length 1."""
        _, (state, _) = run_lstm(self.lstm, mels)
        return F.normalize(F.relu(self.linear(state[-1])), dim=1)


def embed_windows(network: nn.Module, windows: Tensor, counts: Sequence[int], *, block: int = 48) -> Tensor:
    """Embed whole recordings: the mean of each one's windows, normalised to length 1.

    Args:
        network: a `Ge2e`, or another encoder of such windows.
        windows: ``(sum of counts, frames, bands)`` of all recordings, one after the other.
        counts: number of windows of each recording, at least 1.
        block: windows in one forward pass; with more of them the gates of an LSTM layer, 0.7 MB a window,
            outgrow a processor's cache.

    Returns:
        ``(recordings, dim)``.
    """
    rows = torch.cat([network(part) for part in torch.split(windows, block)])
    means = torch.stack([part.mean(0) for part in torch.split(rows, list(counts))])
    return F.normalize(means, dim=1)


def load_ge2e_weights(model: Ge2e, tensors: Mapping[str, Tensor]) -> Ge2e:
    """Load the published state dict (``pretrained.pt``'s ``model_state``) into an encoder.

    Args:
        model: the encoder to fill, in place.
        tensors: name to tensor; the two of the loss are ignored.

    Returns:
        The same encoder.

    Raises:
        InputError: a tensor is missing, unknown or of another shape; the encoder is unchanged.
    """
    own = model.state_dict()
    given = {name: tensor for name, tensor in tensors.items() if name not in _LOSS_TENSORS}
    odd = sorted(own.keys() ^ given.keys())
    odd += [name for name in own.keys() & given.keys() if own[name].shape != given[name].shape]
    if odd:
        fault = f"do not fit the encoder at {odd[0]}" + (f" and {len(odd) - 1} more" if len(odd) > 1 else "")
        raise InputError("GE2E weights", fault, "give the model_state of resemblyzer 0.1.4's pretrained.pt")
    model.load_state_dict(given)
    return model
