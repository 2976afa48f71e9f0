"""A matcher in two steps: which of two groups, and within them the finer link of `Matching`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from voiceface.models.blockwise_pca import Block, BlockwisePca
from voiceface.models.matching import Matching
from voiceface.models.model import Batch, Model, Shared, Turn
from voiceface.models.two_groups import TwoGroups

__all__ = ["GroupedMatching"]


class GroupedMatching(Model):
    """Wide face rows reduced, two groups parted, and what is left of both sides matched.

    A dot product of two embeddings is the sum of the groups' log odds and ``weight`` times the finer
    link's, over a constant that brings every embedding to a length of 1: what a row lacks in length
    stands in a number of its own, at which the other side's rows hold zero.

    Args:
        rest: the finer link; its face rows are the reduced ones.
        blocks: the kinds of numbers in a face's row, and how many of each are kept.
        weight: of the finer link's cosine, in nats.
    """

    class_heads = ("link.voice_heads", "link.face_heads")
    """Fine-tuning may add heads to weights that have none."""

    def __init__(self, rest: Matching, *, blocks: Sequence[Block], weight: float = 5.0) -> None:
        super().__init__()
        self.reduction = BlockwisePca(blocks)
        width = rest.get_buffer("voice_mean").shape[0]
        self.groups = TwoGroups(voice_width=width, face_width=self.reduction.dim)
        self.link, self.weight = rest, weight
        self.dim = rest.dim + self.groups.rank + 2

    def start(self, voices: Tensor, faces: Tensor, *, ridge: float) -> None:
        """Put the closed-form answer for these pairs in place."""
        self.reduction.fit(faces)
        faces = self.reduction(faces)
        self.groups.fit(voices, faces, ridge=ridge)
        sides = self.groups.rest("voice", voices), self.groups.rest("face", faces)
        self.link.start(*sides, ridge=ridge, power=1.0)

    def turns(self) -> Sequence[Turn]:
        """The finer link's turn, on rows without their groups."""
        return [Turn(turn.name, turn.parameters, self.contrast) for turn in self.link.turns()]

    def contrast(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """As `Matching.contrast`."""
        voices = self.groups.rest("voice", batch["voices"])
        faces = self.groups.rest("face", self.reduction(batch["faces"]))
        return self.link.contrast({**batch, "voices": voices, "faces": faces}, shared)

    def voices(self, rows: Tensor) -> Tensor:
        """The voice encoder's rows ``(n, voice width)`` as embeddings ``(n, dim)`` of length 1."""
        fine = self.link.voices(self.groups.rest("voice", rows))
        return self._whole(self.groups.evidence("voice", rows), fine, place=0)

    def faces(self, rows: Tensor) -> Tensor:
        """The face's wide rows ``(n, face width)`` as embeddings ``(n, dim)`` of length 1."""
        rows = self.reduction(rows)
        fine = self.link.faces(self.groups.rest("face", rows))
        return self._whole(self.groups.evidence("face", rows), fine, place=1)

    def _whole(self, evidence: Tensor, fine: Tensor, *, place: int) -> Tensor:
        most = torch.maximum(self.groups.longest("voice"), self.groups.longest("face"))
        lacking = (most - evidence.square().sum(-1)).clamp_min(0).sqrt()
        filled = evidence.new_zeros(len(evidence), 2)
        filled[:, place] = lacking
        whole = torch.cat([evidence, fine * self.weight**0.5, filled], dim=-1)
        return torch.nn.functional.normalize(whole, dim=-1)
