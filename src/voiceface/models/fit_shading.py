"""Fits how the light on a face changes with its motion, on talking clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.corpus.splits import Selection
from voiceface.models.clip_motion import FindMeshes, is_seen, mesh_motion
from voiceface.nn.face.lip_edges import LUMA
from voiceface.nn.face.mesh_animation import ORIGIN, SKIN_POINTS, still_points, upright_shape
from voiceface.nn.face.mesh_warp import sample_pixels, warp_grid
from voiceface.nn.face.motion_shading import SIDE, face_mask, map_places

Floats = npt.NDArray[np.float64]

_DARKEST = 8.0
"""Added to the light before its logarithm, of 255: the noise of dark pixels is no light."""
_LARGEST = 1.0
"""A larger change of the logarithm is a hand or an edge, not light."""
_RIDGE = 0.01


def fit_shading(
    selection: Selection,
    meshes: FindMeshes,
    *,
    coefficients: Callable[[Tensor], Tensor],
    canonical: Tensor,
    triangles: Tensor,
) -> Tensor:
    """Ridge regression of the logarithm of light, less a clip's mean, on the coefficients less theirs.

    A person weighs as the square root of their number of clips, so that one with many does not decide alone.

    Args:
        selection: the clips.
        meshes: gives the meshes of the corpus' clip in a row, as `clip_meshes` does.
        coefficients: from motion (frames, 468, 2) to coefficients (frames, components).
        canonical: (504, 2) of the canonical face, upright.
        triangles: (triangles, 3) of it.

    Returns:
        (components, SIDE, SIDE).
    """
    clips, people = selection.corpus.clips, Counter[str]()
    people.update(clips[row].person for row in selection.clips.tolist())
    places, size = map_places(canonical.float()), 0
    products, matches = torch.zeros(()), torch.zeros(())
    for row in selection.clips.tolist():
        points = meshes(selection.corpus, row)
        if not is_seen(points):
            continue
        seen = np.flatnonzero(~np.isnan(points[:, 0, 0]))
        motion, _ = mesh_motion(points[seen])
        given = coefficients(torch.from_numpy(motion).float())
        pictures = selection.corpus.clip_pictures(row)
        light = torch.stack(
            [_canonical_light(np.asarray(pictures[at]), points[at], places, triangles) for at in seen]
        )
        given, light = given - given.mean(0), (light - light.mean(0)).clamp(-_LARGEST, _LARGEST).flatten(1)
        weight = people[clips[row].person] ** -0.5
        products, matches = products + weight * given.T @ given, matches + weight * given.T @ light
        size = given.shape[1]
    ridge = _RIDGE * products.diagonal().mean() * torch.eye(size)
    maps: Tensor = torch.linalg.solve(products + ridge, matches).view(size, SIDE, SIDE)
    return maps * face_mask(places, triangles, skin=SKIN_POINTS)


def _canonical_light(
    picture: npt.NDArray[np.uint8], points: Floats, places: Tensor, triangles: Tensor
) -> Tensor:
    """The logarithm (SIDE, SIDE) of the light of a picture with the mesh (478, 2), in the canonical shape."""
    shape, rotation, eyes = upright_shape(points[:SKIN_POINTS])
    upright = np.concatenate([shape, still_points(shape)])
    placed = points[ORIGIN] + eyes * upright @ rotation + 0.5
    grid = warp_grid(torch.from_numpy(placed).float()[None], places[None], triangles, SIDE)
    light = torch.from_numpy(picture @ LUMA).float()
    return torch.log(sample_pixels(light[None, None], grid)[0, 0] + _DARKEST)
