"""Own voice and face drawn together, others pushed beyond a margin, harder ones as time goes by (PINs).

Paper     Nagrani, Albanie, Zisserman 2018, Learnable PINs: Cross-Modal Embeddings for Person Identity
          (section 4, from memory)
Data      voices and faces of the same people
Command   voiceface train nagrani_pins --corpus CORPUS
Cost      600 steps: seconds, once the encoders' rows are kept
Reported  unknown people AUC 78.5, EER 29.6; within a gender 61.1 (its table 2 as SSNet prints it)
Differs   encoders are frozen, two perceptrons above them learn; negatives are people of the batch
          selection by AUC on validation people
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from voiceface.errors import InputError
from voiceface.models.model import Batch
from voiceface.models.two_streams import Objective
from voiceface.nn.loss.margin_contrastive import margin_contrastive
from voiceface.recipes._two_stream_run import two_streams
from voiceface.training.run import Run

__all__ = ["MarginContrastive", "recipe", "smoke"]


class MarginContrastive(Objective):
    """The contrast by distance with its curriculum.

    Args:
        margin: distance of unit rows beyond which a negative costs nothing.
        first: hardness of negatives at the beginning, 0 to 1.
        last: at the end.
    """

    stairs = 6

    def __init__(self, *, margin: float, first: float, last: float) -> None:
        super().__init__()
        if not (0 <= first <= 1 and 0 <= last <= 1 and margin > 0):
            fault = f"are {first} and {last} with a margin of {margin}"
            raise InputError("first and last", fault, "give 0 to 1, and a positive margin")
        self.margin, self.hardness = margin, (first, last)

    def forward(self, voices: Tensor, faces: Tensor, batch: Batch) -> dict[str, Tensor]:
        """`margin_contrastive` at the hardness of this part of the training."""
        stair = min(self.stairs - 1, int(float(batch["progress"][0]) * self.stairs)) / (self.stairs - 1)
        hardness = self.hardness[0] + stair * (self.hardness[1] - self.hardness[0])
        loss = margin_contrastive(
            F.normalize(voices, dim=1),
            F.normalize(faces, dim=1),
            people=batch["people"],
            margin=self.margin,
            hardness=hardness,
        )
        return {"loss": loss}


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
) -> Run:
    """The run; either encoder is given by its name or the place of its weights (docs/encoders.md).

    Negatives get harder from a share ``first`` of the way to the hardest to ``last``, in six stairs.
    ``wrong_labels`` gives every training person somebody else's faces: a control that must end at chance.
    """
    arguments: dict[str, Any] = dict(locals())
    return two_streams(
        "nagrani_pins", arguments, lambda facts: MarginContrastive(margin=margin, first=first, last=last)
    )


def smoke() -> Run:
    """The same in seconds."""
    return recipe(
        voice_encoder="ge2e", face_encoder="dlib", dim=8, hidden=16, batch_size=8, steps=4, validation=0.3
    )
