"""What the classifiers of known speakers share: who is who, the recordings of a step, and validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.corpus.splits import Selection
from voiceface.errors import InputError
from voiceface.models.step_seed import numpy_generator
from voiceface.training.run import Facts

Indices = np.ndarray[Any, np.dtype[np.int64]]


def speaker_facts(selection: Selection) -> Facts:
    """``people``: the speakers' names, sorted.

    Raises:
        InputError: there are fewer than two.
    """
    people = sorted(set(selection.person_of("voices").tolist()))
    if len(people) < 2:
        fault = f"has {len(people)} people with voices to classify"
        raise InputError(selection.corpus.path, fault, "prepare more")
    return {"people": people}


def speaker_classes(selection: Selection, people: list[str]) -> Indices:
    """The index in ``people`` of every voice's speaker, (voices,).

    Raises:
        InputError: a speaker is not among them.
    """
    owners = selection.person_of("voices")
    known = {person: k for k, person in enumerate(people)}
    unknown = sorted(set(owners.tolist()) - known.keys())
    if unknown:
        fault = f"has {len(unknown)} speakers who were not trained on ({unknown[0]} for one)"
        remedy = "the classifier knows its training people alone: evaluate it without folds of unknown people"
        raise InputError(selection.corpus.path, fault, remedy)
    return np.array([known[owner] for owner in owners.tolist()], dtype=np.int64)


class SpeakerBatches:
    """Random recordings with the indices of their speakers; what is taken of a recording is the recipe's.

    Args:
        selection: training recordings.
        facts: of `speaker_facts`.
        batch_size: recordings a step.
        wrong_labels: shuffle the labels over the recordings.
        seed: of the shuffling and of every step.
    """

    def __init__(
        self, selection: Selection, facts: Facts, *, batch_size: int, wrong_labels: bool, seed: int
    ) -> None:
        self.selection, self.batch_size, self.seed = selection, batch_size, seed
        self.classes = speaker_classes(selection, facts["people"])
        if wrong_labels:
            self.classes = np.random.default_rng(seed).permutation(self.classes)

    def choose(self, step: int) -> tuple[list[int], Tensor, np.random.Generator]:
        """The corpus' indices of the step's recordings, their speakers (batch,), and the step's generator."""
        random = numpy_generator(self.seed, step)
        chosen = random.integers(len(self.classes), size=self.batch_size)
        return self.selection.voices[chosen].tolist(), torch.from_numpy(self.classes[chosen]), random


def speaker_metrics(log_posteriors: Tensor, selection: Selection, facts: Facts) -> dict[str, float]:
    """Cross-entropy and accuracy of logarithms of posteriors (voices, people)."""
    classes = torch.from_numpy(speaker_classes(selection, facts["people"]))
    return {
        "cross_entropy": float(F.nll_loss(log_posteriors, classes)),
        "accuracy": float((log_posteriors.argmax(1) == classes).float().mean()),
    }
