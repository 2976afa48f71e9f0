"""The GE2E speaker encoder: three LSTM layers and a projection, 256 numbers a voice.

Source: Wan, Wang, Papir, Lopez Moreno 2018, Generalized End-to-End Loss for Speaker Verification;
sizes and tensor names are those of the weights published with the ``resemblyzer`` package. Fed by
:func:`voiceface.audio.ge2e_features.ge2e_partials`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.errors import InputError
from voiceface.nn.voice.run_lstm import run_lstm

__all__ = ["Ge2e", "load_published"]

# Learnt with the loss, of no use to the embedding: published beside the network, never loaded.
_LOSS_TENSORS = frozenset({"similarity_weight", "similarity_bias"})


class Ge2e(nn.Module):
    """Speaker encoder: mel windows in, non-negative rows of length 1 out.

    Args:
        bands: mel bands a frame.
        hidden: units of each LSTM layer.
        layers: number of LSTM layers.
        dim: numbers of the embedding.
    """

    def __init__(self, *, bands: int = 40, hidden: int = 256, layers: int = 3, dim: int = 256) -> None:
        super().__init__()
        self.lstm = nn.LSTM(bands, hidden, layers, batch_first=True)
        self.linear = nn.Linear(hidden, dim)

    def forward(self, mels: Tensor) -> Tensor:
        """Embed windows ``(windows, frames, bands)`` as ``(windows, dim)``, rows of length 1."""
        _, (state, _) = run_lstm(self.lstm, mels)
        return F.normalize(F.relu(self.linear(state[-1])), dim=1)

    def embed_partials(self, partials: Tensor, counts: Tensor, *, block: int = 512) -> Tensor:
        """Embed whole recordings: the mean of each one's windows, brought back to length 1.

        Args:
            partials: windows ``(sum of counts, frames, bands)`` of all recordings, one after the other.
            counts: windows of each recording, int64 ``(recordings,)``, each at least 1.
            block: windows a forward, to bound memory.

        Returns:
            ``(recordings, dim)``.

        Raises:
            InputError: the counts do not add up to the windows, or one is below 1.
        """
        if int(counts.sum()) != len(partials) or (len(counts) and int(counts.min()) < 1):
            fault = f"add up to {int(counts.sum())} for {len(partials)} windows"
            raise InputError("counts", fault, "give each recording's windows, at least 1")
        rows = torch.cat([self(part) for part in torch.split(partials, block)])
        owner = torch.repeat_interleave(torch.arange(len(counts), device=rows.device), counts.to(rows.device))
        sums = rows.new_zeros(len(counts), rows.shape[1]).index_add_(0, owner, rows)
        return F.normalize(sums, dim=1)


def load_published(model: Ge2e, tensors: Mapping[str, Tensor]) -> Ge2e:
    """Fill an encoder with the published state dict (``pretrained.pt``'s ``model_state``), by name.

    Args:
        model: the encoder to fill, in place.
        tensors: name to tensor; the loss's own two are passed over.

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
