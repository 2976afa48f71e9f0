"""Piecewise-affine warps between triangle meshes (Cootes et al. 1998), batched and differentiable."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_INSIDE = -1e-4
"""A pixel on an edge belongs to one of the two triangles in spite of rounding."""


def locate_triangles(points: Tensor, triangles: Tensor, size: int) -> Tensor:
    """Find the triangle that covers the centre of each pixel.

    Args:
        points: (n, points, 2) x, y in pixels, measured from the picture's corner.
        triangles: (triangles, 3) indices of points.
        size: pixels a side.

    Returns:
        (n, size, size) int64 indices of triangles, -1 where none covers the pixel; where triangles overlap (a
        folded mesh) the one listed last. Carries no gradient.
    """
    corners = points.detach()[:, triangles]
    low = (corners.amin(2) - 0.5).ceil().clamp(0, size - 1).long()
    high = (corners.amax(2) - 0.5).floor().clamp(0, size - 1).long()
    extent = (high - low + 1).clamp_min(0).view(-1, 2)
    counts = extent.prod(1)
    # One candidate for each pixel of each triangle's bounding box.
    owner = torch.repeat_interleave(torch.arange(counts.shape[0], device=points.device), counts)
    within = torch.arange(owner.shape[0], device=points.device) - (counts.cumsum(0) - counts)[owner]
    width = extent[owner, 0]
    x = low.view(-1, 2)[owner, 0] + within % width
    y = low.view(-1, 2)[owner, 1] + within // width
    weights = barycentric_coordinates(torch.stack([x, y], 1) + 0.5, corners.reshape(-1, 3, 2)[owner])
    inside = (weights >= _INSIDE).all(1)
    owner, x, y = owner[inside], x[inside], y[inside]
    found = torch.full((points.shape[0] * size * size,), -1, dtype=torch.int64, device=points.device)
    places = (owner // len(triangles) * size + y) * size + x
    found.scatter_reduce_(0, places, owner % len(triangles), "amax")
    return found.view(-1, size, size)


def barycentric_coordinates(places: Tensor, corners: Tensor) -> Tensor:
    """Weights (m, 3), summing to 1, of the corners (m, 3, 2) that give the places (m, 2).

    >>> barycentric_coordinates(torch.tensor([[1.0, 1.0]]), torch.tensor([[[0.0, 0], [4, 0], [0, 4]]]))
    tensor([[0.5000, 0.2500, 0.2500]])
    """
    origin, first, second = corners.unbind(1)
    across, down, place = first - origin, second - origin, places - origin
    area = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]
    area = torch.where(area.abs() < 1e-6, torch.full_like(area, 1e-6), area)
    u = (place[:, 0] * down[:, 1] - place[:, 1] * down[:, 0]) / area
    v = (across[:, 0] * place[:, 1] - across[:, 1] * place[:, 0]) / area
    return torch.stack([1 - u - v, u, v], 1)


def warp_grid(source: Tensor, target: Tensor, triangles: Tensor, size: int) -> Tensor:
    """Find where each pixel of a picture in the target's shape lies in a picture in the source's shape.

    Args:
        source: (n or 1, points, 2) pixels of the picture to sample from.
        target: (n, points, 2) pixels of the picture to make.
        triangles: (triangles, 3) indices of points; they must cover the picture to make.
        size: pixels a side of the picture to make.

    Returns:
        (n, size, size, 2) x, y in pixels of the source, for `sample_pixels`; differentiable in both shapes.
    """
    count = target.shape[0]
    index = locate_triangles(target, triangles, size).view(count, -1).clamp_min(0)
    corners = triangles[index].view(count, -1, 1).expand(-1, -1, 2)
    line = torch.arange(size, device=target.device, dtype=target.dtype) + 0.5
    centres = torch.stack([line.repeat(size), line.repeat_interleave(size)], 1)
    # The corners of the triangle of each pixel, in both shapes.
    ends = [
        torch.gather(shape.expand(count, -1, -1), 1, corners).view(-1, 3, 2) for shape in (source, target)
    ]
    weights = barycentric_coordinates(centres.repeat(count, 1), ends[1])
    return (weights[:, :, None] * ends[0]).sum(1).view(count, size, size, 2)


def sample_pixels(pictures: Tensor, grid: Tensor) -> Tensor:
    """Sample pictures (n, channels, height, width) at a grid (n, h, w, 2) in pixels from the corner.

    Bilinear; outside the picture its edge is repeated.
    """
    height, width = pictures.shape[-2:]
    scale = grid.new_tensor([width, height])
    return F.grid_sample(
        pictures, grid / scale * 2 - 1, mode="bilinear", padding_mode="border", align_corners=False
    )
