"""A baseline without a network: the average of the training faces that match a voice best."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.matching import solve
from voiceface.models.model import Model, Turn


class Averaging(Model):
    """Stores the training faces; a voice's face is the mean of the nearest, weighted by exp(similarity / t).

    The space is the closed-form canonical one of `voiceface.models.matching.solve`.

    Args:
        faces: number of training faces.
        voice_width: dimensions of a voice embedding.
        face_width: dimensions of a face embedding.
        size: pixels a side.
        dim: dimensions of the space.
        count: faces averaged.
        temperature: of the weights.
    """

    def __init__(
        self,
        *,
        faces: int,
        voice_width: int,
        face_width: int = 128,
        size: int = 128,
        dim: int = 64,
        count: int = 40,
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        self.count, self.temperature, self.size = min(count, faces), temperature, size
        shapes = {
            "voice_mean": (voice_width,),
            "voice_map": (voice_width, dim),
            "face_places": (faces, dim),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("pictures", torch.zeros(faces, size, size, 3, dtype=torch.uint8))

    def turns(self) -> Sequence[Turn]:
        """None: nothing is learned step by step."""
        return []

    @torch.no_grad()
    def start(
        self, voices: Tensor, faces: Tensor, *, embeddings: Tensor, pictures: Tensor, ridge: float = 5.0
    ) -> None:
        """Solve for the space on pairs of voices and faces, and store ``pictures`` with their embeddings."""
        dim = self.get_buffer("voice_map").shape[1]
        found = solve(voices, faces, ridge=ridge, dim=dim)
        self.get_buffer("voice_mean").copy_(found.voice_mean)
        # Fewer people than directions: the rest stay zero.
        self.get_buffer("voice_map").zero_()[:, : found.voice_map.shape[1]] = found.voice_map
        embedded = F.normalize((embeddings - found.face_mean) @ found.face_map, dim=1)
        self.get_buffer("face_places").zero_()[:, : embedded.shape[1]] = embedded
        self.get_buffer("pictures").copy_(pictures)

    def neighbour_weights(self, voices: Tensor) -> tuple[Tensor, Tensor]:
        """Indices (n, count) of the nearest faces and their weights (n, count), adding up to 1."""
        embedded = (voices - self.get_buffer("voice_mean")) @ self.get_buffer("voice_map")
        similarity = F.normalize(embedded, dim=1) @ self.get_buffer("face_places").T
        best, indices = similarity.topk(self.count, dim=1)
        return indices, (best / self.temperature).softmax(dim=1)

    def average_faces(self, voices: Tensor) -> Tensor:
        """Faces (n, size, size, 3) uint8 of voice embeddings (n, voice width)."""
        found = []
        for indices, weights in zip(*self.neighbour_weights(voices), strict=True):
            pictures = self.get_buffer("pictures")[indices].float()
            found.append(torch.einsum("k,khwc->hwc", weights, pictures).round().to(torch.uint8))
        return torch.stack(found) if found else self.get_buffer("pictures")[:0]
