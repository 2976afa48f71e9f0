"""Our own voice encoder, distilled from every layer of a published speaker encoder on augmented speech.

Paper     Wan, Wang, Papir, Lopez Moreno 2018, Generalized End-to-End Loss (the teacher's shape); the
          distillation of its layers is ours
Data      voices alone, of anybody; each crop becomes another speaker (pitch, formants) in another room
Command   voiceface train voice_student --corpus CORPUS
Cost      see docs/model-cards/matcher.md
Reported  nothing published; the figure is the cosine to the teacher on validation people
Differs   the teacher was trained to tell 18,000 speakers apart; this one only to reproduce its embeddings
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.audio.ge2e_features import PARTIAL_FRAMES, ge2e_mel, normalise_volume
from voiceface.corpus.splits import Selection, split_people
from voiceface.models.augmented_crops import AugmentedCrops
from voiceface.models.encoders import ge2e
from voiceface.models.step_seed import torch_generator
from voiceface.models.voice_distillation import VoiceDistillation
from voiceface.nn.voice.ge2e import Ge2e
from voiceface.records import SAMPLE_RATE
from voiceface.training.option_help import option_help
from voiceface.training.run import Facts, Optimiser, Run

RENAMED = {"altered": "augment"}
"""Options of weights trained by older versions, and their names now."""
SAMPLES = PARTIAL_FRAMES * 160
_READ_EVERY = 8


@option_help()
def recipe(
    *,
    lr: float = 2e-3,
    batch_size: int = 48,
    steps: int = 6000,
    forced_steps: int = 800,
    augment: float = 0.85,
    every: int = 250,
    seed: int = 0,
) -> Run[VoiceDistillation]:
    """Distil the published GE2E speaker encoder into our own network.

    Args:
        batch_size: crops of 1.6 s a step
        forced_steps: first steps, in which the student gets the teacher's states (teacher forcing)
        augment: share of crops turned into another speaker in another room
    """
    return Run(
        recipe="voice_student",
        arguments=dict(locals()),
        split=lambda corpus: split_people(corpus, seed=seed, validation=0.08, test=0.0),
        facts=lambda selection: {"scale": _scale(selection)},
        build=lambda facts: VoiceDistillation(scale=facts["scale"]),
        data=lambda selection, facts: DistillationBatches(
            selection, batch_size=batch_size, forced_steps=forced_steps, augment=augment, seed=seed
        ),
        optimisers={"imitate": Optimiser(name="adam", lr=lr, schedule="cosine", warmup=100, clip=1.0)},
        steps=steps,
        seed=seed,
        validate=_validate,
        every=every,
        select="cosine",
        half=True,
        contract={"rate": SAMPLE_RATE, "features": "ge2e_mel", "window_frames": PARTIAL_FRAMES},
        licence="Apache-2.0",
    )


def smoke() -> Run[VoiceDistillation]:
    """The same in seconds."""
    return recipe(batch_size=4, steps=4, forced_steps=2, every=2)


class DistillationBatches:
    """Augmented crops of 1.6 s with the states of the teacher's layers.

    The options are the recipe's.
    """

    def __init__(
        self, selection: Selection, *, batch_size: int, forced_steps: int, augment: float, seed: int
    ) -> None:
        self.crops = AugmentedCrops(selection, samples=SAMPLES, augment=augment)
        self.size, self.forced, self.seed = batch_size, forced_steps, seed
        self.teacher = _teacher()

    def batch(self, step: int) -> dict[str, Any]:
        """The crops of ``step`` with the teacher's states and embeddings."""
        generator = torch_generator(self.seed, step)
        forced = step < self.forced
        with torch.no_grad():
            mels = ge2e_mel(normalise_volume(self.crops.sample(self.size, generator)))[:, :PARTIAL_FRAMES]
            states = torch.stack(self.teacher.states(mels))
            embedding = self.teacher.embedding(states[-1][:, ::_READ_EVERY] if forced else states[-1][:, -1])
        key = "readout" if forced else "embedding"
        return {"mels": mels, "states": states.transpose(0, 1), key: embedding, "forced": forced}


class _Teacher(torch.nn.Module):
    """The published encoder with access to the states of its layers."""

    def __init__(self, network: Ge2e) -> None:
        super().__init__()
        self.network = network

    def states(self, mels: Tensor) -> list[Tensor]:
        lstm, states, rows = self.network.lstm, [], mels
        zero = mels.new_zeros(1, len(mels), lstm.hidden_size)
        for layer in range(lstm.num_layers):
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            weights = [getattr(lstm, f"{name}_l{layer}") for name in names]
            rows = torch.lstm(rows, (zero, zero), weights, True, 1, 0.0, False, False, True)[0]
            states.append(rows)
        return states

    def embedding(self, state: Tensor) -> Tensor:
        return F.normalize(F.relu(self.network.linear(state)), dim=-1)


def _teacher() -> _Teacher:
    network = ge2e.load().network
    assert isinstance(network, Ge2e)
    return _Teacher(network)


def _scale(selection: Selection) -> list[float]:
    """Root mean square of each mel band over up to 200 recordings, at the encoder's input level."""
    rows = selection.voices[:: max(1, len(selection.voices) // 200)]
    total, frames = torch.zeros(40, dtype=torch.float64), 0
    for row in rows:
        wave = torch.from_numpy(np.asarray(selection.corpus.wave(int(row)), dtype=np.float32) / 32768)
        mels = ge2e_mel(normalise_volume(wave))
        total, frames = total + mels.double().square().sum(0), frames + len(mels)
    return [round(value, 8) for value in (total / max(1, frames)).sqrt().clamp_min(1e-6).tolist()]


def _validate(model: VoiceDistillation, selection: Selection, facts: Facts) -> dict[str, float]:
    """Cosine to the teacher without teacher forcing, on plain and on augmented crops of validation people."""
    figures = {}
    device = model.student.scale.device
    count = min(128, 8 * len(selection.voices))
    for name, augment in (("cosine", 0.0), ("cosine_altered", 1.0)):
        crops = DistillationBatches(selection, batch_size=count, forced_steps=0, augment=augment, seed=1)
        batch = crops.batch(0)
        embeddings = model.student(batch["mels"].to(device))
        figures[name] = float(F.cosine_similarity(embeddings.cpu(), batch["embedding"], dim=-1).mean())
    return figures
