"""Every voice with every face of the batch as a question of its own: one person or two (SigLIP).

Paper     Zhai, Mustafa, Kolesnikov, Beyer 2023, Sigmoid Loss for Language Image Pre-Training (section 3.2)
Data      voices and faces of the same people
Command   voiceface train zhai_siglip --corpus CORPUS
Cost      600 steps: seconds, once the encoders' rows are kept
Reported  nothing on voices and faces
Differs   encoders are frozen, two perceptrons above them learn
          selection by AUC on validation people
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.errors import InputError
from voiceface.models.model import Batch
from voiceface.models.two_streams import Objective
from voiceface.nn.loss.contrastive import sigmoid_pair_loss
from voiceface.recipes._two_stream_run import two_streams
from voiceface.training.run import Run

__all__ = ["SigmoidPairs", "recipe", "smoke"]


class SigmoidPairs(Objective):
    """`sigmoid_pair_loss` with a scale and a bias that are learnt.

    Args:
        scale: of cosines, at first; kept positive.
        bias: at first.
    """

    def __init__(self, *, scale: float, bias: float) -> None:
        super().__init__()
        if scale <= 0:
            raise InputError("scale", f"is {scale}", "give a positive number")
        self.log_scale, self.bias = (
            nn.Parameter(torch.tensor(math.log(scale))),
            nn.Parameter(torch.tensor(bias)),
        )

    def forward(self, voices: Tensor, faces: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The loss of all pairs of the batch."""
        loss = sigmoid_pair_loss(
            F.normalize(voices, dim=1),
            F.normalize(faces, dim=1),
            people=batch["people"],
            scale=self.log_scale.exp(),
            bias=self.bias,
        )
        return {"loss": loss}


def recipe(
    *,
    scale: float = 10.0,
    bias: float = -10.0,
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

    ``scale`` and ``bias`` of the cosines are where their learning starts; the paper's.
    ``wrong_labels`` gives every training person somebody else's faces: a control that must end at chance.
    """
    arguments: dict[str, Any] = dict(locals())
    return two_streams("zhai_siglip", arguments, lambda facts: SigmoidPairs(scale=scale, bias=bias))


def smoke() -> Run:
    """The same in seconds."""
    return recipe(
        voice_encoder="ge2e", face_encoder="dlib", dim=8, hidden=16, batch_size=8, steps=4, validation=0.3
    )
