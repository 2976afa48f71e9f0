"""Classifies speakers: trains the voice network that Wen et al. freeze to generate faces from.

Paper     Wen, Singh, Raj 2019, Face Reconstruction from Voice using GANs (section 3.1.3, Table 2)
Data      voices; every training person is a class
Command   voiceface train wen_speaker --corpus CORPUS
Cost      see docs/papers/wen.md
Reported  nothing: the paper takes a pretrained network and prints no figure of it
Differs   how the network was trained is not stated: here softmax over the training people, Adam 1e-3
          selection by verification between halves of validation recordings, as many people have one alone
          recordings without detectable speech are used whole
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.corpus.splits import Selection, split_people
from voiceface.errors import InputError
from voiceface.metrics.roc import auc
from voiceface.models.logmels import corpus_logmels
from voiceface.models.step_seed import torch_generator
from voiceface.models.wen_gan import WenSpeaker
from voiceface.protocols.pair_verification import pair_trials
from voiceface.records import SAMPLE_RATE
from voiceface.training.encoder_pairs import evenly_chosen
from voiceface.training.option_help import option_help
from voiceface.training.run import Facts, Optimiser, Run


@option_help()
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
) -> Run[WenSpeaker]:
    """The run; the split is that of ``wen_voice2face`` with the same shares and seed.

    Args:
        width: channels of the network's first layer
        batch_size: crops of recordings a step
    """
    return Run(
        recipe="wen_speaker",
        arguments=dict(locals()),
        split=partial(split_people, seed=seed, validation=validation, test=test),
        facts=_facts,
        build=partial(_build, width=width, dim=dim),
        data=partial(CropBatches, batch_size=batch_size, seed=seed),
        optimisers={"speaker": Optimiser(name="adam", lr=lr, schedule="cosine")},
        steps=steps,
        seed=seed,
        validate=_validate,
        every=every,
        contract={"rate": SAMPLE_RATE, "features": "wen_logmel", "frames": [300, 800]},
        licence="Apache-2.0",
    )


def smoke() -> Run[WenSpeaker]:
    """The same in seconds."""
    return recipe(width=16, batch_size=6, steps=4, every=2, validation=0.2)


def _build(facts: Facts, *, width: int, dim: int) -> WenSpeaker:
    return WenSpeaker(classes=facts["classes"], width=width, dim=dim)


class CropBatches:
    """Random crops of random voices, with the indices of their people.

    The options are the recipe's.
    """

    def __init__(self, selection: Selection, facts: Facts, *, batch_size: int, seed: int) -> None:
        self.voices, self.batch_size, self.seed = selection.voices, batch_size, seed
        owners = selection.person_of("voices")
        _, classes = np.unique(owners, return_inverse=True)
        self.classes = torch.from_numpy(classes.astype(np.int64))
        self.logmels = corpus_logmels(selection.corpus)

    def batch(self, step: int) -> dict[str, Tensor]:
        """``voices`` (n, 64, frames) and ``people`` (n,)."""
        random = torch_generator(self.seed, step)
        chosen = torch.randint(len(self.voices), (self.batch_size,), generator=random)
        return {
            "voices": self.logmels.crops(self.voices[chosen.numpy()], random),
            "people": self.classes[chosen],
        }


def _facts(selection: Selection) -> Facts:
    owners = np.unique(selection.person_of("voices"))
    if len(owners) < 2:
        fault = f"has {len(owners)} training people with a voice to classify"
        raise InputError(selection.corpus.path, fault, "prepare more people")
    return {"classes": len(owners)}


def _validate(model: WenSpeaker, selection: Selection, facts: Facts) -> dict[str, float]:
    """AUC of verification between first and second halves of the validation recordings, of 2,000 at most."""
    selection = evenly_chosen(selection)
    logmels = corpus_logmels(selection.corpus)
    device = next(model.parameters()).device
    halves: list[list[Tensor]] = [[], []]
    for index in selection.voices.tolist():
        whole = logmels.whole(index).T.to(device)
        for embeddings, part in zip(halves, whole.chunk(2, dim=1), strict=True):
            embeddings.append(model.voice(part[None]))
    first, second = (F.normalize(torch.cat(side), dim=1).cpu().double() for side in halves)
    owners = selection.person_of("voices")
    trials = pair_trials((first @ second.T).numpy(), people=(owners, owners))
    if trials.labels.all() or not trials.labels.any():
        raise InputError("validation", "has only one person", "give --validation a larger share")
    return {"auc": float(auc(trials.scores, trials.labels))}
