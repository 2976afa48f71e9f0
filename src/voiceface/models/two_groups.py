"""The coarse part of matching: two groups of people, found without labels.

The first direction that voices and faces share divides people in two (nearly by gender). With a cosine that
one direction dominates the finer ones within a group, and an even deeper voice counts as more evidence than
it is. Here each side has a probability of group one, and the evidence of a pair is the exact log odds of
those two probabilities; the residuals, embeddings less their expected group's mean, go to the finer link.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from voiceface.models.matching import solve

_GRID = 129
_MAX_LOGIT = 7.0
"""Log odds of one side are clamped to this."""
_SHRINK = 0.5
"""Added to a covariance's diagonal, in units of its mean variance."""


def log_odds(voice: Tensor, face: Tensor, *, share: float) -> Tensor:
    """Evidence ``(n, m)``, in nats, that voice and face are of one group rather than of two random people.

    ``log(a b / s + (1 - a)(1 - b) / (1 - s))`` for probabilities a ``(n,)``, b ``(m,)`` of group one, whose
    share among people is s.

    >>> log_odds(torch.tensor([1.0, 0.5]), torch.tensor([1.0]), share=0.5).exp().round().tolist()
    [[2.0], [1.0]]
    """
    both = voice[:, None] * face / share
    neither = (1 - voice[:, None]) * (1 - face) / (1 - share)
    return (both + neither).log()


class TwoGroups(nn.Module):
    """Probabilities of group one, their evidence as a dot product, and the residuals.

    Args:
        voice_width: dimensions of a voice embedding.
        face_width: dimensions of a face embedding.
        rank: dimensions a side for the evidence; four approximate it to about a tenth of a nat.
    """

    def __init__(self, *, voice_width: int, face_width: int, rank: int = 4) -> None:
        super().__init__()
        self.rank = rank
        self.register_buffer("share", torch.tensor(0.5))
        for side, width in (("voice", voice_width), ("face", face_width)):
            self.register_buffer(f"{side}_direction", torch.zeros(width))
            self.register_buffer(f"{side}_offset", torch.zeros(()))
            self.register_buffer(f"{side}_base", torch.zeros(width))
            self.register_buffer(f"{side}_shift", torch.zeros(width))
            self.register_buffer(f"{side}_table", torch.zeros(_GRID, rank))

    def fit(self, voices: Tensor, faces: Tensor, *, ridge: float) -> None:
        """Divide paired embeddings ``(n, width)`` in two along the first direction they share."""
        first = solve(voices, faces, ridge=ridge, dim=1)
        left = ((voices - first.voice_mean) @ first.voice_map)[:, 0]
        right = ((faces - first.face_mean) @ first.face_map)[:, 0]
        chance = two_normals((left / _spread(left) + right / _spread(right)).double())
        share = float(chance.mean().clamp(0.1, 0.9))
        with torch.no_grad():
            self.get_buffer("share").fill_(share)
            for side, rows in (("voice", voices), ("face", faces)):
                self._separate(side, rows.double(), chance)
            tables = _tables(share, self.rank)
            for side, table in zip(("voice", "face"), tables, strict=True):
                self.get_buffer(f"{side}_table").copy_(table)

    def _separate(self, side: str, rows: Tensor, chance: Tensor) -> None:
        """Two normal groups of one covariance: log odds are linear in the row (Fisher)."""
        one = (chance[:, None] * rows).sum(0) / chance.sum().clamp_min(1e-9)
        base = ((1 - chance)[:, None] * rows).sum(0) / (1 - chance).sum().clamp_min(1e-9)
        rest = rows - base - chance[:, None] * (one - base)
        covariance = rest.T @ rest / len(rows)
        variance = covariance.diagonal().mean().clamp_min(1e-12)
        covariance = covariance + _SHRINK * variance * torch.eye(len(covariance)).to(covariance)
        direction = torch.linalg.solve(covariance, one - base)
        found = {"direction": direction, "offset": -direction @ (one + base) / 2, "base": base}
        for name, value in (found | {"shift": one - base}).items():
            self.get_buffer(f"{side}_{name}").copy_(value)

    def move(self, side: str, shift: Tensor) -> None:
        """Move one side's groups by ``(width,)``, as if every embedding to come had it added."""
        with torch.no_grad():
            self.get_buffer(f"{side}_base").add_(shift)
            self.get_buffer(f"{side}_offset").sub_(self.get_buffer(f"{side}_direction") @ shift)

    def logit(self, side: str, rows: Tensor) -> Tensor:
        """Log odds ``(...,)`` that embeddings ``(..., width)`` are of group one, at equal group sizes."""
        return rows @ self.get_buffer(f"{side}_direction") + self.get_buffer(f"{side}_offset")

    def rest(self, side: str, rows: Tensor) -> Tensor:
        """Embeddings less the expected mean of their group."""
        chance = self.logit(side, rows).sigmoid()[..., None]
        return rows - self.get_buffer(f"{side}_base") - chance * self.get_buffer(f"{side}_shift")

    def evidence(self, side: str, rows: Tensor) -> Tensor:
        """Vectors ``(n, rank)`` whose dot product with the other side's is the pair's `log_odds`."""
        position = (self.logit(side, rows).clamp(-_MAX_LOGIT, _MAX_LOGIT) / _MAX_LOGIT + 1) / 2 * (_GRID - 1)
        low = position.floor().long().clamp(0, _GRID - 2)
        part = (position - low)[..., None]
        table = self.get_buffer(f"{side}_table")
        return table[low] * (1 - part) + table[low + 1] * part

    def longest(self, side: str) -> Tensor:
        """The largest squared length that `evidence` can have."""
        return self.get_buffer(f"{side}_table").square().sum(1).max()


def two_normals(values: Tensor, *, rounds: int = 50) -> Tensor:
    """Probabilities ``(n,)`` of the upper of two normals of one variance, by expectation maximisation."""
    chance = (values > values.median()).to(values)
    for _ in range(rounds):
        share = chance.mean().clamp(0.05, 0.95)
        upper = (chance * values).sum() / chance.sum().clamp_min(1e-9)
        lower = ((1 - chance) * values).sum() / (1 - chance).sum().clamp_min(1e-9)
        off = chance * (values - upper).square() + (1 - chance) * (values - lower).square()
        variance = off.mean().clamp_min(1e-9)
        odds = ((values - lower).square() - (values - upper).square()) / 2 / variance
        chance = (odds + (share / (1 - share)).log()).sigmoid()
    return chance


def _spread(values: Tensor) -> Tensor:
    return values.std(correction=0).clamp_min(1e-9)


def _tables(share: float, rank: int) -> tuple[Tensor, Tensor]:
    """`log_odds` over a grid of both sides' log odds as a product of two tables (its best of this rank)."""
    chance = torch.linspace(-_MAX_LOGIT, _MAX_LOGIT, _GRID, dtype=torch.float64).sigmoid()
    left, values, right = torch.linalg.svd(log_odds(chance, chance, share=share))
    root = values[:rank].sqrt()
    return left[:, :rank] * root, right[:rank].T * root
