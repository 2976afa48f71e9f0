"""The run of the recipes that train `TwoStreams`: encoders, batches and validation; objectives differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from voiceface.corpus.splits import Selection
from voiceface.models.two_streams import Objective, TwoStreams
from voiceface.training.encoder_pairs import (
    EncoderPairs,
    PairedEmbeddings,
    face_blocks,
    validation_auc,
    validation_calibration,
)
from voiceface.training.run import Facts, Optimiser, Run

COVARIATES = ("gender", "nationality")
"""What a corpus may know of its people beside who they are."""
SMALL: dict[str, Any] = {
    "voice_encoder": "ge2e",
    "face_encoder": "dlib",
    "dim": 8,
    "hidden": 16,
    "batch_size": 8,
    "steps": 4,
    "validation": 0.3,
}
"""The shared arguments for a training of seconds."""
TWO_STREAM_OPTIONS = {
    "dim": "width of a stream's output",
    "hidden": "hidden units of a stream",
    "dropout": "dropout of the hidden units",
    "noise": "noise added to embeddings in training, in units of their spread",
    "lr": "AdamW's learning rate, falling to 0 by a cosine",
    "batch_size": "people in a batch",
}
"""What these recipes' shared options mean."""


def two_stream_run(
    recipe: str, arguments: Mapping[str, Any], objective: Callable[[Facts], Objective]
) -> Run[TwoStreams]:
    """The run of a recipe with these arguments (their names are the same in all of these recipes).

    Args:
        recipe: its name.
        arguments: all of its resolved arguments.
        objective: made from the facts: ``classes`` (training people), ``covariates`` (values by name).
    """
    pairs = EncoderPairs(arguments)
    steps = arguments["steps"]
    optimiser = Optimiser(
        name="adamw", lr=arguments["lr"], weight_decay=arguments["weight_decay"], schedule="cosine"
    )
    return Run(
        recipe=recipe,
        arguments=arguments,
        split=pairs.split,
        facts=partial(_facts, pairs),
        build=partial(_build, pairs, objective),
        start=partial(_start, pairs),
        data=partial(_LabelledPairs, pairs),
        optimisers={"streams": optimiser},
        steps=steps,
        seed=arguments["seed"],
        validate=_validate,
        calibrate=_calibrate,
        every=max(1, steps // 10),
        contract=pairs.contract,
        licence="Apache-2.0",
    )


class _LabelledPairs:
    """Batches of different people, a voice and a face of each, with what is known of them."""

    def __init__(self, pairs: EncoderPairs, selection: Selection, facts: Facts) -> None:
        self.pairs: PairedEmbeddings = pairs.batches(selection, heads=1)
        owners = selection.corpus.person_of("voices")
        people = [str(owners[voices[0]]) for voices, _ in self.pairs.items]
        known = {person.id: person for person in selection.corpus.people}
        self.labels = {
            name: torch.tensor([_class_index(values, getattr(known[person], name)) for person in people])
            for name, values in facts["covariates"].items()
        }
        self.steps = pairs.arguments["steps"]

    def batch(self, step: int, rank: int = 0, world: int = 1) -> dict[str, Tensor]:
        """As `voiceface.models.two_streams.Objective.forward` takes it; the same for every process."""
        batch = {name: rows[0] for name, rows in self.pairs.batch(step, rank, world).items()}
        people = batch["people"]
        batch["progress"] = torch.full((len(people),), step / max(1, self.steps))
        return batch | {name: labels[people] for name, labels in self.labels.items()}


def _class_index(values: list[str], value: str) -> int:
    return values.index(value) if value in values else -1


def _facts(pairs: EncoderPairs, selection: Selection) -> Facts:
    """The encoders', the number of training people, and the covariates that two of them differ in."""
    chosen = set(selection.people)
    people = [person for person in selection.corpus.people if person.id in chosen]
    covariates = {}
    for name in COVARIATES:
        values = sorted({getattr(person, name) for person in people} - {""})
        if len(values) > 1:
            covariates[name] = values
    return pairs.encoder_facts() | {"classes": len(pairs.items(selection)), "covariates": covariates}


def _build(pairs: EncoderPairs, objective: Callable[[Facts], Objective], facts: Facts) -> TwoStreams:
    return TwoStreams(
        objective(facts),
        encoders=pairs.pretrained(facts),
        voice_width=facts["voice_width"],
        blocks=face_blocks(facts),
        **{name: pairs.arguments[name] for name in ("dim", "hidden", "dropout", "noise")},
    )


def _start(pairs: EncoderPairs, model: TwoStreams, selection: Selection, facts: Facts) -> None:
    voices, faces = pairs.embeddings(selection.corpus)
    model.start(voices[torch.from_numpy(selection.voices)], faces[torch.from_numpy(selection.faces)])


def _validate(model: TwoStreams, selection: Selection, facts: Facts) -> dict[str, float]:
    return validation_auc(model, selection)


def _calibrate(model: TwoStreams, selection: Selection, facts: Facts) -> Facts:
    return validation_calibration(model, selection) if model.can("embed") else {}
