"""A gate fuses voice and face; the fusion is classified and kept orthogonal to other people's (FOP).

Paper     Saeed, Khan, Nawaz, Yousaf, Del Bue 2022, Fusion and Orthogonal Projection for Improved Face-Voice
          Association (from memory)
Data      voices and faces of the same people
Command   voiceface train saeed_fop --corpus CORPUS
Cost      600 steps: seconds, once the encoders' embeddings are kept
Reported  unknown people AUC 83.5, EER 24.9 (from memory)
Differs   encoders are frozen, two perceptrons above them learn
          compared are both sides as they enter the gate's sum
          selection by AUC on validation people, where the published code takes the best test EER
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.models.model import Batch
from voiceface.models.two_streams import Objective, TwoStreams
from voiceface.nn.loss.orthogonal_projection import orthogonal_projection
from voiceface.training.option_help import option_help
from voiceface.training.run import Run
from voiceface.training.two_stream_run import SMALL, TWO_STREAM_OPTIONS, two_stream_run


class Fusion(Objective):
    """The gate, the classifier of fused embeddings, and the orthogonal projection.

    Args:
        dim: width of an output and of a fused embedding.
        classes: training people.
        weight: of the orthogonal projection.
    """

    class_heads = ("classes",)

    def __init__(self, *, dim: int, classes: int, weight: float) -> None:
        super().__init__()
        self.weight = weight
        self.gate = nn.Linear(2 * dim, dim)
        self.voice, self.face = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.classes = nn.Linear(dim, classes)

    def forward(self, voices: Tensor, faces: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the people of the fused embeddings, and how far these are from orthogonal."""
        share = torch.sigmoid(self.gate(torch.cat([faces, voices], dim=1)))
        fused = share * self.space(faces, "face") + (1 - share) * self.space(voices, "voice")
        softmax = F.cross_entropy(self.classes(fused), batch["people"])
        orthogonal = orthogonal_projection(fused, people=batch["people"])
        loss = softmax + self.weight * orthogonal
        return {"loss": loss, "softmax": softmax, "orthogonal": orthogonal}

    def space(self, outputs: Tensor, side: str) -> Tensor:
        """A side as it enters the gate's sum."""
        layer = self.voice if side == "voice" else self.face
        return torch.tanh(layer(outputs))


@option_help(TWO_STREAM_OPTIONS)
def recipe(
    *,
    orthogonal: float = 1.0,
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
        orthogonal: weight of the orthogonal projection beside the softmax (the paper's alpha)
    """
    arguments = dict(locals())
    return two_stream_run(
        "saeed_fop", arguments, lambda facts: Fusion(dim=dim, classes=facts["classes"], weight=orthogonal)
    )


def smoke() -> Run[TwoStreams]:
    """The same in seconds."""
    return recipe(**SMALL)
