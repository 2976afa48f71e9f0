"""Covariances of a matcher's training pairs, kept so that more people can be added to its closed form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from voiceface.models.matching import Solution, whitening

_SURE = 1.5
"""Expected squared length of a mean of people like the old ones, times this, counts as no shift at all."""
_KEPT = 0.4
"""Share of a certain shift that is followed: more would cost the old people over 0.005 in AUC."""


class PairMoments(nn.Module):
    """Number, covariances and cross-covariance of paired rows, around means that stay with their owner.

    Args:
        voice_width: dimensions of a voice row.
        face_width: dimensions of a face row.
    """

    def __init__(self, *, voice_width: int, face_width: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("voice", torch.zeros(voice_width, voice_width))
        self.register_buffer("face", torch.zeros(face_width, face_width))
        self.register_buffer("cross", torch.zeros(voice_width, face_width))

    def add(self, voices: Tensor, faces: Tensor) -> None:
        """Add paired rows ``(n, width)`` less the means; every pair ever added weighs the same."""
        left, right = voices.double(), faces.double()
        old, new = self.get_buffer("count").double(), len(voices)
        found = {"voice": left.T @ left, "face": right.T @ right, "cross": left.T @ right}
        with torch.no_grad():
            for name, product in found.items():
                kept = self.get_buffer(name)
                kept.copy_((kept.double() * old + product) / (old + new))
            self.get_buffer("count").add_(new)

    def solve(self, *, ridge: float, dim: int) -> Solution:
        """As `voiceface.models.matching.solve` with a power of 1, from the moments; the means are zero."""
        sides = {side: self.get_buffer(side).double() for side in ("voice", "face")}
        white = {side: whitening(covariance, ridge) for side, covariance in sides.items()}
        whitened = white["voice"].T @ self.get_buffer("cross").double() @ white["face"]
        left, values, right = torch.linalg.svd(whitened, full_matrices=False)
        maps = {}
        for side, vectors in (("voice", left[:, :dim]), ("face", right.T[:, :dim])):
            scaled = white[side] @ (vectors * values[:dim])
            length = ((sides[side] @ scaled) * scaled).sum().sqrt().clamp_min(1e-12)
            maps[side] = (scaled / length).float()
        means = {side: maps[side].new_zeros(len(maps[side])) for side in maps}
        return Solution(means["voice"], maps["voice"], means["face"], maps["face"], values[:dim].float())

    def shift(self, side: str, rows: Tensor) -> Tensor:
        """By how much the mean ``(width,)`` moves towards new people, of their rows less the old mean.

        A mean of few people of the old kind lies off by chance, its squared length being the variance over
        their number. What is seen beyond 1.5 times that is taken for another microphone, room or camera,
        and 0.4 of it is followed.

        Source: the positive-part estimator of James and Stein 1961.
        """
        mean = rows.double().mean(0)
        by_chance = self.get_buffer(side).double().trace() * (1 / len(rows) + 1 / self.get_buffer("count"))
        certain = (1 - _SURE * by_chance / mean.square().sum().clamp_min(1e-12)).clamp_min(0)
        return (_KEPT * certain * mean).float()
