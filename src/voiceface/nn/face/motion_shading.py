"""How the light on a face changes with its motion: folds beside the mouth, the shade under the lower lip.

A photograph that is only warped keeps the light of its own moment. The ratio of light between two moments is
nearly the same for other faces (Liu, Shan, Zhang 2001, "Expressive expression mapping with ratio images");
here its logarithm is linear in the coefficients of the motion.
"""

from __future__ import annotations

import torch
from torch import Tensor

from voiceface.nn.face.box_filters import blur
from voiceface.nn.face.mesh_warp import locate_triangles, sample_pixels, warp_grid

SIDE = 64
"""Pixels a side of a map of light."""
_LEFT, _TOP, _SPAN = -1.3, -0.35, 2.6
"""What the maps show, in distances between the eyes of an upright face: from below the eyes to the chin."""
_SOFT = 5
"""Pixels over which maps end at the edge of the face."""
_STRONGEST = 0.7
"""No light becomes more than twice what it was, or less than half."""


def map_places(shape: Tensor) -> Tensor:
    """Points (points, 2) of an upright face in pixels of the maps, measured from their corner."""
    return (shape - shape.new_tensor([_LEFT, _TOP])) / _SPAN * SIDE


def face_mask(places: Tensor, triangles: Tensor, *, skin: int) -> Tensor:
    """1 inside the face, 0 outside and at the border of the maps, (SIDE, SIDE).

    Args:
        places: (points, 2) of the canonical face in pixels of the maps.
        triangles: (triangles, 3) indices of points.
        skin: how many of the points are the face's; the others lie around it.
    """
    found = locate_triangles(places[None], triangles, SIDE)
    inside = (triangles < skin).all(1)[found.clamp_min(0)] & (found >= 0)
    inside[:, :_SOFT], inside[:, -_SOFT:], inside[..., :_SOFT], inside[..., -_SOFT:] = (False,) * 4
    # Twice the blurred mask less 1 is 0 at the edge itself.
    return (2 * blur(inside[None].float(), _SOFT)[0, 0] - 1).clamp_min(0)


class MotionShading:
    """Maps of light on one photograph.

    Args:
        maps: (components, SIDE, SIDE) change of the logarithm of the light with each coefficient.
        places: (points, 2) of the canonical face in pixels of the maps.
        opened: (components,) coefficients of a mouth that is open by one distance between the eyes.
    """

    def __init__(self, maps: Tensor, places: Tensor, opened: Tensor) -> None:
        self.maps, self.places, self.opened = maps, places, opened

    def on_photograph(self, points: Tensor, triangles: Tensor, size: int) -> Tensor:
        """The maps (components, size, size) on a photograph's square, with the mesh (points, 2) in pixels."""
        grid = warp_grid(self.places[None], points[None], triangles, size)
        return sample_pixels(self.maps[None], grid)[0]


def light_ratio(maps: Tensor, coefficients: Tensor) -> Tensor:
    """The light (n, 1, size, size) of moments over the photograph's.

    Args:
        maps: (components, size, size) of `MotionShading.on_photograph`.
        coefficients: (n, components) of the moments less the photograph's.
    """
    change = torch.einsum("nc,chw->nhw", coefficients, maps)
    return change.clamp(-_STRONGEST, _STRONGEST).exp()[:, None]
