"""Faces of known people from four seconds of their speech, and from their names if asked, by a GAN.

Paper     Roldán 2018, Speech-conditioned Face Generation with Deep Adversarial Networks, section IV-D
Data      pictures and speech of known people; a picture of a video goes with the speech around its moment
Command   voiceface train roldan_speech2face --corpus CORPUS [--condition waveform+name]
Cost      see docs/papers/roldan.md
Reported  Inception Score in Table III (its labels are lost; waveform and waveform + name came out alike);
          speech that was not trained on, and people who were not, gave random faces; mel learnt no identity
Differs   as roldan_name2face; "pooling of 4" is the convolutions' stride; mel bands (80) are not stated;
          Adam at 4e-4 and 1e-4 for 40,000 steps
Differs   --speech-encoder freezes an encoder trained on speaker recognition, which section VI proposes
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from voiceface.corpus.splits import Selection
from voiceface.errors import InputError
from voiceface.models.conditional_gan import ConditionalGan, Objective, Spectral
from voiceface.models.conditions import Condition, ProjectedName, Speech
from voiceface.recipes._roldan_run import ROLDAN_OPTIONS, Template, roldan_run
from voiceface.recipes._weights import open_weights
from voiceface.training.option_help import option_help
from voiceface.training.run import Facts, Run
from voiceface.training.training_folder import selection_fingerprint

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
    speech_encoder: str = "",
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
        speech_encoder: weights folder of roldan_speaker, whose encoder is frozen and joins the weights
    """
    arguments: dict[str, Any] = dict(locals())
    parts = partial(_parts, arguments=arguments)
    start = partial(_start, arguments=arguments) if speech_encoder else None
    return roldan_run("roldan_speech2face", arguments, parts, condition=condition, start=start)


def smoke() -> Run[ConditionalGan]:
    """The same in seconds."""
    return recipe(size=16, width=4, speech_width=2, noise_dim=8, dim=16, batch_size=6, steps=4, every=2)


def _parts(people: int, *, arguments: dict[str, Any]) -> tuple[dict[str, Condition], dict[str, Condition]]:
    condition, dim = arguments["condition"], arguments["dim"]
    width, frozen = arguments["speech_width"], bool(arguments["speech_encoder"])
    parts: dict[str, Condition] = {"speech": Speech(_form(condition), width=width, dim=dim, frozen=frozen)}
    own: dict[str, Condition] = {}
    if condition == "waveform+name":
        parts["name"] = ProjectedName(people, dim=dim)
        if arguments["projected_in"] == "both":
            own["name"] = ProjectedName(people, dim=dim)
    return parts, own


def _form(condition: str) -> Literal["waveform", "mel"]:
    return "mel" if condition == "mel" else "waveform"


def _start(model: ConditionalGan, selection: Selection, facts: Facts, *, arguments: dict[str, Any]) -> None:
    """Fill the speech encoder with that of another training, unless it knows what is held back here."""
    folder = arguments["speech_encoder"]
    tensors, card = open_weights(folder, recipe="roldan_speaker")
    wanted = {"form": _form(arguments["condition"]), **{n: arguments[n] for n in ("speech_width", "dim")}}
    for name, value in wanted.items():
        if card["arguments"][name] != value:
            fault = f"has {name} {card['arguments'][name]}, not {value}"
            raise InputError(folder, fault, "give both trainings the same")
    trained = (card.get("split") or {}).get("trained")
    if card["corpus"] == selection.corpus.fingerprint and trained != selection_fingerprint(selection):
        fault = "was trained on recordings or people that are held back here"
        raise InputError(folder, fault, "train it with the same split, by, minimum and seed")
    prefix = "speech.encoder."
    own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    speech = model.parts["speech"]
    assert isinstance(speech, Speech)
    speech.encoder.load_state_dict(own)
