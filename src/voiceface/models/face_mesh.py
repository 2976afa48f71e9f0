"""Finds the 478 points of the face mesh in a picture, and refuses pictures that show no upright face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.face.mesh import MESH_POINTS, Mesh, find_mesh, find_or_refuse_mesh
from voiceface.models.model import Batch, Model, Shared, Turn
from voiceface.nn.face.landmark_net import LandmarkNet


class FaceMeshModel(Model):
    """`LandmarkNet` with its losses.

    Args:
        components: of the shape basis.
        channels: of the network's stages.
        hidden: width of its last layer.
    """

    def __init__(
        self, *, components: int = 80, channels: Sequence[int] = (16, 48, 80, 128), hidden: int = 160
    ) -> None:
        super().__init__()
        self.network = LandmarkNet(
            points=MESH_POINTS, components=components, channels=channels, hidden=hidden
        )

    def start(self, shapes: Tensor) -> None:
        """Compute the shape basis from (n, 478, 2) points of training crops, in sides of the crop."""
        flat = shapes.flatten(1).double()
        mean = flat.mean(0)
        values, vectors = torch.linalg.eigh((flat - mean).T @ (flat - mean) / len(flat))
        count = len(self.network.get_buffer("scale"))
        self.network.get_buffer("mean").copy_(mean)
        self.network.get_buffer("basis").copy_(vectors.flip(1)[:, :count].T)
        self.network.get_buffer("scale").copy_(values.flip(0)[:count].clamp_min(1e-10).sqrt())

    def find(self, image: npt.NDArray[np.uint8], five_points: npt.ArrayLike) -> Mesh:
        """As `voiceface.face.mesh.find_mesh`."""
        return find_mesh(image, five_points, self.network)

    def find_or_refuse(self, image: npt.NDArray[np.uint8], five_points: npt.ArrayLike, *, name: str) -> Mesh:
        """As `voiceface.face.mesh.find_or_refuse_mesh`."""
        return find_or_refuse_mesh(image, five_points, self.network, name=name)

    def turns(self) -> Sequence[Turn]:
        """One turn a step."""
        return [Turn("find", list(self.parameters()), self.loss)]

    def loss(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Distance of the points, cross-entropy of face or none, and how well the error is expected.

        Args:
            batch: ``crops`` (n, 1, 96, 96) and ``points`` (n, 478, 2) of faces, ``others`` (m, 1, 96, 96) of
                no upright faces.
            shared: nothing.
        """
        count = len(batch["points"])
        found = self.network(torch.cat([batch["crops"], batch["others"]]))
        away = found.points[:count] - batch["points"]
        scale = eye_distance(batch["points"])
        error = away.norm(dim=2).mean(1) / scale
        faces = (torch.arange(len(found.points), device=away.device) < count).float()
        parts = {
            "points": (away.abs().mean((1, 2)) / scale).mean(),
            "face": F.binary_cross_entropy_with_logits(found.face_logit, faces),
            "expected": (found.log_error[:count] - error.detach().clamp_min(1e-4).log()).abs().mean(),
        }
        loss = 20 * parts["points"] + 0.2 * parts["face"] + 0.05 * parts["expected"]
        return {"loss": loss, "error": error.mean(), **parts}


def eye_distance(points: Tensor) -> Tensor:
    """Distance (n,) between the middles of the eyes of meshes (n, 478, 2)."""
    right, left = (points[:, list(pair)].mean(1) for pair in ((33, 133), (263, 362)))
    distance: Tensor = (right - left).norm(dim=1)
    return distance.clamp_min(1e-3)
