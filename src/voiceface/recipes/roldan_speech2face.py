"""Faces from speech: known people drawn by a GAN from four seconds of their voice, by name too if wanted.

Paper     Roldán 2018, Speech-conditioned Face Generation with Deep Adversarial Networks, section IV-D
Data      pictures and speech of known people; a picture of a video goes with the speech around its moment
Command   voiceface train roldan_speech2face --corpus CORPUS [--condition waveform+name]
Cost      see docs/papers/roldan.md
Reported  Inception Score in Table III (its labels are lost; waveform and waveform + name came out alike);
          speech that was not trained on, and people who were not, gave random faces; mel learnt no identity
Differs   as roldan_name2face; "pooling of 4" is the convolutions' stride; mel bands (80) are not stated
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch

from voiceface.corpus.splits import Selection, split_known
from voiceface.models.conditional_gan import (
    ConditionalGan,
    GanOptions,
    Objective,
    Shape,
    Spectral,
    build_conditional_gan,
)
from voiceface.models.conditions import FRAME, RATE, Condition, ProjectedName, Speech
from voiceface.models.corpus_embeddings import face_embeddings
from voiceface.models.generated_faces import (
    embed_generated_and_real,
    embed_generated_faces,
    generate_for_selection,
)
from voiceface.models.generated_known_people import compare, mean_embedding
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.known_people import (
    KnownPeopleBatches,
    known_people,
    person_indices,
    sample_indices,
    speech_frames,
)
from voiceface.training.run import Facts, Optimiser, Pictures, Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voiceface.models.model import Embeddings, Model

__all__ = ["recipe", "smoke"]

TEMPLATE = "dlib"
_SHOWN = 64
"""Voices drawn to validate, at most."""


def recipe(
    *,
    condition: Literal["waveform", "waveform+name", "mel"] = "waveform",
    objective: Objective = "ls",
    projected_in: Literal["both", "generator"] = "both",
    spectral: Spectral = "generator",
    lr_judge: float = 4e-4,
    lr_generator: float = 1e-4,
    condition_noise: float = 0.0,
    dropout: float = 0.0,
    matching_aware: bool = False,
    clip: float = 0.01,
    critic_moves: int = 5,
    noise_dim: int = 100,
    dim: int = 128,
    size: int = 64,
    width: int = 64,
    speech_width: int = 64,
    batch_size: int = 64,
    steps: int = 40_000,
    every: int = 2_000,
    by: Literal["recording", "session", "clip"] = "recording",
    minimum: int = 3,
    wrong_labels: bool = False,
    seed: int = 0,
) -> Run:
    """The run; the speech encoder learns through the generator alone, and the judge reuses its answer.

    ``speech_width`` is the encoder's first block (64 gives 64 to 1024 channels). ``wrong_labels`` shuffles
    the pictures over the people: a control that must end at chance.
    """
    arguments: dict[str, Any] = dict(locals())
    rules = GanOptions(objective, matching_aware, condition_noise, clip, critic_moves)
    shape = Shape(size, width, noise_dim, spectral, dropout)
    pairs: dict[str, Any] = {"batch_size": batch_size, "size": size, "template": TEMPLATE, "frame": FRAME}
    pairs |= {"seed": seed, "wrong_labels": wrong_labels}
    named = condition == "waveform+name"
    form: Literal["waveform", "mel"] = "mel" if condition == "mel" else "waveform"
    return Run(
        recipe="roldan_speech2face",
        arguments=arguments,
        split=lambda corpus: split_known(corpus, by=by, minimum=minimum, seed=seed),
        facts=_facts,
        build=lambda facts: _build(
            facts, Speech(form, width=speech_width, dim=dim), projected_in if named else "", shape, rules
        ),
        data=lambda selection, facts: KnownPeopleBatches(selection, facts["people"], **pairs),
        optimisers=_optimisers(lr_judge, lr_generator),
        steps=steps,
        seed=seed,
        validate=_validate,
        every=every,
        select="-frechet",
        imagine=_imagine,
        embed=_embed,
        contract={"rate": RATE, "size": size, "template": TEMPLATE, "cue": condition, "draws": "cue"},
        licence="Apache-2.0",
    )


def smoke() -> Run:
    """The same in seconds."""
    return recipe(size=16, width=4, speech_width=2, noise_dim=8, dim=16, batch_size=6, steps=4, every=2)


def _facts(selection: Selection) -> Facts:
    return {"people": known_people(selection, voiced=True), "descriptor_mean": mean_embedding(selection)}


def _optimisers(judge: float, generator: float) -> dict[str, Optimiser]:
    """Adam as Reed et al. have it, at each player's own rate."""
    rates = {"judge": judge, "generator": generator}
    return {name: Optimiser(name="adam", lr=lr, betas=(0.5, 0.999)) for name, lr in rates.items()}


def _build(
    facts: Facts, speech: Speech, projected_in: str, shape: Shape, rules: GanOptions
) -> ConditionalGan:
    """``projected_in`` is empty where no name is read."""
    people = len(facts["people"])
    parts: dict[str, Condition] = {"speech": speech}
    own: dict[str, Condition] = {}
    if projected_in:
        parts["name"] = ProjectedName(people, dim=speech.dim)
        if projected_in == "both":
            own["name"] = ProjectedName(people, dim=speech.dim)
    return build_conditional_gan(parts, own, people=people, shape=shape, rules=rules)


def _imagine(model: Model, cues: Sequence[GeneratorInput], facts: Facts, seed: int) -> Pictures:
    """A face for the middle four seconds of every voice; names are read where the condition holds them."""
    network = cast(ConditionalGan, model)
    device = next(network.parameters()).device
    batch = {"waves": speech_frames(cues, FRAME).to(device)}
    if "name" in network.parts:
        batch["people"] = person_indices(cues, facts["people"]).to(device)
    return network.draw(batch, seed=seed, draws=sample_indices(cues)).cpu().numpy()


def _draw(model: Model, selection: Selection, facts: Facts) -> Pictures:
    named = "name" in cast(ConditionalGan, model).parts
    return generate_for_selection(selection, lambda cues: _imagine(model, cues, facts, 0), named=named)


def _embed(model: Model, selection: Selection, facts: Facts) -> tuple[Embeddings, Embeddings]:
    """Drawn and real faces as centred descriptors."""
    pictures = _draw(model, selection, facts)
    return embed_generated_and_real(pictures, selection, template=TEMPLATE, centre=facts["descriptor_mean"])


def _validate(model: Model, selection: Selection, facts: Facts) -> dict[str, float]:
    """Faces drawn from speech that was not trained on, beside such pictures of the same people."""
    people: list[str] = facts["people"]
    voices = selection.voices
    if len(voices) > _SHOWN:
        voices = voices[np.linspace(0, len(voices) - 1, _SHOWN).astype(np.int64)]
    corpus = selection.corpus
    some = Selection(corpus, voices, selection.faces, selection.clips)
    number = {person: index for index, person in enumerate(people)}
    asked, labels = (
        np.array([number.get(str(owner), -1) for owner in corpus.column(table, "person")[rows]])
        for table, rows in (("voices", voices), ("faces", selection.faces))
    )
    rows = embed_generated_faces(_draw(model, some, facts), template=TEMPLATE)
    with torch.no_grad():
        return compare(rows, asked, face_embeddings(corpus)[selection.faces], labels, people=len(people))
