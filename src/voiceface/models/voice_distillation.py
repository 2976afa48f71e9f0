"""Distillation of a voice encoder layer by layer: the teacher's states and embedding are the targets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.model import Batch, Model, Shared, Turn
from voiceface.nn.voice.recurrent_voice import RecurrentVoice


class VoiceDistillation(Model):
    """Imitates a recurrent teacher, first with teacher forcing of the states, then without.

    A batch holds ``mels (windows, frames, bands)``, the teacher's ``states (windows, layers, frames,
    hidden)`` and ``embedding (windows, dim)``, and ``forced``, whether this step uses teacher forcing.

    Args:
        scale: root mean square of each mel band in speech, ``(bands,)``.
        hidden: units of each LSTM layer, the teacher's.
        layers: number of LSTM layers, the teacher's.
        dim: size of an embedding.
    """

    def __init__(self, *, scale: Sequence[float], hidden: int = 256, layers: int = 3, dim: int = 256) -> None:
        super().__init__()
        self.student = RecurrentVoice(bands=len(scale), hidden=hidden, layers=layers, dim=dim)
        self.student.scale.copy_(torch.tensor(scale))

    def turns(self) -> Sequence[Turn]:
        """One turn: imitate."""
        return [Turn("imitate", list(self.student.parameters()), self.imitate)]

    def imitate(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Relative squared error of the states, averaged over layers, plus 1 − cosine of the embedding.

        With teacher forcing, the embedding is computed at every eighth frame of the teacher's last layer, for
        it is then a function of one frame alone.
        """
        targets = batch["states"].transpose(0, 1)
        if batch["forced"]:
            states = self.student.forced_states(batch["mels"], targets)
            embedding, target = self.student.embedding(targets[-1][:, ::8]), batch["readout"]
        else:
            states = torch.stack(self.student.states(batch["mels"]))
            embedding, target = self.student.embedding(states[-1][:, -1]), batch["embedding"]
        error = (states.float() - targets).square().mean((1, 2, 3)) / targets.square().mean((1, 2, 3))
        cosine = F.cosine_similarity(embedding.float(), target, dim=-1).mean()
        return {"loss": error.mean() + 1 - cosine, "states": error.mean(), "cosine": cosine}
