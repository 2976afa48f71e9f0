"""The frame of the recipes that teach two streams: encoders, batches, validation; objectives differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.corpus.splits import Selection, split_people
from voiceface.errors import InputError
from voiceface.metrics.roc import auc
from voiceface.models.model import Model
from voiceface.models.two_streams import Objective, TwoStreams
from voiceface.protocols.pair_verification import pair_trials
from voiceface.recipes.matcher import (
    FACES,
    Encoders,
    PairedEmbeddings,
    encoder_embeddings,
    encoder_facts,
    face_blocks,
    paired_items,
)
from voiceface.training.run import Facts, Optimiser, Run

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = ["COVARIATES", "SMALL", "two_streams"]

COVARIATES = ("gender", "nationality")
"""What a corpus may know of its people beside who they are."""
SMALL: dict[str, Any] = {
    "face_encoder": "dlib",
    "dim": 8,
    "hidden": 16,
    "batch_size": 8,
    "steps": 4,
    "validation": 0.3,
}
"""The frame's arguments for a training of seconds."""
_MOST = 2000
"""Voices and faces that a validation looks at."""


def two_streams(
    recipe: str, arguments: Mapping[str, Any], objective: Callable[[Facts], Objective], *, joint: bool = False
) -> Run:
    """The run of a recipe whose arguments have this frame's names (see any of the recipes).

    Args:
        recipe: its name.
        arguments: all of its resolved arguments.
        objective: made from the facts: ``classes`` (training people), ``covariates`` (values by name).
        joint: True where pairs are judged as one and nothing is placed in a space.
    """
    given: dict[str, Any] = dict(arguments)
    encoders = str(given["voice_encoder"]), str(given["face_encoder"])
    control = given["seed"] if given["wrong_labels"] else None
    sizes = {name: given[name] for name in ("dim", "hidden", "dropout", "noise")}
    optimiser = Optimiser(name="adamw", lr=given["lr"], weight_decay=given["weight_decay"], schedule="cosine")
    return Run(
        recipe=recipe,
        arguments=arguments,
        split=lambda corpus: split_people(
            corpus, seed=given["seed"], validation=given["validation"], test=0.0
        ),
        facts=lambda selection: _facts(selection, encoders),
        build=lambda facts: TwoStreams(
            objective(facts), voice_width=facts["voice_width"], blocks=face_blocks(facts), **sizes
        ),
        start=lambda model, selection, facts: _start(model, selection, encoders),
        data=lambda selection, facts: _LabelledPairs(
            selection, encoders, facts, size=given["batch_size"], control=control, run=given
        ),
        optimisers={"streams": optimiser},
        steps=given["steps"],
        seed=given["seed"],
        validate=lambda model, selection, facts: _validate(model, selection, encoders),
        embed=None if joint else lambda model, selection, facts: _embed(model, selection, encoders),
        score=(lambda model, selection, facts: _scores(model, selection, encoders)) if joint else None,
        every=max(1, given["steps"] // 10),
        contract={"rate": 16_000, "voice": encoders[0], "face": FACES.get(encoders[1], encoders[1])},
        licence="Apache-2.0",
    )


class _LabelledPairs:
    """Batches of different people, a voice and a face of each, with what is known of them."""

    def __init__(
        self,
        selection: Selection,
        encoders: Encoders,
        facts: Facts,
        *,
        size: int,
        control: int | None,
        run: Mapping[str, Any],
    ) -> None:
        items = paired_items(selection, wrong_labels=control)
        rows = encoder_embeddings(selection, encoders)
        self.pairs = PairedEmbeddings(rows, items, batch_size=size, heads=1, seed=run["seed"])
        owners = selection.corpus.column("voices", "person").astype(str)
        whose = [str(owners[voices[0]]) for voices, _ in items]
        known = {person.id: person for person in selection.corpus.people}
        self.labels = {
            name: torch.tensor([_place(values, getattr(known[one], name)) for one in whose])
            for name, values in facts["covariates"].items()
        }
        self.steps = run["steps"]

    def batch(self, step: int, rank: int = 0, world: int = 1) -> dict[str, Tensor]:
        """As `voiceface.models.two_streams.Objective.forward` takes it; the same for every process."""
        drawn = {name: rows[0] for name, rows in self.pairs.batch(step, rank, world).items()}
        people = drawn["people"]
        drawn["progress"] = torch.full((len(people),), step / max(1, self.steps))
        return drawn | {name: labels[people] for name, labels in self.labels.items()}


def _place(values: list[str], value: str) -> int:
    return values.index(value) if value in values else -1


def _facts(selection: Selection, encoders: Encoders) -> Facts:
    """The encoders', how many people are learnt from, and the covariates that two of them differ in."""
    facts = encoder_facts(selection, encoders, groups=True)
    del facts["groups"]
    chosen = set(selection.people)
    people = [person for person in selection.corpus.people if person.id in chosen]
    covariates = {}
    for name in COVARIATES:
        values = sorted({getattr(person, name) for person in people} - {""})
        if len(values) > 1:
            covariates[name] = values
    classes = len(paired_items(selection, wrong_labels=None))
    return facts | {"classes": classes, "covariates": covariates}


def _start(model: Model, selection: Selection, encoders: Encoders) -> None:
    voices, faces = encoder_embeddings(selection, encoders)
    chosen = torch.from_numpy(selection.voices), torch.from_numpy(selection.faces)
    cast(TwoStreams, model).start(voices[chosen[0]], faces[chosen[1]])


def _chosen(model: Model, selection: Selection, encoders: Encoders) -> tuple[Tensor, Tensor]:
    device = next(model.parameters()).device
    voices, faces = encoder_embeddings(selection, encoders)
    return (
        voices[torch.from_numpy(selection.voices)].to(device),
        faces[torch.from_numpy(selection.faces)].to(device),
    )


@torch.no_grad()
def _embed(model: Model, selection: Selection, encoders: Encoders) -> tuple[Any, Any]:
    streams = cast(TwoStreams, model)
    voices, faces = _chosen(model, selection, encoders)
    return streams.voices(voices).cpu().numpy(), streams.faces(faces).cpu().numpy()


@torch.no_grad()
def _scores(model: Model, selection: Selection, encoders: Encoders) -> npt.NDArray[np.float32]:
    found = cast(TwoStreams, model).scores(*_chosen(model, selection, encoders))
    return found.float().cpu().numpy()


def _validate(model: Model, selection: Selection, encoders: Encoders) -> dict[str, float]:
    """AUC over the voice-face pairs of the validation people."""
    corpus: Corpus = selection.corpus
    some = Selection(corpus, _subsample(selection.voices), _subsample(selection.faces), selection.clips)
    people = [
        corpus.column(table, "person")[rows].astype(str)
        for table, rows in (("voices", some.voices), ("faces", some.faces))
    ]
    scores = _scores(model, some, encoders).astype(np.float64)
    trials = pair_trials(scores, people=(people[0], people[1]))
    if trials.labels.all() or not trials.labels.any():
        fault = "the validation people give no pairs of one person, or none of two"
        raise InputError("validation", fault, "give it a larger share, or prepare more people with both")
    return {"auc": float(auc(trials.scores, trials.labels))}


def _subsample(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return rows[:: max(1, -(-len(rows) // _MOST))]
