"""Two streams, of voices and of faces, that any objective may teach: one frame to compare them in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.models.blockwise_pca import Block, BlockwisePca
from voiceface.models.model import Batch, Model, Shared, Turn

__all__ = ["Objective", "TwoStreams"]

_AT_ONCE = 64


class Objective(nn.Module):
    """What the streams' answers are taught, and how they are compared; may learn parts of its own."""

    class_heads: tuple[str, ...] = ()
    """Its submodules whose shape depends on the training people."""
    joint = False
    """True where a pair is judged as one: then `scores` compares, and there is no common space."""

    def forward(self, voices: Tensor, faces: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The ``loss`` of answers ``(n, dim)``, row i of the same person on both sides.

        ``batch`` holds ``people (n,)``, whose they are by number, ``progress (n,)``, how much of the training
        is over, and a class number a row for each covariate, -1 where it is not known.
        """
        raise NotImplementedError

    def space(self, answers: Tensor, side: str) -> Tensor:
        """A side's answers ``(n, dim)`` as they are compared, before their length is made 1."""
        return answers

    def scores(self, voices: Tensor, faces: Tensor) -> Tensor:
        """How well every voice goes with every face, ``(voices, faces)``, of a `joint` objective."""
        raise NotImplementedError


class TwoStreams(Model):
    """Rows of a voice encoder and of a face recogniser, each through a perceptron of one hidden layer.

    Args:
        objective: teaches and compares.
        voice_width: numbers of the voice encoder's rows.
        blocks: the kinds of numbers in a face's row.
        dim: numbers of an answer.
        hidden: hidden units.
        dropout: of the hidden units.
        noise: standard deviation of the noise added to rows while learning, in units of their spread.
    """

    def __init__(
        self,
        objective: Objective,
        *,
        voice_width: int,
        blocks: Sequence[Block],
        dim: int = 64,
        hidden: int = 256,
        dropout: float = 0.5,
        noise: float = 1.0,
    ) -> None:
        super().__init__()
        self.objective, self.noise, self.dim = objective, noise, dim
        self.class_heads = tuple(f"objective.{name}" for name in objective.class_heads)
        self.reduction = BlockwisePca(blocks)
        for side, width in (("voice", voice_width), ("face", self.reduction.dim)):
            self.register_buffer(f"{side}_mean", torch.zeros(width))
            self.register_buffer(f"{side}_spread", torch.ones(()))
            layers = nn.Sequential(
                nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, dim)
            )
            setattr(self, f"{side}_stream", layers)

    @torch.no_grad()
    def start(self, voices: Tensor, faces: Tensor) -> None:
        """Learn means and spreads, and how faces' rows are reduced, from the training people's rows."""
        self.reduction.fit(faces)
        for side, rows in (("voice", voices), ("face", self.reduction(faces))):
            mean = rows.mean(0)
            self.get_buffer(f"{side}_mean").copy_(mean)
            self.get_buffer(f"{side}_spread").copy_((rows - mean).square().mean().sqrt().clamp_min(1e-6))

    def turns(self) -> Sequence[Turn]:
        """One turn for the streams and what the objective learns."""
        return [Turn("streams", list(self.parameters()), self.error)]

    def error(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """The objective's loss of ``voices`` and ``faces`` (n, width) of the same ``people``."""
        voices, faces = self._answer("voice", batch["voices"]), self._answer("face", batch["faces"])
        found: dict[str, Tensor] = self.objective(voices.float(), faces.float(), batch)
        return found

    def voices(self, rows: Tensor) -> Tensor:
        """The voice encoder's rows ``(n, voice width)`` as embeddings ``(n, dim)`` of length 1."""
        return F.normalize(self.objective.space(self._answer("voice", rows), "voice"), dim=-1)

    def faces(self, rows: Tensor) -> Tensor:
        """The face's wide rows ``(n, face width)`` as embeddings ``(n, dim)`` of length 1."""
        return F.normalize(self.objective.space(self._answer("face", rows), "face"), dim=-1)

    def scores(self, voices: Tensor, faces: Tensor) -> Tensor:
        """How well each voice goes with each face, ``(voices, faces)``: cosines, or the objective's."""
        if not self.objective.joint:
            return self.voices(voices) @ self.faces(faces).T
        seen = self._answer("face", faces)
        return torch.cat([self.objective.scores(some, seen) for some in self._blocks(voices)])

    def _blocks(self, voices: Tensor) -> Iterator[Tensor]:
        for some in torch.split(voices, _AT_ONCE):
            yield self._answer("voice", some)

    def _answer(self, side: str, rows: Tensor) -> Tensor:
        if side == "face":
            rows = self.reduction(rows)
        given = (rows - self.get_buffer(f"{side}_mean")) / self.get_buffer(f"{side}_spread")
        if self.training and self.noise:
            given = given + self.noise * torch.randn_like(given)
        answer: Tensor = getattr(self, f"{side}_stream")(given)
        return answer
