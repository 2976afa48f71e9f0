"""Faces of known people from four seconds of their speech, and from their names if asked, by a GAN.

Paper     Roldán 2018, Speech-conditioned Face Generation with Deep Adversarial Networks, section IV-D
Data      pictures and speech of known people; a picture of a video goes with the speech around its moment
Command   voiceface train roldan_speech2face --corpus CORPUS [--condition waveform+name]
Cost      see docs/papers/roldan.md
Reported  Inception Score in Table III (its labels are lost; waveform and waveform + name came out alike);
          speech that was not trained on, and people who were not, gave random faces; mel learnt no identity
Differs   as roldan_name2face; "pooling of 4" is the convolutions' stride; mel bands (80) are not stated;
          Adam at 4e-4 and 1e-4 for 40,000 steps
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from voiceface.models.conditional_gan import ConditionalGan, Objective, Spectral
from voiceface.models.conditions import Condition, ProjectedName, Speech
from voiceface.recipes._roldan_run import ROLDAN_OPTIONS, Template, roldan_run
from voiceface.training.option_help import option_help
from voiceface.training.run import Run

SpeechCondition = Literal["waveform", "waveform+name", "mel"]


@option_help(ROLDAN_OPTIONS)
def recipe(
    *,
    condition: SpeechCondition = "waveform",
    objective: Objective = "ls",
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
    speech_width: int = 64,
    batch_size: int = 64,
    steps: int = 40_000,
    every: int = 2_000,
    by: Literal["recording", "session", "clip"] = "session",
    minimum: int = 3,
    wrong_labels: bool = False,
    seed: int = 0,
) -> Run[ConditionalGan]:
    """The run; the speech encoder learns through the generator alone, the discriminator reuses its output.

    Args:
        condition: what the networks read: the waveform, the waveform and the name, or log-mels
        dim: dimensions of the speech embedding, and of the name's projection
        speech_width: channels of the speech encoder's first block (64 gives 64 to 1024)
    """
    arguments: dict[str, Any] = dict(locals())
    parts = partial(
        _parts, condition=condition, projected_in=projected_in, speech_width=speech_width, dim=dim
    )
    return roldan_run("roldan_speech2face", arguments, parts, condition=condition)


def smoke() -> Run[ConditionalGan]:
    """The same in seconds."""
    return recipe(size=16, width=4, speech_width=2, noise_dim=8, dim=16, batch_size=6, steps=4, every=2)


def _parts(
    people: int, *, condition: SpeechCondition, projected_in: str, speech_width: int, dim: int
) -> tuple[dict[str, Condition], dict[str, Condition]]:
    parts: dict[str, Condition] = {
        "speech": Speech("mel" if condition == "mel" else "waveform", width=speech_width, dim=dim)
    }
    own: dict[str, Condition] = {}
    if condition == "waveform+name":
        parts["name"] = ProjectedName(people, dim=dim)
        if projected_in == "both":
            own["name"] = ProjectedName(people, dim=dim)
    return parts, own
