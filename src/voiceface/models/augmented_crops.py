"""Crops of recordings for students of voice encoders, turned into other speakers in other rooms."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.audio.augment import (
    add_noise,
    add_reverb,
    band_limit,
    random_equaliser,
    resample_by,
    shift_formants,
)
from voiceface.corpus.splits import Selection
from voiceface.errors import InputError
from voiceface.records import SAMPLE_RATE


class AugmentedCrops:
    """Random crops of a selection's recordings.

    Args:
        selection: whose voices.
        samples: length of a crop; shorter recordings are padded with silence.
        augment: share of crops that become another speaker in another room.

    Raises:
        InputError: there are no voices.
    """

    def __init__(self, selection: Selection, *, samples: int, augment: float) -> None:
        if not len(selection.voices):
            raise InputError(selection.corpus.path, "holds no voices to learn from", "prepare some speech")
        self.selection, self.samples, self.augment = selection, samples, augment

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Crops (count, samples) in [-1, 1], of recordings chosen uniformly."""
        rows = self.selection.voices
        sampled = torch.randint(len(rows), (count,), generator=generator).tolist()
        # Women's and men's ranges overlap generously: a factor of 1.3 turns many a voice into the other.
        pitch = torch.exp(0.16 * torch.randn(count, generator=generator)).clamp(0.7, 1.45)
        changed = torch.rand(count, generator=generator) < self.augment
        pitch = torch.where(changed, pitch, 1.0)
        waves = torch.stack(
            [self._cut(int(rows[p]), r, generator) for p, r in zip(sampled, pitch.tolist(), strict=True)]
        )
        return torch.where(changed[:, None], _augment(waves, pitch, generator), waves)

    def _cut(self, row: int, ratio: float, generator: torch.Generator) -> Tensor:
        wave = self.selection.corpus.wave(row)
        needed = math.ceil(self.samples * ratio) + 256
        start = int(torch.randint(max(1, len(wave) - needed + 1), (1,), generator=generator))
        cut = torch.from_numpy(np.asarray(wave[start : start + needed], dtype=np.float32) / 32768)
        return resample_by(F.pad(cut, (0, needed - len(cut))), ratio, samples=self.samples)


def _augment(waves: Tensor, pitch: Tensor, generator: torch.Generator) -> Tensor:
    """Change vocal tract, room, microphone, noise, line and level."""
    count = len(waves)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    def some(share: float) -> Tensor:
        return torch.rand(count, 1, generator=generator) < share

    # Playing faster moved the formants with the pitch; half of that is taken back, for people differ so.
    tract = torch.exp(0.06 * torch.randn(count, generator=generator)) * pitch ** -uniform(0.0, 1.0)
    waves = shift_formants(waves, tract.clamp(0.75, 1.3))
    wet = torch.where(some(0.5)[:, 0], uniform(0.0, 0.8), torch.zeros(count))
    waves = add_reverb(waves, uniform(0.1, 0.8), wet, rate=SAMPLE_RATE, generator=generator)
    waves = torch.where(some(0.8), random_equaliser(waves, strength_db=5.0, generator=generator), waves)
    hiss = random_equaliser(
        torch.randn(waves.shape, generator=generator), strength_db=10.0, generator=generator
    )
    noise = torch.where(some(0.3), waves.roll(1, 0), hiss)
    waves = torch.where(some(0.6), add_noise(waves, noise, uniform(3.0, 35.0)), waves)
    line = band_limit(waves, uniform(3000.0, 8000.0), uniform(7.0, 12.0), rate=SAMPLE_RATE)
    waves = torch.where(some(0.3), line, waves)
    return waves * 10 ** (uniform(-20.0, 6.0)[:, None] / 20)
