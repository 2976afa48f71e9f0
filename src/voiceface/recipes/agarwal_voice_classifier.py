"""Whose voice it is among people it knows, and 128 numbers for every voice, from log-mel patches.

Paper     Agarwal, Poddar, Hazarika, Rahaman 2019, Learning to synthesize faces using voice clips for
          Cross-Modal biometric matching (III-A, IV-A, Figure 1)
Data      at least MINIMUM recordings of each person (the paper: 9 people, 200 each); known people, new
          recordings: everybody is in every part of the split, no recording in two
Command   voiceface train agarwal_voice_classifier --corpus CORPUS --minimum 200
Cost      see docs/papers/agarwal.md
Reported  no figure: Figure 2 a) shows that the embeddings of 9 people fall into 9 clusters
Differs   pooling keeps the odd rest (60 bands pooled by 4 three times leave no row otherwise)
          convolutions are padded, the padding is not stated
          16 kHz instead of Piczak's 22,050 Hz: a patch lasts 1.3 s instead of 0.95 s
          silent patches are left out (Piczak 2015); a recording is answered by the mean of its patches
          early stopping: the training runs through and keeps the step of the least validation
          cross-entropy; batch size and number of steps are not stated
"""

from __future__ import annotations

import hashlib
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.audio.logmel_patches import BANDS, FRAMES
from voiceface.corpus.splits import Selection, split_known
from voiceface.errors import InputError
from voiceface.models.model import Model
from voiceface.models.voice_classifier import VoiceClassifier, non_silent_patches
from voiceface.training.run import Facts, Optimiser, Run

__all__ = ["CONTRACT", "recipe", "smoke"]

CONTRACT = {"rate": 16_000, "features": "logmel_patches", "bands": BANDS, "frames": FRAMES, "dim": 128}
"""What the classifier hears; who builds on its embeddings checks it."""


def recipe(
    *,
    dropout: float = 0.5,
    penalty: float = 1e-3,
    lr: float = 1e-3,
    batch_size: int = 16,
    steps: int = 1000,
    every: int = 100,
    minimum: int = 20,
    validation: float = 0.15,
    test: float = 0.15,
    wrong_labels: bool = False,
    seed: int = 0,
) -> Run:
    """The run.

    ``wrong_labels`` deals the training recordings' labels anew, at random: a control that must end at chance.

    Args:
        dropout: share of hidden units dropped
        penalty: times the squared weights of the fully connected layers, in the loss
        lr: Adam's rate
        batch_size: patches a step, each of another recording
        steps: steps of training
        every: steps between validations
        minimum: people with fewer recordings are left out
        validation: share of everybody's recordings to select on
        test: share of everybody's recordings that nothing is trained or selected on
        wrong_labels: the control
        seed: of split, start and draws
    """
    arguments: dict[str, Any] = dict(locals())
    control = seed if wrong_labels else None
    return Run(
        recipe="agarwal_voice_classifier",
        arguments=arguments,
        split=lambda corpus: split_known(
            corpus, minimum=minimum, seed=seed, validation=validation, test=test
        ),
        facts=_facts,
        build=lambda facts: VoiceClassifier(classes=len(facts["people"]), dropout=dropout, penalty=penalty),
        data=lambda selection, facts: Patches(
            selection, facts["people"], batch_size=batch_size, wrong_labels=control, seed=seed
        ),
        optimisers={"name": Optimiser(name="adam", lr=lr)},
        steps=steps,
        seed=seed,
        validate=_validate,
        every=every,
        select="-cross_entropy",
        contract=CONTRACT,
        licence="Apache-2.0",
    )


def smoke() -> Run:
    """The same in seconds."""
    return recipe(batch_size=4, steps=4, every=2, minimum=3, validation=0.3, test=0.3)


class Patches:
    """Batches of patches, each of a recording drawn at random, with the number of its speaker.

    Args:
        selection: whose voices.
        people: ids in the order of the classes.
        batch_size: patches a step; recordings may be fewer.
        wrong_labels: seed of the control in which labels are dealt anew; None: everybody has the own.
        seed: of every draw.
    """

    def __init__(
        self,
        selection: Selection,
        people: list[str],
        *,
        batch_size: int,
        wrong_labels: int | None,
        seed: int,
    ) -> None:
        self.selection, self.size, self.seed = selection, batch_size, seed
        self.classes = speaker_classes(selection, people)
        if wrong_labels is not None:
            self.classes = np.random.default_rng(wrong_labels).permutation(self.classes)
        self._kept: dict[int, Tensor] = {}

    def batch(self, step: int) -> dict[str, Tensor]:
        """``patches`` (batch, 60, 41, 2) and ``classes`` (batch,)."""
        digest = hashlib.blake2b(f"{self.seed}/{step}".encode(), digest_size=8).digest()
        random = np.random.default_rng(int.from_bytes(digest, "big"))
        picked = random.integers(len(self.classes), size=self.size)
        patches = [self._of(int(k)) for k in picked]
        chosen = [one[int(random.integers(len(one)))] for one in patches]
        return {"patches": torch.stack(chosen), "classes": torch.from_numpy(self.classes[picked])}

    def _of(self, place: int) -> Tensor:
        if place not in self._kept:
            wave = self.selection.corpus.wave(int(self.selection.voices[place]))
            self._kept[place] = non_silent_patches(wave)
        return self._kept[place]


def speaker_classes(selection: Selection, people: list[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The number in ``people`` of every voice's speaker, (voices,).

    Raises:
        InputError: somebody speaks who is not among them.
    """
    owners = selection.corpus.column("voices", "person")[selection.voices].astype(str)
    known = {person: place for place, person in enumerate(people)}
    strangers = sorted(set(owners.tolist()) - known.keys())
    if strangers:
        fault = f"{len(strangers)} people speak whom it was not trained on ({strangers[0]} for one)"
        remedy = "it knows its training people alone: leave the folds of unknown people away"
        raise InputError(selection.corpus.path, fault, remedy)
    return np.array([known[owner] for owner in owners.tolist()], dtype=np.int64)


def _facts(selection: Selection) -> Facts:
    owners = selection.corpus.column("voices", "person")[selection.voices].astype(str)
    people = sorted(set(owners.tolist()))
    if len(people) < 2:
        raise InputError(
            selection.corpus.path, f"has {len(people)} people with voices to tell apart", "prepare more"
        )
    return {"people": people}


def _validate(model: Model, selection: Selection, facts: Facts) -> dict[str, float]:
    """Cross-entropy and accuracy over whole recordings."""
    told = classifier_posteriors(cast(VoiceClassifier, model), selection)
    wanted = torch.from_numpy(speaker_classes(selection, facts["people"]))
    return {
        "cross_entropy": float(F.nll_loss(told.clamp_min(1e-12).log(), wanted)),
        "accuracy": float((told.argmax(1) == wanted).float().mean()),
    }


def classifier_posteriors(classifier: VoiceClassifier, selection: Selection) -> Tensor:
    """Posteriors (voices, people) of a selection's recordings, on the CPU."""
    waves = [selection.corpus.wave(row) for row in selection.voices.tolist()]
    with torch.no_grad():
        return classifier.posteriors(waves).cpu()
