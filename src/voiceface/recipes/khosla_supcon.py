"""Every voice and face against all others of the batch, of both kinds (supervised contrast).

Paper     Khosla et al. 2020, Supervised Contrastive Learning (equation 2)
Data      voices and faces of the same people
Command   voiceface train khosla_supcon --corpus CORPUS
Cost      600 steps: seconds, once the encoders' rows are kept
Reported  nothing on voices and faces
Differs   encoders are frozen, two perceptrons above them learn; the two views of a person are voice and face
          selection by AUC on validation people
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.model import Batch
from voiceface.models.two_streams import Objective
from voiceface.nn.loss.contrastive import supervised_contrastive
from voiceface.recipes._two_stream_run import two_streams
from voiceface.training.run import Run

__all__ = ["Contrast", "recipe", "smoke"]


class Contrast(Objective):
    """`supervised_contrastive` over both modalities' rows.

    Args:
        temperature: what cosines are divided by.
    """

    def __init__(self, *, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, voices: Tensor, faces: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The loss of voices and faces together."""
        rows = F.normalize(torch.cat([voices, faces]), dim=1)
        people = batch["people"].repeat(2)
        return {"loss": supervised_contrastive(rows, people=people, temperature=self.temperature)}


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
) -> Run:
    """The run; either encoder is given by its name or the place of its weights (docs/encoders.md).

    ``wrong_labels`` gives every training person somebody else's faces: a control that must end at chance.
    """
    arguments: dict[str, Any] = dict(locals())
    return two_streams("khosla_supcon", arguments, lambda facts: Contrast(temperature=temperature))


def smoke() -> Run:
    """The same in seconds."""
    return recipe(
        voice_encoder="ge2e", face_encoder="dlib", dim=8, hidden=16, batch_size=8, steps=4, validation=0.3
    )
