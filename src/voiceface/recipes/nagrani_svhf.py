"""Which of N faces goes with a voice, judged pair by pair and chosen among N (SVHF).

Paper     Nagrani, Albanie, Zisserman 2018, Seeing Voices and Hearing Faces (from memory)
Data      voices and faces of the same people
Command   voiceface train nagrani_svhf --corpus CORPUS [--ways 10]
Cost      600 steps: seconds, once the encoders' embeddings are kept
Reported  voice->face 1:2 81.0 %, within a gender 65.2 (Wen et al. 2019, table 3); 1:10 28 (SSNet, table III)
Differs   encoders are frozen, two perceptrons above them learn; voices and faces both are probes
          a candidate's features joined with the probe's give one number, and the softmax is over the N
          numbers: the paper joins all N + 1 features in one layer, which fixes N and the order
          selection by AUC on validation people
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.errors import InputError
from voiceface.models.model import Batch
from voiceface.models.two_streams import Objective, TwoStreams
from voiceface.training.option_help import option_help
from voiceface.training.run import Run
from voiceface.training.two_stream_run import SMALL, TWO_STREAM_OPTIONS, two_stream_run


class NWayMatching(Objective):
    """One number for a voice and a face joined, and a softmax over N candidates.

    Args:
        dim: width of a stream's output.
        hidden: hidden units of the layer that joins a pair.
        ways: candidates of a question; 0 for all of the batch.
    """

    joint = True

    def __init__(self, *, dim: int, hidden: int, ways: int) -> None:
        super().__init__()
        if ways == 1 or ways < 0:
            raise InputError("ways", f"is {ways}", "give 2 or more, or 0 for everybody of the batch")
        self.ways = ways
        self.voice, self.face = nn.Linear(dim, hidden), nn.Linear(dim, hidden)
        self.last = nn.Linear(hidden, 1)

    def forward(self, voices: Tensor, faces: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the own face among N for every voice, and of the own voice for every face."""
        scores = self.scores(voices, faces)
        loss = (self._chosen(scores) + self._chosen(scores.T)) / 2
        return {"loss": loss}

    def scores(self, voices: Tensor, faces: Tensor) -> Tensor:
        """The joined pairs' numbers, ``(voices, faces)``; one layer over joined features is a sum of two."""
        joined = F.relu(self.voice(voices)[:, None] + self.face(faces)[None])
        found: Tensor = self.last(joined)[..., 0]
        return found

    def _chosen(self, scores: Tensor) -> Tensor:
        count = len(scores)
        others = count - 1 if self.ways == 0 else min(self.ways, count) - 1
        # Everybody else in a shuffled order: the first of them are the other candidates.
        order = torch.rand_like(scores).fill_diagonal_(-1.0).argsort(1)[:, : others + 1]
        return F.cross_entropy(scores.gather(1, order), torch.zeros_like(order[:, 0]))


@option_help(TWO_STREAM_OPTIONS)
def recipe(
    *,
    ways: int = 2,
    voice_encoder: str = "student",
    face_encoder: str = "dlib_layers",
    dim: int = 64,
    hidden: int = 256,
    dropout: float = 0.6,
    noise: float = 1.5,
    lr: float = 5e-4,
    weight_decay: float = 1e-2,
    batch_size: int = 128,
    steps: int = 600,
    validation: float = 0.1,
    wrong_labels: bool = False,
    seed: int = 0,
) -> Run[TwoStreams]:
    """The run.

    Args:
        ways: candidates of a question, one of them right; 0: everybody of the batch
    """
    arguments = dict(locals())
    return two_stream_run(
        "nagrani_svhf", arguments, lambda facts: NWayMatching(dim=dim, hidden=hidden, ways=ways)
    )


def smoke() -> Run[TwoStreams]:
    """The same in seconds."""
    return recipe(**SMALL)
