"""Hears speech by foretelling it: contexts c_t of raw sound, and ω = c_T of all that was heard.

Paper     van den Oord, Li, Vinyals 2018, Representation learning with contrastive predictive coding; the
          first stage of Si et al. 2021, Speech2Video, section 2.1
Data      any speech: voices and talking clips of a corpus, nobody's name or face
Command   voiceface train si_cpc --corpus CORPUS
Cost      see docs/papers/si.md
Reported  on LibriSpeech, 100 hours: speakers 97.4 %, phones 64.6 % by a linear probe (van den Oord et al.)
Differs   channels are normalised moment by moment; sound is brought to one level
          128 channels and contexts by default: 512 and 256 are the paper's (--width 512 --context 256)
          negatives are the batch's other moments, of the same recording and of others
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.corpus.clip_splits import without_people
from voiceface.corpus.splits import Selection, split_people
from voiceface.errors import InputError
from voiceface.models.model import Model
from voiceface.models.predictive_coding import Predictive
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.voice.cpc import HOP, loudness
from voiceface.training.run import Optimiser, Run

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = ["recipe", "smoke"]

_MAX_VALIDATED = 256
"""Recordings that a validation hears, at most, sixteen at a time."""
_AT_ONCE = 16


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
) -> Run:
    """The run; ``horizon`` is in steps of 10 ms, ``moments`` are predicted from in each piece of sound.

    ``leave_out`` names people, separated by commas, who are in no part.
    """
    arguments: dict[str, Any] = dict(locals())
    length = round(seconds * 100)
    if not 0 < horizon < length - 1:
        raise InputError("horizon", f"is {horizon} steps in {seconds:g} s", "give fewer, or longer pieces")
    return Run(
        recipe="si_cpc",
        arguments=arguments,
        split=lambda corpus: without_people(
            split_people(corpus, seed=seed, validation=validation, test=test), leave_out
        ),
        facts=lambda selection: {},
        build=lambda facts: Predictive(width=width, context=context, horizon=horizon),
        data=lambda selection, facts: _Pieces(
            selection, length, horizon, size=batch_size, moments=moments, seed=seed
        ),
        optimisers={
            "predict": Optimiser(name="adam", lr=lr, schedule="cosine", final=0.05, warmup=50, clip=1.0)
        },
        steps=steps,
        seed=seed,
        validate=lambda model, selection, facts: _validate(model, selection, length, moments),
        every=every,
        select="right",
        half=True,
        contract={"rate": 16_000, "hop": HOP, "clips": True},
        licence="Apache-2.0",
    )


def smoke() -> Run:
    """The same in seconds."""
    return recipe(
        width=8, context=8, horizon=3, seconds=0.3, batch_size=4, moments=2, steps=4, every=2, validation=0.34
    )


Sound = list[tuple[str, int]]
"""Voices and clips by their table and place."""


def _sound(selection: Selection) -> Sound:
    parts = (("voices", selection.voices), ("clips", selection.clips))
    return [(table, row) for table, rows in parts for row in rows.tolist()]


def _heard(corpus: Corpus, item: tuple[str, int], length: int, random: np.random.Generator) -> Tensor:
    """A piece of ``length`` steps, from anywhere; what is shorter is repeated."""
    table, row = item
    wave = as_wave(corpus.wave(row) if table == "voices" else corpus.clip_wave(row))
    count = length * HOP
    if len(wave) < count:
        wave = torch.from_numpy(np.resize(wave.numpy(), count)) if len(wave) else torch.zeros(count)
    first = int(random.integers(len(wave) - count + 1))
    piece = wave[first : first + count]
    return piece / loudness(piece)


def _moments(
    random: np.random.Generator, length: int, horizon: int, shape: tuple[int, int]
) -> npt.NDArray[np.int64]:
    """Moments that have heard a fifth of the piece and have a whole horizon before them."""
    return random.integers(min(length // 5, length - horizon - 1), length - horizon, shape)


class _Pieces:
    """Batches of pieces of sound, each a pure function of the step."""

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
        self.corpus, self.sound = selection.corpus, _sound(selection)
        if not self.sound:
            raise InputError(self.corpus.path, "holds no sound to learn from", "prepare voices or clips")
        self.length, self.horizon, self.size = length, horizon, size
        self.moments, self.seed = moments, seed

    def batch(self, step: int) -> dict[str, Tensor]:
        """``waves`` (n, samples) and the moments ``at`` (n, m)."""
        digest = hashlib.blake2b(f"{self.seed}/{step}".encode(), digest_size=8).digest()
        random = np.random.default_rng(int.from_bytes(digest, "big"))
        picked = random.choice(len(self.sound), self.size, replace=len(self.sound) < self.size)
        waves = [_heard(self.corpus, self.sound[k], self.length, random) for k in picked.tolist()]
        at = _moments(random, self.length, self.horizon, (self.size, self.moments))
        return {"waves": torch.stack(waves), "at": torch.from_numpy(at)}


def _validate(model: Model, selection: Selection, length: int, moments: int) -> dict[str, float]:
    """How often the right latent is found, over the horizon, among those of sixteen recordings."""
    predictive = cast(Predictive, model)
    sound = _sound(selection)
    sound = sound[:: max(1, -(-len(sound) // _MAX_VALIDATED))]
    if not sound:
        raise InputError("validation", "holds no sound", "give it a larger share")
    random = np.random.default_rng(0)
    device = next(model.parameters()).device
    found = []
    for first in range(0, len(sound), _AT_ONCE):
        some = sound[first : first + _AT_ONCE]
        waves = torch.stack([_heard(selection.corpus, item, length, random) for item in some])
        at = torch.from_numpy(_moments(random, length, predictive.horizon, (len(some), moments)))
        losses, right = predictive.judged(waves.to(device), at.to(device))
        found.append((float(losses.mean()), float(right.mean()), float(right[-1])))
    loss, near, far = np.mean(found, axis=0).tolist()
    return {
        "loss": loss,
        "right": near,
        "right_far": far,
        "chance": 1 / (min(_AT_ONCE, len(sound)) * moments),
    }
