"""Our own voice encoder: three LSTM layers, distilled frame by frame from a teacher's layers.

It has the shape of the GE2E encoder (Wan et al. 2018) so that every layer of a teacher of that shape
can be imitated, not only its output; its weights are trained here.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.nn.voice.run_lstm import run_lstm


class RecurrentVoice(nn.Module):
    """Voice encoder: from power mel windows to non-negative embeddings of length 1.

    Args:
        bands: mel bands a frame.
        hidden: units of each LSTM layer.
        layers: number of LSTM layers.
        dim: size of an embedding.
    """

    scale: Tensor

    def __init__(self, *, bands: int = 40, hidden: int = 256, layers: int = 3, dim: int = 256) -> None:
        super().__init__()
        sizes = [bands] + [hidden] * (layers - 1)
        self.layers = nn.ModuleList(nn.LSTM(size, hidden, batch_first=True) for size in sizes)
        self.linear = nn.Linear(hidden, dim)
        # Power mels span five decades between bands: each is divided by its root mean square in speech.
        self.register_buffer("scale", torch.ones(bands))
        for layer in self.layers:
            with torch.no_grad():
                _weight(layer, "bias_ih")[hidden : 2 * hidden].fill_(1.0)  # the forget gates start open

    def forward(self, mels: Tensor) -> Tensor:
        """Embed windows ``(windows, frames, bands)`` as ``(windows, dim)``, each of length 1."""
        return self.embedding(self.states(mels)[-1][:, -1])

    def embedding(self, state: Tensor) -> Tensor:
        """From the last layer's state ``(..., hidden)`` to the embedding ``(..., dim)``."""
        return F.normalize(F.relu(self.linear(state)), dim=-1)

    def states(self, mels: Tensor) -> list[Tensor]:
        """Every layer's states ``(windows, frames, hidden)``, without teacher forcing."""
        states, rows = [], mels / self.scale
        for layer in self.layers:
            rows = run_lstm(cast(nn.LSTM, layer), rows)[0]
            states.append(rows)
        return states

    def forced_states(self, mels: Tensor, teacher_states: Tensor) -> Tensor:
        """Every layer's states, computed from the teacher's states of the layer below and of its own past.

        All frames' products are then one matrix product, which makes the first steps of the
        distillation cheap; only the cell runs through time.

        Args:
            mels: ``(windows, frames, bands)``.
            teacher_states: the teacher's states ``(layers, windows, frames, hidden)``.

        Returns:
            ``(layers, windows, frames, hidden)``.
        """
        below = [mels / self.scale, *teacher_states[:-1]]
        gates = []
        for layer, rows, own in zip(self.layers, below, teacher_states, strict=True):
            past = F.pad(own[:, :-1], (0, 0, 1, 0))
            bias = _weight(layer, "bias_ih") + _weight(layer, "bias_hh")
            given = F.linear(rows, _weight(layer, "weight_ih")) + F.linear(past, _weight(layer, "weight_hh"))
            gates.append(given + bias)
        let_in, keep, new, out = torch.stack(gates).float().chunk(4, dim=-1)
        added, kept = (let_in.sigmoid() * new.tanh()).unbind(2), keep.sigmoid().unbind(2)
        cell, cells = torch.zeros_like(added[0]), []
        for more, share in zip(added, kept, strict=True):
            cell = torch.addcmul(more, share, cell)
            cells.append(cell)
        return out.sigmoid() * torch.stack(cells, 2).tanh()


def _weight(layer: nn.Module, name: str) -> Tensor:
    return cast(Tensor, getattr(layer, f"{name}_l0"))
