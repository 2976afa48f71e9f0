"""One space for voices and faces: a closed-form linear projection, and heads that correct it by contrast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.model import Batch, Shared, Turn
from voiceface.models.projection_model import ProjectionModel
from voiceface.nn.loss.contrastive import info_nce
from voiceface.nn.projection_heads import Heads


class Solution(NamedTuple):
    """Two linear maps into one space, and the means they start from."""

    voice_mean: Tensor
    voice_map: Tensor
    face_mean: Tensor
    face_map: Tensor
    correlations: Tensor


def solve(voices: Tensor, faces: Tensor, *, ridge: float, dim: int, power: float = 0.5) -> Solution:
    """Regularised canonical correlation of paired embeddings, in closed form.

    Each side is whitened by its covariance plus ``ridge`` times the mean variance on the diagonal;
    the directions are the singular vectors of the whitened cross-covariance, each scaled by a power of
    its singular value: by the root, a dot product weighs a direction by its correlation. With several
    hundred pairs this linear solution of the contrastive problem beats perceptrons trained on it.

    Source: Vinod 1976, Canonical ridge and econometrics of joint production (the ridge); Nakada et
    al. 2023, Understanding multimodal contrastive learning (linear contrast = SVD of this matrix).

    Args:
        voices: ``(n, voice width)``.
        faces: ``(n, face width)``, row i of the same person as voice i.
        ridge: in units of the mean variance of a dimension.
        dim: directions kept.
        power: of a direction's singular value, on each side.

    Returns:
        Maps ``(width, dim)`` whose outputs have a mean squared length of 1 on these embeddings.
    """
    means = voices.double().mean(0), faces.double().mean(0)
    centred = voices.double() - means[0], faces.double() - means[1]
    whiten = [whitening(rows.T @ rows / len(rows), ridge) for rows in centred]
    cross = (centred[0] @ whiten[0]).T @ (centred[1] @ whiten[1]) / len(voices)
    left, values, right = torch.linalg.svd(cross, full_matrices=False)
    root = values[:dim] ** power
    maps = []
    for rows, white, vectors in zip(centred, whiten, (left[:, :dim], right.T[:, :dim]), strict=True):
        scaled = white @ (vectors * root)
        length = (rows @ scaled).square().sum(1).mean().sqrt().clamp_min(1e-12)
        maps.append((scaled / length).float())
    return Solution(means[0].float(), maps[0], means[1].float(), maps[1], values[:dim].float())


def whitening(covariance: Tensor, ridge: float) -> Tensor:
    """The inverse root ``(width, width)`` of a covariance plus ``ridge`` times its mean variance."""
    values, vectors = torch.linalg.eigh(covariance)
    values = values.clamp_min(0) + ridge * values.clamp_min(0).mean() + 1e-12
    white: Tensor = vectors * values.rsqrt() @ vectors.T
    return white


class Matching(ProjectionModel):
    """A linear projection in closed form of both encoders' embeddings, and heads that correct it.

    An embedding is the linear projection beside every head's corrected one, each of length 1, together
    of length 1: a dot product is the mean of their cosines.

    Args:
        voice_width: width of the voice encoder's embeddings.
        face_width: width of the face encoder's embeddings.
        dim: width of the linear projection and of each head's output.
        heads: number of heads; 0 leaves the linear projection alone.
        hidden: hidden units of a head.
        dropout: of the heads' hidden units.
        noise: standard deviation of the noise added to embeddings in training, in units of their spread.
        temperature: of the contrastive loss.
    """

    def __init__(
        self,
        *,
        voice_width: int = 256,
        face_width: int = 128,
        dim: int = 64,
        heads: int = 8,
        hidden: int = 256,
        dropout: float = 0.5,
        noise: float = 1.0,
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        self.noise, self.temperature = noise, temperature
        sides = {"voice": voice_width, "face": face_width}
        for side, width in sides.items():
            self.register_buffer(f"{side}_mean", torch.zeros(width))
            self.register_buffer(f"{side}_map", torch.zeros(width, dim))
            self.register_buffer(f"{side}_spread", torch.ones(()))
            setattr(
                self,
                f"{side}_heads",
                Heads(width=width, hidden=hidden, dim=dim, count=heads, dropout=dropout),
            )
        self.dim = dim * (heads + 1)

    def start(self, voices: Tensor, faces: Tensor, *, ridge: float, power: float = 0.5) -> None:
        """Set the closed-form projection to the solution for these pairs."""
        dim = self.get_buffer("voice_map").shape[1]
        found = solve(voices, faces, ridge=ridge, dim=dim, power=power)
        with torch.no_grad():
            for name in ("voice_mean", "voice_map", "face_mean", "face_map"):
                kept = self.get_buffer(name)
                value = getattr(found, name)
                # Fewer people than directions: the rest stay zero.
                kept.zero_()[..., : value.shape[-1]] = value
            for side, rows in (("voice", voices), ("face", faces)):
                spread = (rows - rows.mean(0)).square().mean().sqrt().clamp_min(1e-6)
                self.get_buffer(f"{side}_spread").copy_(spread)

    def turns(self) -> Sequence[Turn]:
        """One turn: the contrastive loss of the heads."""
        return [
            Turn(
                "contrast",
                [*self._heads("voice").parameters(), *self._heads("face").parameters()],
                self.contrast,
            )
        ]

    def contrast(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """InfoNCE of every head on pairs of its own: ``voices``, ``faces`` (heads, n, width), ``people``."""
        voices, faces = self._corrected("voice", batch["voices"]), self._corrected("face", batch["faces"])
        loss = info_nce(voices.float(), faces.float(), people=batch["people"], temperature=self.temperature)
        # Heads learn independently, so their mean is scaled back to a sum.
        return {"loss": loss * len(voices), "info_nce": loss}

    def voices(self, rows: Tensor) -> Tensor:
        """As `ProjectionModel.voices`."""
        return self._embed("voice", rows)

    def faces(self, rows: Tensor) -> Tensor:
        """As `ProjectionModel.faces`."""
        return self._embed("face", rows)

    def _embed(self, side: str, rows: Tensor) -> Tensor:
        corrected = self._corrected(side, rows)
        linear = F.normalize(self._linear(side, rows), dim=-1)
        # The linear projection weighs as much as all heads together.
        parts = [linear * max(1, len(corrected)) ** 0.5, *corrected]
        return F.normalize(torch.cat(parts, dim=-1), dim=-1)

    def _corrected(self, side: str, rows: Tensor) -> Tensor:
        scaled = (rows - self.get_buffer(f"{side}_mean")) / self.get_buffer(f"{side}_spread")
        if self.training and self.noise:
            scaled = scaled + self.noise * torch.randn_like(scaled)
        return F.normalize(self._linear(side, rows) + self._heads(side)(scaled), dim=-1)

    def _linear(self, side: str, rows: Tensor) -> Tensor:
        return (rows - self.get_buffer(f"{side}_mean")) @ self.get_buffer(f"{side}_map")

    def _heads(self, side: str) -> Heads:
        heads = getattr(self, f"{side}_heads")
        assert isinstance(heads, Heads)
        return heads
