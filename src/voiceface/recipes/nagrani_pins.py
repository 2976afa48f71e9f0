"""Contrastive loss with a margin whose negatives get harder in the course of the training (PINs).

Paper     Nagrani, Albanie, Zisserman 2018, Learnable PINs: Cross-Modal Embeddings for Person Identity
          (section 4, from memory)
Data      voices and faces of the same people
Command   voiceface train nagrani_pins --corpus CORPUS
Cost      600 steps: seconds, once the encoders' embeddings are kept
Reported  unknown people AUC 78.5, EER 29.6; within a gender 61.1 (its table 2 as SSNet prints it)
Differs   encoders are frozen, two perceptrons above them learn; negatives are people of the batch
          selection by AUC on validation people
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from voiceface.errors import InputError
from voiceface.models.model import Batch
from voiceface.models.two_streams import Objective, TwoStreams
from voiceface.nn.loss.margin_contrastive import margin_contrastive
from voiceface.training.option_help import option_help
from voiceface.training.run import Run
from voiceface.training.two_stream_run import SMALL, TWO_STREAM_OPTIONS, two_stream_run


class MarginContrastive(Objective):
    """The contrastive loss by distance, with its curriculum.

    Args:
        margin: distance of unit embeddings beyond which a negative costs nothing.
        first: hardness of negatives at the beginning, 0 to 1.
        last: at the end.
    """

    stages = 6

    def __init__(self, *, margin: float, first: float, last: float) -> None:
        super().__init__()
        if not (0 <= first <= 1 and 0 <= last <= 1 and margin > 0):
            fault = f"are {first} and {last} with a margin of {margin}"
            raise InputError("first and last", fault, "give 0 to 1, and a positive margin")
        self.margin, self.hardness = margin, (first, last)

    def forward(self, voices: Tensor, faces: Tensor, batch: Batch) -> dict[str, Tensor]:
        """`margin_contrastive` at the hardness of this part of the training."""
        stage = min(self.stages - 1, int(float(batch["progress"][0]) * self.stages)) / (self.stages - 1)
        hardness = self.hardness[0] + stage * (self.hardness[1] - self.hardness[0])
        loss = margin_contrastive(
            F.normalize(voices, dim=1),
            F.normalize(faces, dim=1),
            people=batch["people"],
            margin=self.margin,
            hardness=hardness,
        )
        return {"loss": loss}


@option_help(TWO_STREAM_OPTIONS)
def recipe(
    *,
    margin: float = 0.6,
    first: float = 0.3,
    last: float = 0.8,
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
        margin: distance of unit embeddings beyond which a negative costs nothing
        first: hardness of the negatives at the beginning, 0 (easiest) to 1 (hardest of the batch)
        last: hardness at the end, reached in six stages
    """
    arguments = dict(locals())
    return two_stream_run(
        "nagrani_pins", arguments, lambda facts: MarginContrastive(margin=margin, first=first, last=last)
    )


def smoke() -> Run[TwoStreams]:
    """The same in seconds."""
    return recipe(**SMALL)
