"""A gate joins voice and face to one row, which is named and kept upright on other people's (FOP).

Paper     Saeed, Khan, Nawaz, Yousaf, Del Bue 2022, Fusion and Orthogonal Projection for Improved Face-Voice
          Association (from memory)
Data      voices and faces of the same people
Command   voiceface train saeed_fop --corpus CORPUS
Cost      600 steps: seconds, once the encoders' rows are kept
Reported  unknown people AUC 83.5, EER 24.9 (from memory)
Differs   encoders are frozen, two perceptrons above them learn
          compared are both sides as they enter the gate's sum
          selection by AUC on validation people, where the published code takes the best test EER
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.models.model import Batch
from voiceface.models.two_streams import Objective
from voiceface.nn.loss.orthogonal_projection import orthogonal_projection
from voiceface.recipes._two_stream_run import two_streams
from voiceface.training.run import Run

__all__ = ["Fusion", "recipe", "smoke"]


class Fusion(Objective):
    """The gate, the classifier of joined rows, and the orthogonal projection.

    Args:
        dim: numbers of an answer and of a joined row.
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
        """Cross-entropy of the joined rows' people, and how far from upright these rows stand."""
        share = torch.sigmoid(self.gate(torch.cat([faces, voices], dim=1)))
        joined = share * self.space(faces, "face") + (1 - share) * self.space(voices, "voice")
        named = F.cross_entropy(self.classes(joined), batch["people"])
        upright = orthogonal_projection(joined, people=batch["people"])
        return {"loss": named + self.weight * upright, "named": named, "upright": upright}

    def space(self, answers: Tensor, side: str) -> Tensor:
        """A side as it enters the gate's sum."""
        layer = self.voice if side == "voice" else self.face
        return torch.tanh(layer(answers))


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
) -> Run:
    """The run; either encoder is given by its name or the place of its weights (docs/encoders.md).

    ``orthogonal`` weighs the orthogonal projection beside the softmax (the paper's alpha).
    ``wrong_labels`` gives every training person somebody else's faces: a control that must end at chance.
    """
    arguments: dict[str, Any] = dict(locals())
    return two_streams(
        "saeed_fop", arguments, lambda facts: Fusion(dim=dim, classes=facts["classes"], weight=orthogonal)
    )


def smoke() -> Run:
    """The same in seconds."""
    return recipe(
        voice_encoder="ge2e", face_encoder="dlib", dim=8, hidden=16, batch_size=8, steps=4, validation=0.3
    )
