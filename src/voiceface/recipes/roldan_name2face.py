"""Faces of known people from their names, by a conditional GAN.

Paper     Roldán 2018, Speech-conditioned Face Generation with Deep Adversarial Networks, section IV-C
Data      pictures of known people, whose recordings or videos are split into training, validation and test
Command   voiceface train roldan_name2face --corpus CORPUS [--objective w --lr-judge 2e-4 --lr-generator 2e-4]
Cost      see docs/papers/roldan.md
Reported  Inception Score: LS projection 2.91, LS concatenation 2.05, that with 4e-4 and 1e-4 3.00, with dropouts 2.63, AC 2.12 (Table II)
Differs   faces are aligned to dlib's template; --template box stretches the detector's box to a square, as the thesis
Differs   a 1 × 1 convolution joins picture and name in the discriminator, as in Reed et al.; the thesis' text leaves it out
Differs   spectral norm in the discriminator (section V), since in the generator (IV-C) it gave one face for everybody
Differs   Gaussian noise is added to the generator's condition, the discriminator reads the name itself; its size is not stated
Differs   batch size, epochs, clipping (0.01) and a critic's five steps are not stated: Reed et al.'s and Arjovsky et al.'s;
          Adam at 4e-4 and 1e-4 for 40,000 steps
"""  # noqa: E501

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from voiceface.models.conditional_gan import ConditionalGan, Objective, Spectral
from voiceface.models.conditions import Condition, ProjectedName, RepeatedName
from voiceface.recipes._roldan_run import ROLDAN_OPTIONS, Template, roldan_run
from voiceface.training.option_help import option_help
from voiceface.training.run import Run


@option_help(ROLDAN_OPTIONS)
def recipe(
    *,
    objective: Objective = "ls",
    name: Literal["projection", "concatenation"] = "projection",
    projected_in: Literal["both", "generator"] = "both",
    spectral: Spectral = "judge",
    lr_judge: float = 4e-4,
    lr_generator: float = 1e-4,
    condition_noise: float = 0.0,
    dropout: float = 0.0,
    matching_aware: bool = False,
    clip: float = 0.01,
    critic_moves: int = 5,
    noise_dim: int = 100,
    dim: int = 128,
    template: Template = "dlib",
    size: int = 64,
    width: int = 64,
    batch_size: int = 64,
    steps: int = 40_000,
    every: int = 2_000,
    by: Literal["recording", "session", "clip"] = "session",
    minimum: int = 3,
    wrong_labels: bool = False,
    seed: int = 0,
) -> Run[ConditionalGan]:
    """The run.

    Args:
        name: how a name enters the networks: a learned projection, or repeated one-hot vectors
        dim: dimensions of the name's projection
    """
    arguments: dict[str, Any] = dict(locals())
    parts = partial(_parts, name=name, projected_in=projected_in, dim=dim)
    return roldan_run("roldan_name2face", arguments, parts, condition="person")


def smoke() -> Run[ConditionalGan]:
    """The same in seconds."""
    return recipe(size=16, width=4, noise_dim=8, dim=16, batch_size=8, steps=4, every=2)


def _parts(
    people: int, *, name: str, projected_in: str, dim: int
) -> tuple[dict[str, Condition], dict[str, Condition]]:
    if name == "concatenation":
        return {"name": RepeatedName(people, dim=dim)}, {}
    part = ProjectedName(people, dim=dim)
    return {"name": part}, {"name": ProjectedName(people, dim=dim)} if projected_in == "both" else {}
