"""Tells speakers apart: the voice network that Wen et al. freeze and draw faces from.

Paper     Wen, Singh, Raj 2019, Face Reconstruction from Voice using GANs (section 3.1.3, Table 2)
Data      voices; every training person is a class
Command   voiceface train wen_speaker --corpus CORPUS
Cost      see docs/papers/wen.md
Reported  nothing: the paper takes a pretrained network and prints no figure of it
Differs   how the network was trained is not told: here softmax over the training people, Adam 1e-3
          selection by telling halves of a validation recording from other people's, as many have one alone
          recordings in which no speech is found are taken whole
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.corpus.splits import Selection, split_people
from voiceface.errors import InputError
from voiceface.metrics.roc import auc
from voiceface.models.logmels import corpus_logmels
from voiceface.models.model import Model
from voiceface.models.wen_gan import WenSpeaker
from voiceface.protocols.pair_verification import pair_trials
from voiceface.training.run import Facts, Optimiser, Run

__all__ = ["recipe", "smoke"]


def recipe(
    *,
    width: int = 256,
    dim: int = 64,
    lr: float = 1e-3,
    batch_size: int = 128,
    steps: int = 20_000,
    every: int = 500,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
) -> Run:
    """The run; the split is that of ``wen_voice2face`` with the same shares and seed."""
    return Run(
        recipe="wen_speaker",
        arguments=dict(locals()),
        split=lambda corpus: split_people(corpus, seed=seed, validation=validation, test=test),
        facts=_facts,
        build=lambda facts: WenSpeaker(classes=facts["classes"], width=width, dim=dim),
        data=lambda selection, facts: Crops(selection, batch_size=batch_size, seed=seed),
        optimisers={"speaker": Optimiser(name="adam", lr=lr, schedule="cosine")},
        steps=steps,
        seed=seed,
        validate=_validate,
        every=every,
        contract={"rate": 16_000, "features": "wen_logmel", "frames": [300, 800]},
        licence="Apache-2.0",
    )


def smoke() -> Run:
    """The same in seconds."""
    return recipe(width=16, batch_size=6, steps=4, every=2, validation=0.2)


class Crops:
    """Crops of voices drawn at random, with the numbers of their people.

    Args:
        selection: whose voices.
        batch_size: crops a step.
        seed: of every draw.
    """

    def __init__(self, selection: Selection, *, batch_size: int, seed: int) -> None:
        self.rows, self.size, self.seed = selection.voices, batch_size, seed
        owners = selection.corpus.column("voices", "person")[selection.voices].astype(str)
        self.people, numbers = np.unique(owners, return_inverse=True)
        self.numbers = torch.from_numpy(numbers.astype(np.int64))
        self.logmels = corpus_logmels(selection.corpus)

    def batch(self, step: int) -> dict[str, Tensor]:
        """``voices`` (n, 64, frames) and ``people`` (n,)."""
        digest = hashlib.blake2b(f"{self.seed}/{step}".encode(), digest_size=8).digest()
        random = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
        picked = torch.randint(len(self.rows), (self.size,), generator=random)
        return {
            "voices": self.logmels.crops(self.rows[picked.numpy()], random),
            "people": self.numbers[picked],
        }


def _facts(selection: Selection) -> Facts:
    owners = np.unique(selection.corpus.column("voices", "person")[selection.voices].astype(str))
    if len(owners) < 2:
        fault = f"has {len(owners)} training people with a voice to tell apart"
        raise InputError(selection.corpus.path, fault, "prepare more people")
    return {"classes": len(owners)}


def _validate(model: Model, selection: Selection, facts: Facts) -> dict[str, float]:
    """AUC of first halves of recordings against second halves, one person's against two people's."""
    assert isinstance(model, WenSpeaker)
    logmels, corpus = corpus_logmels(selection.corpus), selection.corpus
    device = next(model.parameters()).device
    halves: list[list[Tensor]] = [[], []]
    for row in selection.voices.tolist():
        whole = logmels.bare(row).T.to(device)
        for kept, part in zip(halves, whole.chunk(2, dim=1), strict=True):
            kept.append(model.voice(part[None]))
    first, second = (F.normalize(torch.cat(rows), dim=1).cpu().double() for rows in halves)
    owners = corpus.column("voices", "person")[selection.voices].astype(str)
    trials = pair_trials((first @ second.T).numpy(), people=(owners, owners))
    if trials.labels.all() or not trials.labels.any():
        raise InputError("validation", "holds one person alone", "give --validation a larger share")
    return {"auc": float(auc(trials.scores, trials.labels))}
