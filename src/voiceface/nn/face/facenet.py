"""FaceNet as facenet-pytorch publishes it: Inception-ResNet-v1 and what stands behind it there."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from voiceface.nn.inception_resnet import Branches, InceptionResNetV1, ScaledResidual, Unit


class FaceNet(nn.Module):
    """The published trunk, a sixth block C without its rectifier, mean, dense layer, normalisation.

    Args:
        dim: numbers of an embedding; 512 in the published weights.
        width: factor on all channels of the trunk; 1 is the published network (23.5 M parameters).
    """

    def __init__(self, *, dim: int = 512, width: float = 1.0) -> None:
        super().__init__()
        self.trunk = InceptionResNetV1(dim=1, width=width)
        channels = self.trunk.dense.in_features
        del self.trunk.dense
        n = max(1, round(192 * width))
        long = nn.Sequential(
            Unit(channels, n, 1), Unit(n, n, (1, 3), padding=(0, 1)), Unit(n, n, (3, 1), padding=(1, 0))
        )
        self.last = ScaledResidual(Branches(Unit(channels, n, 1), long), 2 * n, channels, 1.0)
        self.dense = nn.Linear(channels, dim, bias=False)
        self.norm = nn.BatchNorm1d(dim, eps=1e-3)

    def forward(self, faces: Tensor) -> Tensor:
        """Embeddings ``(batch, dim)``, of any length, of faces ``(batch, 3, 160, 160)`` in [-1, 1]."""
        maps = self.trunk.maps(faces)["c"]
        maps = maps + self.last.back(self.last.branches(maps))
        placed: Tensor = self.norm(self.dense(torch.mean(maps, dim=(2, 3))))
        return placed
