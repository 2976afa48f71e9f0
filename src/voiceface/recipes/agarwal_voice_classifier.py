"""Classifies known speakers from log-mel patches; its 128-dimensional embeddings serve for any voice.

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
          silent patches are left out (Piczak 2015); a recording's prediction is the mean of its patches'
          early stopping: the training runs to the end and keeps the step of the lowest validation
          cross-entropy; Adam at the printed 1e-3 for 1,000 steps: batch size and steps are not stated
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from voiceface.audio.logmel_patches import BANDS, FRAMES
from voiceface.corpus.splits import Selection, split_known
from voiceface.models.voice_classifier import VoiceClassifier, non_silent_patches
from voiceface.recipes._known_speakers import SpeakerBatches, speaker_facts, speaker_metrics
from voiceface.records import SAMPLE_RATE
from voiceface.training.option_help import option_help
from voiceface.training.run import Facts, Optimiser, Run

CONTRACT = {"rate": SAMPLE_RATE, "features": "logmel_patches", "bands": BANDS, "frames": FRAMES, "dim": 128}
"""The classifier's features; recipes that build on its embeddings check them."""


@option_help()
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
) -> Run[VoiceClassifier]:
    """The run.

    Args:
        dropout: share of hidden units dropped, 0 to 1
        penalty: loss weight of the squared weights of the fully connected layers
        batch_size: patches a step, each of another recording
        validation: share of everybody's recordings to select the best step on
        test: share of everybody's recordings that nothing is trained or selected on
        wrong_labels: shuffle the labels of the training recordings: a control that must end at chance
    """
    arguments: dict[str, Any] = dict(locals())
    return Run(
        recipe="agarwal_voice_classifier",
        arguments=arguments,
        people="known",
        split=partial(
            split_known, by="session", minimum=minimum, seed=seed, validation=validation, test=test
        ),
        facts=speaker_facts,
        build=partial(_build, dropout=dropout, penalty=penalty),
        data=partial(PatchBatches, batch_size=batch_size, wrong_labels=wrong_labels, seed=seed),
        optimisers={"name": Optimiser(name="adam", lr=lr)},
        steps=steps,
        seed=seed,
        validate=_validate,
        every=every,
        select="-cross_entropy",
        contract=CONTRACT,
        licence="Apache-2.0",
    )


def smoke() -> Run[VoiceClassifier]:
    """The same in seconds."""
    return recipe(batch_size=4, steps=4, every=2, minimum=3, validation=0.3, test=0.3)


def _build(facts: Facts, *, dropout: float, penalty: float) -> VoiceClassifier:
    return VoiceClassifier(classes=len(facts["people"]), dropout=dropout, penalty=penalty)


class PatchBatches(SpeakerBatches):
    """Batches of random patches of random recordings, with the indices of their speakers.

    The options are the recipe's.
    """

    def __init__(self, selection: Selection, facts: Facts, **options: Any) -> None:  # noqa: ANN401
        super().__init__(selection, facts, **options)
        self._patches: dict[int, Tensor] = {}

    def batch(self, step: int) -> dict[str, Tensor]:
        """``patches`` (batch, 60, 41, 2) and ``classes`` (batch,)."""
        voices, classes, random = self.choose(step)
        recordings = [self._patches_of(voice) for voice in voices]
        patches = [one[int(random.integers(len(one)))] for one in recordings]
        return {"patches": torch.stack(patches), "classes": classes}

    def _patches_of(self, voice: int) -> Tensor:
        if voice not in self._patches:
            self._patches[voice] = non_silent_patches(self.selection.corpus.wave(voice))
        return self._patches[voice]


def _validate(model: VoiceClassifier, selection: Selection, facts: Facts) -> dict[str, float]:
    """Cross-entropy and accuracy over whole recordings."""
    return speaker_metrics(classifier_posteriors(model, selection).clamp_min(1e-12).log(), selection, facts)


def classifier_posteriors(classifier: VoiceClassifier, selection: Selection) -> Tensor:
    """Posteriors (voices, people) of a selection's recordings, on the CPU."""
    waves = [selection.corpus.wave(index) for index in selection.voices.tolist()]
    with torch.no_grad():
        return classifier.posteriors(waves).cpu()
