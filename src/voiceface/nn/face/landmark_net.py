"""A small network that places the points of a face mesh and says how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn


class FacePoints(NamedTuple):
    """What `LandmarkNet` says of a batch of faces."""

    points: Tensor
    """(n, points, 2) x, y, in sides of the picture."""
    face_logit: Tensor
    """(n,) log odds that an upright face is shown."""
    log_error: Tensor
    """(n,) logarithm of the expected mean error of a point, in distances between the eyes."""
    coefficients: Tensor
    """(n, components) of the shape basis, in standard deviations."""


class LandmarkNet(nn.Module):
    """Depthwise separable convolutions (Howard et al. 2017) to coefficients of a basis of shapes.

    A shape is a mean plus a linear combination of principal components (Cootes et al. 1995), so points
    cannot leave the space of faces one by one.

    Args:
        points: of the mesh.
        components: of the shape basis.
        channels: after the stem and after each of three stages.
        hidden: width of the layer that all outputs share.
    """

    size = 96
    """Pixels a side of the grey picture it takes."""

    def __init__(
        self,
        *,
        points: int = 478,
        components: int = 80,
        channels: Sequence[int] = (16, 48, 80, 128),
        hidden: int = 160,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2 * points))
        self.register_buffer("basis", torch.zeros(components, 2 * points))
        self.register_buffer("scale", torch.ones(components))
        stem, first, second, third = channels
        stages = [(stem, first, 3), (first, second, 4), (second, third, 4)]
        blocks = [_Block(a if k == 0 else b, b, 1 + (k == 0)) for a, b, n in stages for k in range(n)]
        head = nn.Conv2d(third, 24, 1)
        self.trunk = nn.Sequential(_stem(stem), *blocks, head, nn.Flatten(), nn.ReLU())
        self.hidden = nn.Sequential(nn.Linear(24 * (self.size // 16) ** 2, hidden), nn.ReLU())
        self.coef = nn.Linear(hidden, components)
        self.sure = nn.Sequential(nn.Linear(hidden, 32), nn.ReLU(), nn.Linear(32, 2))

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> LandmarkNet:
        """Build the network that has these tensors, in eval mode.

        Raises:
            RuntimeError: they are those of another network.
        """
        names = (
            "trunk.0.0.weight",
            "trunk.1.body.2.weight",
            "trunk.4.body.2.weight",
            "trunk.8.body.2.weight",
        )
        if not {"basis", "coef.weight", *names} <= set(tensors):
            raise RuntimeError("tensors of another network")
        components, coordinates = tensors["basis"].shape
        network = cls(
            points=coordinates // 2,
            components=components,
            channels=[len(tensors[name]) for name in names],
            hidden=tensors["coef.weight"].shape[1],
        )
        network.load_state_dict(dict(tensors))
        return network.eval()

    def forward(self, pictures: Tensor) -> FacePoints:
        """Find the points of faces (n, 1, 96, 96) in [-1, 1]."""
        found = self.hidden(self.trunk(pictures))
        coefficients = self.coef(found)
        scaled = coefficients * self.get_buffer("scale")
        flat = self.get_buffer("mean") + scaled @ self.get_buffer("basis")
        sure = self.sure(found)
        return FacePoints(flat.view(flat.shape[0], -1, 2), sure[:, 0], sure[:, 1], coefficients)

    @torch.no_grad()
    def find(self, crop: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], float, float, float]:
        """Find the points of one crop (96, 96) in [-1, 1].

        Returns:
            (points, 2) in sides of the crop; the probability of an upright face; the expected error of a
            point; the root mean square of the coefficients.
        """
        found = self(torch.from_numpy(crop)[None, None].to(self.get_buffer("mean")))
        deviation = found.coefficients.square().mean().sqrt()
        points: npt.NDArray[np.float32] = found.points[0].cpu().numpy()
        return points, float(found.face_logit.sigmoid()), float(found.log_error.exp()), float(deviation)


class _Block(nn.Module):
    """Depthwise 3x3, pointwise 1x1, and the input added where the shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.skip = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return torch.relu(y + x if self.skip else y)


def _stem(outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
