"""Contrastive predictive coding (CPC) of speech: contexts c_t of raw sound that predict the next latents.

Paper     van den Oord, Li, Vinyals 2018, Representation learning with contrastive predictive coding; the
          first stage of Si et al. 2021, Speech2Video, section 2.1
Data      any speech: voices and talking clips of a corpus, nobody's name or face
Command   voiceface train si_cpc --corpus CORPUS
Cost      see docs/papers/si.md
Reported  on LibriSpeech, 100 hours: speakers 97.4 %, phones 64.6 % by a linear probe (van den Oord et al.)
Differs   channels are normalised at each moment; sound is brought to one level
          128 channels and contexts by default: 512 and 256 are the paper's (--width 512 --context 256)
          Adam, as van den Oord et al. (Si et al.: RMSProp), at 1e-3 falling by a cosine over 20,000 steps
          negatives are the batch's other moments, of the same recording and of others
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.corpus.clip_splits import without_people
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import Selection, Split, split_people
from voiceface.errors import InputError
from voiceface.models.predictive_coding import PredictiveCoding
from voiceface.models.step_seed import numpy_generator
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.voice.cpc import HOP, rms_level
from voiceface.records import SAMPLE_RATE
from voiceface.training.option_help import option_help
from voiceface.training.run import Facts, Optimiser, Run

_MAX_VALIDATED = 256
"""The largest number of recordings in a validation, which go through in batches of `_BATCH`."""
_BATCH = 16


@option_help()
def recipe(
    *,
    width: int = 128,
    context: int = 128,
    horizon: int = 12,
    seconds: float = 1.28,
    batch_size: int = 16,
    moments: int = 8,
    lr: float = 1e-3,
    steps: int = 20_000,
    every: int = 1_000,
    validation: float = 0.05,
    test: float = 0.0,
    leave_out: str = "",
    seed: int = 0,
) -> Run[PredictiveCoding]:
    """Train contrastive predictive coding (CPC) on speech.

    Args:
        width: channels of the convolutions, the size of a latent
        context: size of a context, the units of the recurrent layer
        horizon: number of next steps of 10 ms that are predicted
        seconds: length of a training segment in seconds
        batch_size: segments a step
        moments: moments of each segment that predictions are made from
    """
    arguments: dict[str, Any] = dict(locals())
    length = round(seconds * 100)
    if not 0 < horizon < length - 1:
        raise InputError("horizon", f"is {horizon} steps in {seconds:g} s", "give fewer, or longer segments")

    def split(corpus: Corpus) -> Split:
        return without_people(split_people(corpus, seed=seed, validation=validation, test=test), leave_out)

    return Run(
        recipe="si_cpc",
        arguments=arguments,
        split=split,
        facts=lambda selection: {},
        build=lambda facts: PredictiveCoding(width=width, context=context, horizon=horizon),
        data=lambda selection, facts: _Segments(
            selection, length, horizon, size=batch_size, moments=moments, seed=seed
        ),
        optimisers={
            "predict": Optimiser(name="adam", lr=lr, schedule="cosine", final=0.05, warmup=50, clip=1.0)
        },
        steps=steps,
        seed=seed,
        validate=partial(_validate, length=length, moments=moments),
        every=every,
        select="accuracy",
        half=True,
        contract={"rate": SAMPLE_RATE, "hop": HOP, "clips": True},
        licence="Apache-2.0",
    )


def smoke() -> Run[PredictiveCoding]:
    """The same in seconds."""
    return recipe(
        width=8, context=8, horizon=3, seconds=0.3, batch_size=4, moments=2, steps=4, every=2, validation=0.34
    )


SoundItem = tuple[str, int]
"""A voice or clip: its table and index."""


def _sound_items(selection: Selection) -> list[SoundItem]:
    tables = (("voices", selection.voices), ("clips", selection.clips))
    return [(table, row) for table, rows in tables for row in rows.tolist()]


def _read_segment(corpus: Corpus, item: SoundItem, length: int, random: np.random.Generator) -> Tensor:
    """A random segment of ``length`` steps; a shorter recording is repeated."""
    table, row = item
    wave = as_wave(corpus.wave(row) if table == "voices" else corpus.clip_wave(row))
    count = length * HOP
    if len(wave) < count:
        wave = torch.from_numpy(np.resize(wave.numpy(), count))
    first = int(random.integers(len(wave) - count + 1))
    segment = wave[first : first + count]
    return segment / rms_level(segment)


def _sample_moments(
    random: np.random.Generator, length: int, horizon: int, shape: tuple[int, int]
) -> npt.NDArray[np.int64]:
    """Moments with a fifth of the segment before them and a whole horizon after them."""
    return random.integers(min(length // 5, length - horizon - 1), length - horizon, shape)


class _Segments:
    """Batches of segments of sound, each a function of the step."""

    def __init__(
        self,
        selection: Selection,
        length: int,
        horizon: int,
        *,
        size: int,
        moments: int,
        seed: int,
    ) -> None:
        self.corpus, self.items = selection.corpus, _sound_items(selection)
        if not self.items:
            raise InputError(self.corpus.path, "holds no sound to learn from", "prepare voices or clips")
        self.length, self.horizon, self.size = length, horizon, size
        self.moments, self.seed = moments, seed

    def batch(self, step: int) -> dict[str, Tensor]:
        """``waves`` (n, samples) and the moments ``at`` (n, m)."""
        random = numpy_generator(self.seed, step)
        sampled = random.choice(len(self.items), self.size, replace=len(self.items) < self.size)
        waves = [_read_segment(self.corpus, self.items[k], self.length, random) for k in sampled.tolist()]
        at = _sample_moments(random, self.length, self.horizon, (self.size, self.moments))
        return {"waves": torch.stack(waves), "at": torch.from_numpy(at)}


def _validate(
    model: PredictiveCoding, selection: Selection, facts: Facts, *, length: int, moments: int
) -> dict[str, float]:
    """Loss and accuracy over the horizon, against the latents of sixteen recordings."""
    items = _sound_items(selection)
    items = items[:: max(1, -(-len(items) // _MAX_VALIDATED))]
    if not items:
        raise InputError("validation", "holds no sound", "give it a larger share")
    random = np.random.default_rng(0)
    device = next(model.parameters()).device
    found = []
    for first in range(0, len(items), _BATCH):
        some = items[first : first + _BATCH]
        waves = torch.stack([_read_segment(selection.corpus, item, length, random) for item in some])
        at = torch.from_numpy(_sample_moments(random, length, model.horizon, (len(some), moments)))
        losses, accuracies = model.losses_and_accuracies(waves.to(device), at.to(device))
        found.append((float(losses.mean()), float(accuracies.mean()), float(accuracies[-1])))
    loss, near, far = np.mean(found, axis=0).tolist()
    chance = 1 / (min(_BATCH, len(items)) * moments)
    return {"loss": loss, "accuracy": near, "accuracy_far": far, "chance": chance}
