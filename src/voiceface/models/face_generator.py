"""What all models that generate faces share: inputs become conditions, conditions become faces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from voiceface.models.generator_input import GeneratorInput, sample_indices
from voiceface.models.model import Model, Pictures

if TYPE_CHECKING:
    from voiceface.corpus.splits import Selection

BLOCK = 64
"""Faces generated at once."""


class FaceGenerator(Model):
    """A model that generates a face from what is known of an input and from random numbers.

    Subclasses define `conditions` and `generate_from`; they run in eval mode without gradients.

    Args:
        face_size: pixels a side of its faces.
        face_template: their alignment (`voiceface.face.align.TEMPLATES`).
        face_embedding_mean: mean dlib embedding of the training faces, (128,), the origin from which
            generated and real faces are compared.
    """

    evaluated_typical: bool = False
    """Whether its authors evaluate the typical face of a voice, not a random one."""

    def __init__(
        self, *, face_size: int, face_template: str, face_embedding_mean: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        self.face_size, self.face_template = face_size, face_template
        self.face_embedding_mean = face_embedding_mean

    def conditions(self, inputs: Sequence[GeneratorInput]) -> Tensor:
        """What the networks read of the inputs, (inputs, width).

        Raises:
            InputError: an input lacks what this model generates from.
        """
        raise NotImplementedError

    def corpus_conditions(self, selection: Selection) -> Iterable[Tensor]:
        """The conditions of all voices of a selection in its order, in blocks of `BLOCK` at most."""
        corpus = selection.corpus
        people = corpus.person_of("voices")
        for first in range(0, len(selection.voices), BLOCK):
            block = selection.voices[first : first + BLOCK].tolist()
            yield self.conditions([GeneratorInput(wave=corpus.wave(k), person=str(people[k])) for k in block])

    def generate_from(
        self, conditions: Tensor, samples: Sequence[int], *, seed: int = 0, typical: bool = False
    ) -> Pictures:
        """Faces (n, face_size, face_size, 3) of conditions (n, width).

        A face's random numbers depend on ``seed`` and its number in ``samples`` alone.
        """
        raise NotImplementedError

    @torch.no_grad()
    def generate(self, inputs: Sequence[GeneratorInput], *, seed: int = 0, typical: bool = False) -> Pictures:
        """As `Model.generate`."""
        if not inputs:
            return np.zeros((0, self.face_size, self.face_size, 3), np.uint8)
        return self.generate_from(self.conditions(inputs), sample_indices(inputs), seed=seed, typical=typical)


def to_pictures(faces: Tensor) -> Pictures:
    """Faces (n, 3, side, side) in [-1, 1], clamped, as pictures (n, side, side, 3) uint8."""
    pixels = faces.float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
