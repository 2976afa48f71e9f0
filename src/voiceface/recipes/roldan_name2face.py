"""Faces from names: what known people look like, drawn by a GAN from who they are.

Paper     Roldán 2018, Speech-conditioned Face Generation with Deep Adversarial Networks, section IV-C
Data      pictures of known people, their recordings or videos dealt to training, validation and test
Command   voiceface train roldan_name2face --corpus CORPUS [--objective w --lr-judge 2e-4 --lr-generator 2e-4]
Cost      see docs/papers/roldan.md
Reported  Inception Score: LS projection 2.91, LS concatenation 2.05, that with 4e-4 and 1e-4 3.00, with dropouts 2.63, AC 2.12 (Table II)
Differs   faces are turned upright into dlib's template, not the detector's box stretched to a square
Differs   a 1 × 1 convolution joins picture and name in the judge, as in Reed et al.; the thesis' text leaves it out
Differs   Gaussian noise is added to what the generator reads, the judge reads the name itself; its size is not stated
Differs   batch size, epochs, clipping (0.01) and a critic's five moves are not stated: Reed et al.'s and Arjovsky et al.'s
"""  # noqa: E501

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
from voiceface.models.conditions import Condition, ProjectedName, RepeatedName
from voiceface.models.corpus_embeddings import face_embeddings
from voiceface.models.generated_faces import embed_generated_faces
from voiceface.models.generated_known_people import compare, mean_embedding
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.known_people import (
    KnownPeopleBatches,
    face_labels,
    known_people,
    person_indices,
    sample_indices,
)
from voiceface.training.run import Facts, Optimiser, Pictures, Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voiceface.models.model import Model

__all__ = ["recipe", "smoke"]

TEMPLATE = "dlib"
_SHOWN = 64
"""Faces drawn to validate."""


def recipe(
    *,
    objective: Objective = "ls",
    name: Literal["projection", "concatenation"] = "projection",
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
    batch_size: int = 64,
    steps: int = 40_000,
    every: int = 2_000,
    by: Literal["recording", "session", "clip"] = "recording",
    minimum: int = 3,
    wrong_labels: bool = False,
    seed: int = 0,
) -> Run:
    """The run; a projected name is learnt by ``both`` networks or by the generator alone (``projected_in``).

    ``spectral`` says where spectral norm stands (see `Spectral`), ``by`` and ``minimum`` how known people
    are split. ``wrong_labels`` shuffles the pictures over the names: a control that must end at chance.
    """
    arguments: dict[str, Any] = dict(locals())
    rules = GanOptions(objective, matching_aware, condition_noise, clip, critic_moves)
    shape = Shape(size, width, noise_dim, spectral, dropout)
    return Run(
        recipe="roldan_name2face",
        arguments=arguments,
        split=lambda corpus: split_known(corpus, by=by, minimum=minimum, seed=seed),
        facts=_facts,
        build=lambda facts: _build(facts, name, projected_in, dim, shape, rules),
        data=lambda selection, facts: KnownPeopleBatches(
            selection,
            facts["people"],
            batch_size=batch_size,
            size=size,
            template=TEMPLATE,
            seed=seed,
            wrong_labels=wrong_labels,
        ),
        optimisers=_optimisers(lr_judge, lr_generator),
        steps=steps,
        seed=seed,
        validate=_validate,
        every=every,
        select="-frechet",
        imagine=_imagine,
        contract={"rate": 16_000, "size": size, "template": TEMPLATE, "cue": "person", "draws": "cue"},
        licence="Apache-2.0",
    )


def smoke() -> Run:
    """The same in seconds."""
    return recipe(size=16, width=4, noise_dim=8, dim=16, batch_size=8, steps=4, every=2)


def _facts(selection: Selection) -> Facts:
    return {"people": known_people(selection, voiced=False), "descriptor_mean": mean_embedding(selection)}


def _optimisers(judge: float, generator: float) -> dict[str, Optimiser]:
    """Adam as Reed et al. have it, at each player's own rate."""
    rates = {"judge": judge, "generator": generator}
    return {name: Optimiser(name="adam", lr=lr, betas=(0.5, 0.999)) for name, lr in rates.items()}


def _build(
    facts: Facts, name: str, projected_in: str, dim: int, shape: Shape, rules: GanOptions
) -> ConditionalGan:
    people = len(facts["people"])
    own: dict[str, Condition] = {}
    if name == "projection":
        part: Condition = ProjectedName(people, dim=dim)
        if projected_in == "both":
            own["name"] = ProjectedName(people, dim=dim)
    else:
        part = RepeatedName(people, dim=dim)
    return build_conditional_gan({"name": part}, own, people=people, shape=shape, rules=rules)


def _imagine(model: Model, cues: Sequence[GeneratorInput], facts: Facts, seed: int) -> Pictures:
    """A face for every name."""
    network = cast(ConditionalGan, model)
    device = next(network.parameters()).device
    people = person_indices(cues, facts["people"]).to(device)
    return network.draw({"people": people}, seed=seed, draws=sample_indices(cues)).cpu().numpy()


def _validate(model: Model, selection: Selection, facts: Facts) -> dict[str, float]:
    """Known people's drawn faces beside their pictures that were not trained on."""
    people: list[str] = facts["people"]
    asked = np.resize(np.arange(len(people)), max(_SHOWN, len(people)))
    drawn = _imagine(model, [GeneratorInput(person=people[k]) for k in asked], facts, 0)
    faces, labels = face_labels(selection, people)
    real = face_embeddings(selection.corpus)
    if not len(faces):  # other people altogether
        faces, labels = selection.faces, np.full(len(selection.faces), -1)
    rows = embed_generated_faces(drawn, template=TEMPLATE)
    with torch.no_grad():
        return compare(rows, asked, real[faces], labels, people=len(people))
