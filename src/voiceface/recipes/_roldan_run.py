"""What Roldán's two recipes share: everything but the parts of the condition."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np

from voiceface.corpus.splits import Selection, split_known
from voiceface.models.conditional_gan import ConditionalGan, GanOptions, GanShape, build_conditional_gan
from voiceface.models.conditions import FRAME, Condition
from voiceface.models.corpus_embeddings import face_embeddings
from voiceface.models.generated_faces import (
    embed_generated_faces,
    generate_for_selection,
)
from voiceface.models.generated_known_people import generation_metrics, mean_embedding
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.known_people import KnownPeopleBatches, known_people
from voiceface.records import SAMPLE_RATE
from voiceface.training.run import Facts, Optimiser, Run

Template = Literal["dlib", "box"]
Parts = Callable[[int], tuple[dict[str, Condition], dict[str, Condition]]]
"""From the number of people: the parts of the generator's condition, and those that the discriminator learns
for itself."""

ROLDAN_OPTIONS = {
    "objective": "ls (least squares), w (Wasserstein) or ac (auxiliary classifier)",
    "projected_in": "whether the discriminator learns a name projection of its own (both) or not (generator)",
    "spectral": "networks with spectral norm: none, generator, judge (the discriminator) or both",
    "lr_judge": "Adam's learning rate of the discriminator",
    "lr_generator": "Adam's learning rate of the generator",
    "condition_noise": "deviation of the Gaussian noise added to the generator's condition",
    "dropout": "dropout of the generator's blocks, also at inference, 0 to 1",
    "matching_aware": "show the discriminator real pictures with another person's condition, as fakes",
    "clip": "largest absolute weight of a Wasserstein critic",
    "critic_moves": "steps of a Wasserstein critic per step of the generator",
    "noise_dim": "dimensions of the noise prior",
    "template": "dlib: faces aligned by their landmarks; box: the detector's box stretched to a square",
    "size": "side of the pictures in pixels, a power of two from 8 on",
    "width": "channels of the layers next to the pictures",
    "batch_size": "pictures a step",
    "by": "what is never divided between the parts of the split: a recording, a session or a clip",
    "minimum": "people with fewer recordings, sessions or clips are left out",
    "wrong_labels": "shuffle the pictures over the people: a control that must end at chance",
}
"""What the shared options of both recipes mean."""

_MAX_VALIDATED = 64
"""Faces generated at a validation."""


def roldan_run(
    recipe: str,
    arguments: dict[str, Any],
    parts: Parts,
    *,
    condition: str,
    start: Callable[[ConditionalGan, Selection, Facts], None] | None = None,
) -> Run[ConditionalGan]:
    """The run of a recipe's arguments; ``condition`` is ``person`` where it generates from names alone.

    ``start`` fills what is trained before, as `Run.start`.
    """
    options = GanOptions(
        objective=arguments["objective"],
        matching_aware=arguments["matching_aware"],
        condition_noise=arguments["condition_noise"],
        clip=arguments["clip"],
        critic_steps=arguments["critic_moves"],
    )
    shape = GanShape(
        size=arguments["size"],
        width=arguments["width"],
        noise=arguments["noise_dim"],
        spectral=arguments["spectral"],
        dropout=arguments["dropout"],
    )
    template: Template = arguments["template"]
    from_speech = condition != "person"
    rates = {"discriminator": arguments["lr_judge"], "generator": arguments["lr_generator"]}
    return Run(
        recipe=recipe,
        arguments=arguments,
        people="known",
        split=partial(split_known, **{name: arguments[name] for name in ("by", "minimum", "seed")}),
        facts=partial(_facts, require_voices=from_speech),
        start=start,
        build=partial(_build, parts=parts, shape=shape, options=options, template=template),
        data=partial(_data, arguments=arguments, frame=FRAME if from_speech else 0),
        optimisers={name: Optimiser(name="adam", lr=lr, betas=(0.5, 0.999)) for name, lr in rates.items()},
        steps=arguments["steps"],
        seed=arguments["seed"],
        validate=_validate,
        every=arguments["every"],
        select="-frechet",
        contract={"rate": SAMPLE_RATE, "size": shape.size, "template": template, "cue": condition},
        licence="Apache-2.0",
    )


def _facts(selection: Selection, *, require_voices: bool) -> Facts:
    return {
        "people": known_people(selection, require_voices=require_voices),
        "descriptor_mean": mean_embedding(selection),
    }


def _build(
    facts: Facts, *, parts: Parts, shape: GanShape, options: GanOptions, template: Template
) -> ConditionalGan:
    of_generator, of_discriminator = parts(len(facts["people"]))
    return build_conditional_gan(
        of_generator,
        of_discriminator,
        people=facts["people"],
        shape=shape,
        options=options,
        face_template=template,
        face_embedding_mean=facts["descriptor_mean"],
    )


def _data(selection: Selection, facts: Facts, *, arguments: dict[str, Any], frame: int) -> KnownPeopleBatches:
    names = ("batch_size", "size", "template", "seed", "wrong_labels")
    options = {name: arguments[name] for name in names}
    return KnownPeopleBatches(selection, facts["people"], frame=frame, **options)


def _validate(model: ConditionalGan, selection: Selection, facts: Facts) -> dict[str, float]:
    """Generated faces of known people beside their pictures that were not trained on."""
    corpus, people = selection.corpus, facts["people"]
    index = {person: k for k, person in enumerate(people)}
    if model.takes_voices:
        voices = selection.voices
        if len(voices) > _MAX_VALIDATED:
            voices = voices[np.linspace(0, len(voices) - 1, _MAX_VALIDATED).astype(np.int64)]
        pictures = generate_for_selection(model, Selection(corpus, voices, selection.faces, selection.clips))
        requested = np.array([index.get(person, -1) for person in corpus.person_of("voices")[voices]])
    else:
        requested = np.resize(np.arange(len(people)), max(_MAX_VALIDATED, len(people)))
        pictures = model.generate([GeneratorInput(person=people[k]) for k in requested])
    labels = np.array([index.get(person, -1) for person in selection.person_of("faces")])
    return generation_metrics(
        embed_generated_faces(pictures, template=model.face_template),
        requested,
        face_embeddings(corpus)[selection.faces],
        labels,
        people=len(people),
    )
