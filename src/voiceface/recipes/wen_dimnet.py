"""Voices and faces classified by the same layers: identity and what else is known of people (DIMNet).

Paper     Wen, Ismail, Liu, Raj, Singh 2019, Disjoint Mapping Network for Cross-modal Matching of Voices
          and Faces (from memory)
Data      voices and faces of the same people; gender and nationality where the corpus has them
Command   voiceface train wen_dimnet --corpus CORPUS [--covariates gender,nationality]
Cost      600 steps: seconds, once the encoders' embeddings are kept
Reported  voice->face 1:2 83.45 % (identity), 72.90 (gender alone); within a gender 70.91, 50.32 (Wen, Singh,
          Raj 2019, table 3)
Differs   encoders are frozen, two perceptrons above them learn
          a covariate that fewer than two values of are known is left out; a person of
          whom it is not known is left out of its term
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
from voiceface.training.run import Facts, Run
from voiceface.training.two_stream_run import COVARIATES, SMALL, TWO_STREAM_OPTIONS, two_stream_run


class CovariateClassification(Objective):
    """One linear classifier a covariate, shared by both streams.

    Args:
        dim: width of a stream's output.
        sizes: values of each covariate; ``identity``: the person.
    """

    class_heads = ("named",)

    def __init__(self, *, dim: int, sizes: dict[str, int]) -> None:
        super().__init__()
        self.named = nn.ModuleDict({name: nn.Linear(dim, size) for name, size in sizes.items()})

    def forward(self, voices: Tensor, faces: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The mean cross-entropy of both modalities, summed over covariates, with each one's own."""
        found = {}
        for name, layer in self.named.items():
            labels = batch["people"] if name == "identity" else batch[name]
            known = labels >= 0
            if bool(known.any()):
                rows = torch.cat([voices[known], faces[known]])
                found[name] = F.cross_entropy(layer(rows), labels[known].repeat(2))
        # A batch of which nothing is known has a loss of zero.
        return {"loss": sum(found.values(), (voices.sum() + faces.sum()) * 0), **found}


def _sizes(wanted: str, facts: Facts) -> dict[str, int]:
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    unknown = sorted(set(names) - {"identity", *COVARIATES})
    if unknown or not names:
        fault = f"are {wanted!r}"
        raise InputError("covariates", fault, f"give some of identity, {', '.join(COVARIATES)}")
    sizes = {"identity": facts["classes"]} if "identity" in names else {}
    sizes |= {name: len(facts["covariates"][name]) for name in names if name in facts["covariates"]}
    if not sizes:
        raise InputError("covariates", f"are {wanted!r}, of which this corpus knows nothing", "add identity")
    return sizes


@option_help(TWO_STREAM_OPTIONS)
def recipe(
    *,
    covariates: str = "identity,gender,nationality",
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
        covariates: what is classified: any of identity, gender and nationality, separated by commas
    """
    arguments = dict(locals())
    return two_stream_run(
        "wen_dimnet",
        arguments,
        lambda facts: CovariateClassification(dim=dim, sizes=_sizes(covariates, facts)),
    )


def smoke() -> Run[TwoStreams]:
    """The same in seconds."""
    return recipe(**SMALL)
