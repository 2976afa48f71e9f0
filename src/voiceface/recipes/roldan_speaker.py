"""Classifies known speakers: trains the speech encoder from which roldan_speech2face then generates faces.

Paper     Roldán 2018, Speech-conditioned Face Generation with Deep Adversarial Networks, section VI
Data      speech of known people, divided as that of roldan_speech2face
Command   voiceface train roldan_speaker --corpus CORPUS, then roldan_speech2face --speech-encoder FOLDER
Cost      see docs/papers/roldan.md
Reported  nothing: the thesis names it as what could help, and did not train it
Differs   the training is not described: softmax over the training people, Adam at 1e-3 for 2,000 steps; the
          step of the lowest validation cross-entropy is kept
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from voiceface.corpus.splits import Selection, split_known
from voiceface.models.conditions import FRAME, Speech
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.known_people import fill_speech, speech_frames
from voiceface.models.speech_classifier import SpeechClassifier
from voiceface.recipes._known_speakers import SpeakerBatches, speaker_facts, speaker_metrics
from voiceface.records import SAMPLE_RATE
from voiceface.training.encoder_pairs import evenly_chosen
from voiceface.training.option_help import option_help
from voiceface.training.run import Facts, Optimiser, Run

_BLOCK = 32


@option_help()
def recipe(
    *,
    form: Literal["waveform", "mel"] = "waveform",
    speech_width: int = 64,
    dim: int = 128,
    lr: float = 1e-3,
    batch_size: int = 64,
    steps: int = 2_000,
    every: int = 200,
    by: Literal["recording", "session", "clip"] = "session",
    minimum: int = 3,
    wrong_labels: bool = False,
    seed: int = 0,
) -> Run[SpeechClassifier]:
    """The run; the split is that of ``roldan_speech2face`` with the same ``by``, ``minimum`` and seed.

    Args:
        form: what the encoder reads: the waveform, or log-mels
        speech_width: channels of the encoder's first block (64 gives 64 to 1024)
        dim: dimensions of the speech embedding
        batch_size: frames of four seconds a step, each of a random recording
        by: what is never divided between the parts of the split: a recording, a session or a clip
        minimum: people with fewer recordings, sessions or clips are left out
        wrong_labels: shuffle the labels of the training recordings: a control that must end at chance
    """
    arguments: dict[str, Any] = dict(locals())
    return Run(
        recipe="roldan_speaker",
        arguments=arguments,
        people="known",
        split=partial(split_known, by=by, minimum=minimum, seed=seed),
        facts=speaker_facts,
        build=partial(_build, form=form, width=speech_width, dim=dim),
        data=partial(FrameBatches, batch_size=batch_size, wrong_labels=wrong_labels, seed=seed),
        optimisers={"speaker": Optimiser(name="adam", lr=lr)},
        steps=steps,
        seed=seed,
        validate=_validate,
        every=every,
        select="-cross_entropy",
        contract={"rate": SAMPLE_RATE, "samples": FRAME, "features": form},
        licence="Apache-2.0",
    )


def smoke() -> Run[SpeechClassifier]:
    """The same in seconds."""
    return recipe(speech_width=2, dim=16, batch_size=4, steps=4, every=2)


def _build(facts: Facts, *, form: Literal["waveform", "mel"], width: int, dim: int) -> SpeechClassifier:
    return SpeechClassifier(Speech(form, width=width, dim=dim), classes=len(facts["people"]))


class FrameBatches(SpeakerBatches):
    """Batches of random four seconds of random recordings, with the indices of their speakers."""

    def batch(self, step: int) -> dict[str, Tensor]:
        """``waves`` (batch, 64000) int16 and ``people`` (batch,)."""
        voices, classes, random = self.choose(step)
        waves = np.zeros((self.batch_size, FRAME), np.int16)
        for out, voice in zip(waves, voices, strict=True):
            fill_speech(out, self.selection.corpus.wave(voice), random)
        return {"waves": torch.from_numpy(waves), "people": classes}


def _validate(model: SpeechClassifier, selection: Selection, facts: Facts) -> dict[str, float]:
    """Cross-entropy and accuracy over the middle four seconds of the recordings, of 2,000 at most."""
    selection = evenly_chosen(selection)
    device = next(model.parameters()).device
    blocks = selection.voices.tolist()
    logits = []
    for first in range(0, len(blocks), _BLOCK):
        waves = [selection.corpus.wave(index) for index in blocks[first : first + _BLOCK]]
        frames = speech_frames([GeneratorInput(wave=wave) for wave in waves], FRAME)
        logits.append(model.logits({"waves": frames.to(device)}).float().cpu())
    return speaker_metrics(torch.cat(logits).log_softmax(1), selection, facts)
