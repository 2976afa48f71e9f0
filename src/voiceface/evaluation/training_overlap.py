"""Whether people of a corpus were in the training set of some weights."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from voiceface.evaluation.training_split import training_split
from voiceface.pipelines.weights import Loaded

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus


@dataclass(frozen=True, kw_only=True)
class TrainingOverlap:
    """People of a corpus in the training set of some weights, as far as run.json says."""

    known: bool
    """Some of them were in the training set."""
    summary: str
    """One sentence for the report."""
    met: frozenset[str] = field(default_factory=frozenset)
    """People in the training or validation set; empty where they cannot be identified."""

    def among(self, people: frozenset[str]) -> TrainingOverlap:
        """The overlap with these people alone, as far as the training people can be identified."""
        if not self.met:
            return self
        met = self.met & people
        summary = f"{self.summary} They are {len(met):,} of the list's {len(people):,} people."
        return TrainingOverlap(known=bool(met), summary=summary, met=met)


def training_overlap(weights: str | Path, loaded: Loaded, corpus: Corpus) -> TrainingOverlap:
    """Compare the fingerprints of people and corpus in run.json with a corpus.

    run.json names nobody. But the recipe splits a corpus the same way again, and where the training part
    has the fingerprint in run.json, its people are the training people. Weights that were fine-tuned have met
    the people of all trainings before (``ancestors``) too.
    """
    own = _overlap(weights, loaded, corpus)
    before = [
        _overlap(
            weights,
            replace(loaded, name=f"the {one.get('recipe')} that it was fine-tuned from", card=one),
            corpus,
        )
        for one in loaded.card.get("ancestors") or []
    ]
    if not before:
        return own
    every = [own, *before]
    known = [one for one in every if one.known]
    # Who is to be left out can be told only if it can be told of every training.
    met = frozenset().union(*(one.met for one in known)) if all(one.met for one in known) else frozenset()
    return TrainingOverlap(known=bool(known), summary=" ".join(one.summary for one in every), met=met)


def _overlap(weights: str | Path, loaded: Loaded, corpus: Corpus) -> TrainingOverlap:
    """Of the people of one training."""
    people = loaded.card.get("people") or {}
    count, fingerprint = people.get("count"), people.get("fingerprint")
    if count is None or fingerprint is None:
        summary = (
            f"{loaded.name} does not record its training people: whether these are among them is unknown."
        )
        return TrainingOverlap(known=False, summary=summary)
    split = training_split(weights, loaded, corpus)
    if split is not None:
        met = frozenset(split.train.people) | frozenset(split.validation.people)
        others = len(met) - int(count)
        more = f", {others:,} more in its validation set" if others else ""
        summary = (
            f"{count:,} of {len(corpus.people):,} people were in the training set of {loaded.name}{more}."
        )
        return TrainingOverlap(known=True, summary=summary, met=met)
    if loaded.card.get("corpus") == corpus.fingerprint:
        summary = f"{count:,} of {len(corpus.people):,} people were in the training set of {loaded.name}."
        return TrainingOverlap(known=True, summary=summary)
    summary = (
        f"{loaded.name} was trained on {count:,} people of another corpus "
        f"({str(loaded.card.get('corpus'))[:12]}); whether any of them is among these is unknown."
    )
    return TrainingOverlap(known=False, summary=summary)
