"""Every voice with every face of the batch as a question of its own: one person or two (SigLIP).

Paper     Zhai, Mustafa, Kolesnikov, Beyer 2023, Sigmoid Loss for Language Image Pre-Training (section 3.2)
Data      voices and faces of the same people
Command   voiceface train zhai_siglip --corpus CORPUS
Cost      600 steps: seconds, once the encoders' embeddings are kept
Reported  nothing on voices and faces
Differs   encoders are frozen, two perceptrons above them learn
          selection by AUC on validation people
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.errors import InputError
from voiceface.models.model import Batch
from voiceface.models.two_streams import Objective, TwoStreams
from voiceface.nn.loss.contrastive import sigmoid_pair_loss
from voiceface.training.option_help import option_help
from voiceface.training.run import Run
from voiceface.training.two_stream_run import SMALL, TWO_STREAM_OPTIONS, two_stream_run


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


@option_help(TWO_STREAM_OPTIONS)
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
) -> Run[TwoStreams]:
    """The run.

    Args:
        scale: scale of the cosines that learning starts from (the paper's 10)
        bias: bias of the cosines that learning starts from (the paper's -10)
    """
    arguments = dict(locals())
    return two_stream_run("zhai_siglip", arguments, lambda facts: SigmoidPairs(scale=scale, bias=bias))


def smoke() -> Run[TwoStreams]:
    """The same in seconds."""
    return recipe(**SMALL)
