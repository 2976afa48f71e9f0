"""Every voice and face against all others of the batch, of both kinds (supervised contrastive loss).

Paper     Khosla et al. 2020, Supervised Contrastive Learning (equation 2)
Data      voices and faces of the same people
Command   voiceface train khosla_supcon --corpus CORPUS
Cost      600 steps: seconds, once the encoders' embeddings are kept
Reported  nothing on voices and faces
Differs   encoders are frozen, two perceptrons above them learn; the two views of a person are voice and face
          selection by AUC on validation people
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.model import Batch
from voiceface.models.two_streams import Objective, TwoStreams
from voiceface.nn.loss.contrastive import supervised_contrastive
from voiceface.training.option_help import option_help
from voiceface.training.run import Run
from voiceface.training.two_stream_run import SMALL, TWO_STREAM_OPTIONS, two_stream_run


class SupervisedContrastive(Objective):
    """`supervised_contrastive` over both modalities.

    Args:
        temperature: what cosines are divided by.
    """

    def __init__(self, *, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, voices: Tensor, faces: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The loss of voices and faces together."""
        embeddings = F.normalize(torch.cat([voices, faces]), dim=1)
        people = batch["people"].repeat(2)
        return {"loss": supervised_contrastive(embeddings, people=people, temperature=self.temperature)}


@option_help(TWO_STREAM_OPTIONS)
def recipe(
    *,
    temperature: float = 0.15,
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
        temperature: temperature of the contrastive loss
    """
    arguments = dict(locals())
    return two_stream_run(
        "khosla_supcon", arguments, lambda facts: SupervisedContrastive(temperature=temperature)
    )


def smoke() -> Run[TwoStreams]:
    """The same in seconds."""
    return recipe(**SMALL)
