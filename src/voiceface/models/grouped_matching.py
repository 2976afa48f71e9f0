"""A matcher in two steps: which of two groups, then the finer link of `Matching` within them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from voiceface.models.blockwise_pca import Block, BlockwisePca
from voiceface.models.matching import Matching
from voiceface.models.model import Batch, Shared, Turn
from voiceface.models.pair_moments import PairMoments
from voiceface.models.projection_model import ProjectionModel
from voiceface.models.two_groups import TwoGroups
from voiceface.models.weights_fingerprint import weights_fingerprint


class GroupedMatching(ProjectionModel):
    """Wide face embeddings reduced, people separated into two groups, and the residuals matched.

    A dot product of two embeddings is the sum of the groups' log odds and ``weight`` times the finer
    link's cosine, over a constant that brings every embedding to length 1: what an embedding lacks in
    length is in a number of its own, where the other side's embeddings are zero.

    Args:
        link: the finer link, whose encoders are this model's; its faces are the reduced ones.
        blocks: the kinds of numbers in a face embedding, and how many of each are kept.
        weight: of the finer link's cosine, in nats.
    """

    class_heads = ("link.voice_heads", "link.face_heads")
    """Fine-tuning may add heads to weights that have none."""

    _ROUNDS = 10
    """Of `adapt`: who is in which group and how far the groups moved depend on each other."""

    def __init__(self, link: Matching, *, blocks: Sequence[Block], weight: float = 5.0) -> None:
        super().__init__(link.encoders)
        self.reduction = BlockwisePca(blocks)
        width = link.get_buffer("voice_mean").shape[0]
        self.groups = TwoGroups(voice_width=width, face_width=self.reduction.dim)
        self.link, self.weight = link, weight
        self.moments = PairMoments(voice_width=width, face_width=self.reduction.dim)
        self.dim = link.dim + self.groups.rank + 2

    def start(self, voices: Tensor, faces: Tensor, *, ridge: float) -> None:
        """Fit reduction, groups and the finer link to these pairs, all in closed form."""
        self.reduction.fit(faces)
        faces = self.reduction(faces)
        self.groups.fit(voices, faces, ridge=ridge)
        sides = self.groups.rest("voice", voices), self.groups.rest("face", faces)
        self.link.start(*sides, ridge=ridge, power=1.0)
        self.moments.get_buffer("count").zero_()
        self.moments.add(*self._centred(*sides))

    def adapt(self, voices: Tensor, faces: Tensor, *, ridge: float) -> None:
        """Fit to more pairs as if they had been among the first, and follow a shift of their means.

        The closed form of all pairs together; only the reduction of the faces and the directions between
        the groups stay as they were.

        Raises:
            ValueError: the weights are from before moments were kept (`adaptable`).
        """
        if not self.adaptable:
            raise ValueError("the moments of the first pairs are not known")
        faces, groups = self.reduction(faces), self.groups
        moved = {"voice": torch.zeros_like(voices[0]), "face": torch.zeros_like(faces[0])}
        for _ in range(self._ROUNDS):
            chance = (groups.logit("voice", voices) + groups.logit("face", faces)).sigmoid()[:, None]
            for side, rows in (("voice", voices), ("face", faces)):
                centre = groups.get_buffer(f"{side}_base") - moved[side]
                shift = self.moments.shift(side, rows - centre - chance * groups.get_buffer(f"{side}_shift"))
                groups.move(side, shift - moved[side])
                moved[side] = shift
        self.moments.add(*self._centred(groups.rest("voice", voices), groups.rest("face", faces)))
        found = self.moments.solve(ridge=ridge, dim=self.link.get_buffer("voice_map").shape[1])
        with torch.no_grad():
            for name in ("voice_map", "face_map"):
                self.link.get_buffer(name).copy_(getattr(found, name))

    @property
    def adaptable(self) -> bool:
        """Whether the moments of the first pairs are known."""
        return bool(self.moments.get_buffer("count") > 0)

    def fingerprint(self) -> str:
        """As `Model.fingerprint`; without the moments, on which no embedding depends."""
        return weights_fingerprint({n: t for n, t in self.weights().items() if not n.startswith("moments.")})

    def load_weights(self, tensors: Mapping[str, Tensor], *, source: object = "weights") -> None:
        """As `Model.load_weights`; older weights have no moments and cannot be adapted."""
        none = {n: torch.zeros_like(t) for n, t in self.weights().items() if n.startswith("moments.")}
        super().load_weights(none | dict(tensors), source=source)

    def _centred(self, voices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
        return voices - self.link.get_buffer("voice_mean"), faces - self.link.get_buffer("face_mean")

    def turns(self) -> Sequence[Turn]:
        """The finer link's turn, on embeddings without their groups."""
        return [Turn(turn.name, turn.parameters, self.contrast) for turn in self.link.turns()]

    def contrast(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """As `Matching.contrast`."""
        voices = self.groups.rest("voice", batch["voices"])
        faces = self.groups.rest("face", self.reduction(batch["faces"]))
        return self.link.contrast({**batch, "voices": voices, "faces": faces}, shared)

    def voices(self, rows: Tensor) -> Tensor:
        """As `ProjectionModel.voices`."""
        fine = self.link.voices(self.groups.rest("voice", rows))
        return self._join(self.groups.evidence("voice", rows), fine, index=0)

    def faces(self, rows: Tensor) -> Tensor:
        """As `ProjectionModel.faces`."""
        rows = self.reduction(rows)
        fine = self.link.faces(self.groups.rest("face", rows))
        return self._join(self.groups.evidence("face", rows), fine, index=1)

    def _join(self, evidence: Tensor, fine: Tensor, *, index: int) -> Tensor:
        most = torch.maximum(self.groups.longest("voice"), self.groups.longest("face"))
        lacking = (most - evidence.square().sum(-1)).clamp_min(0).sqrt()
        filled = evidence.new_zeros(evidence.shape[0], 2)
        filled[:, index] = lacking
        joined = torch.cat([evidence, fine * self.weight**0.5, filled], dim=-1)
        return torch.nn.functional.normalize(joined, dim=-1)
