"""Whether the people of a corpus are those that some weights were trained on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from voiceface.evaluation.training_split import training_split
from voiceface.pipelines.weights import Loaded

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = ["TrainingOverlap", "training_overlap"]


@dataclass(frozen=True, kw_only=True)
class TrainingOverlap:
    """What the weights' card tells of the people of a corpus."""

    known: bool
    """Some of them trained the weights."""
    told: str
    """One sentence for the report."""
    met: frozenset[str] = field(default_factory=frozenset)
    """Who trained or selected the weights; empty where it cannot be told who."""


def training_overlap(weights: str | Path, loaded: Loaded, corpus: Corpus) -> TrainingOverlap:
    """Compare the fingerprints of people and corpus in the card with a corpus.

    The card names nobody. But the recipe deals a corpus' people the same way again, and where the people
    dealt to training have the card's fingerprint, they are its training people.
    """
    people = loaded.card.get("people") or {}
    count, fingerprint = people.get("count"), people.get("fingerprint")
    if count is None or fingerprint is None:
        told = f"{loaded.name} does not tell who trained it: whether it knows these people is not known."
        return TrainingOverlap(known=False, told=told)
    split = training_split(weights, loaded, corpus)
    if split is not None:
        met = frozenset(split.train.people) | frozenset(split.validation.people)
        others = len(met) - int(count)
        more = f", {others:,} more selected and calibrated it" if others else ""
        told = f"{count:,} of the {len(corpus.people):,} people trained {loaded.name}{more}: known people."
        return TrainingOverlap(known=True, told=told, met=met)
    if loaded.card.get("corpus") == corpus.fingerprint:
        told = f"{count:,} of the {len(corpus.people):,} people trained {loaded.name}: known people."
        return TrainingOverlap(known=True, told=told)
    told = (
        f"{loaded.name} was trained on {count:,} people of another corpus "
        f"({str(loaded.card.get('corpus'))[:12]}); whether any of them is among these is not known."
    )
    return TrainingOverlap(known=False, told=told)
