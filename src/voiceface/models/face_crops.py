"""Training data of the face mesh: faces with their points, and crops that show no upright face."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.errors import InputError
from voiceface.face.align import align
from voiceface.face.mesh import EYE_CORNERS_AND_NOSE, MESH_POINTS, TEMPLATE, points_in_picture, points_of_crop
from voiceface.face.mesh_mirror import MIRRORED_POINTS
from voiceface.media.read_npz import read_npz
from voiceface.models.alter_face_crops import alter_face_crops
from voiceface.models.step_seed import torch_generator
from voiceface.nn.face.landmark_net import LandmarkNet

if TYPE_CHECKING:
    from voiceface.corpus.splits import Selection

Points = npt.NDArray[np.float64]

_WIDE = 136
"""Pixels a side of the stored crops: the network's window with room around it to turn and shift it in."""
_ROOM = 1.4
"""Sides of the stored crop over those of the window."""
_OTHERS = 0.16
"""Crops without an upright face beside each face."""


class FaceCrops:
    """Batches of faces turned, shifted, mirrored, lit and covered at random, and of crops that show none.

    Args:
        selection: whose faces.
        meshes: id of a face to its points (478, 2) in pixels of the corpus' picture; no others are used.
        batch_size: faces a batch.
        colour: how many times as often as a grey picture one in colour is taken.
        seed: of every batch.

    Raises:
        InputError: none of the faces has points.
    """

    def __init__(
        self,
        selection: Selection,
        meshes: Mapping[str, Points],
        *,
        batch_size: int = 64,
        colour: float = 1.0,
        seed: int = 0,
    ) -> None:
        corpus, crops, points, weights = selection.corpus, [], [], []
        for index in selection.faces.tolist():
            mesh = meshes.get(corpus.faces[index].id)
            if mesh is None:
                continue
            picture = np.asarray(corpus.picture(index))
            five = mesh[list(EYE_CORNERS_AND_NOSE)]
            crops.append(_wide_crop(picture, five))
            points.append((points_of_crop(mesh, five) - 0.5) / _ROOM + 0.5)
            weights.append(colour if np.ptp(picture.astype(np.int16), axis=2).mean() > 1 else 1.0)
        if not crops:
            raise InputError(corpus.path, "has no face whose points are known", "give points of its faces")
        self.crops = torch.from_numpy(np.stack(crops))
        self.points = torch.from_numpy(np.stack(points)).float()
        self.weights = torch.tensor(weights)
        self.batch_size, self.seed = batch_size, seed

    def batch(self, step: int) -> dict[str, Tensor]:
        """``crops`` (n, 1, 96, 96), ``points`` (n, 478, 2), ``others`` (0.16 n, 1, 96, 96) of a step."""
        random = torch_generator(self.seed, step)
        crops, points = _mirror(*self.turned(self.batch_size, random), random)
        others = self._others(max(1, round(_OTHERS * self.batch_size)), random)
        return {
            "crops": alter_face_crops(crops, random),
            "points": points,
            "others": alter_face_crops(others, random),
        }

    def mirrored_points(self, count: int) -> Tensor:
        """Points (count, 478, 2) as batches have them, for the shape basis."""
        random = torch_generator(self.seed, "shapes")
        return _mirror(*self.turned(count, random), random)[1]

    def turned(self, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Crops (count, 1, 96, 96) of faces at random places of the window, with their points."""
        rows = torch.multinomial(self.weights, count, replacement=True, generator=random)
        return self.cut(rows, place_windows(count, random))

    def cut(self, rows: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Crops (n, 1, 96, 96) of faces seen through affine maps (n, 2, 3), and their points."""
        pictures = self.crops[rows].float()[:, None] / 127.5 - 1
        shape = [len(rows), 1, LandmarkNet.size, LandmarkNet.size]
        grid = F.affine_grid(places, shape, align_corners=False)
        crops = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
        back = torch.linalg.inv(places[:, :, :2])
        moved = (self.points[rows] * 2 - 1 - places[:, None, :, 2]) @ back.transpose(1, 2)
        return crops, (moved + 1) / 2

    def _others(self, count: int, random: torch.Generator) -> Tensor:
        """Crops upside down, on their side, of a part of a face, beside it, of noise, or shuffled."""
        places = place_windows(count, random)
        kinds = torch.randint(0, 6, (count,), generator=random).tolist()
        for place, kind in zip(places, kinds, strict=True):
            _misplace(place, kind, random)
        rows = torch.multinomial(self.weights, count, replacement=True, generator=random)
        crops, _ = self.cut(rows, places)
        for crop, kind in zip(crops, kinds, strict=True):
            if kind == 4:
                crop.copy_(_blobs(crop.shape[-1], random))
            elif kind == 5:
                crop.copy_(_shuffle(crop, random))
        return crops


def read_mesh_points(path: str) -> dict[str, Points]:
    """Read a teacher's file: ``face`` (ids of a corpus' faces), ``points`` (n, 478, 2 or more) in pixels.

    Raises:
        InputError: it is no such file.
    """
    remedy = "make it with tools/mesh_teacher.py"
    found = read_npz(path, lambda headers: ("face", "points"), remedy=remedy)
    if len(found) < 2:
        raise InputError(path, "holds no face and points", remedy)
    names, points = found["face"].tolist(), found["points"].astype(np.float64)
    if points.ndim != 3 or points.shape[0] != len(names) or points.shape[1] != MESH_POINTS:
        raise InputError(path, f"has {len(names)} faces and points of the shape {points.shape}", remedy)
    return dict(zip(names, points[:, :, :2], strict=True))


def place_windows(count: int, random: torch.Generator) -> Tensor:
    """Affine maps (count, 2, 3) from windows turned, scaled and shifted a little to the stored crop."""
    angle = math.radians(11) * torch.randn(count, generator=random)
    scale = torch.exp(0.11 * torch.randn(count, generator=random))
    shift = 0.055 * torch.randn(count, 2, generator=random)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = torch.stack([torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)], 1)
    return rows / _ROOM


def _misplace(place: Tensor, kind: int, random: torch.Generator) -> None:
    if kind == 0:
        place[:, :2] *= -1
    elif kind == 1:
        sign = 1.0 if torch.rand(1, generator=random) < 0.5 else -1.0
        place[:, :2] = place[:, :2] @ torch.tensor([[0.0, -sign], [sign, 0.0]])
    elif kind == 2:
        place[:, :2] *= 0.33
    elif kind == 3:
        angle = 2 * math.pi * torch.rand(1, generator=random)
        place[:, :2] *= 0.6
        place[:, 2] = 0.75 * torch.cat([torch.cos(angle), torch.sin(angle)])


def _blobs(side: int, random: torch.Generator) -> Tensor:
    height, width = torch.randint(3, 40, (2,), generator=random).tolist()
    noise = torch.randn(1, 1, height, width, generator=random)
    return 0.7 * F.interpolate(noise, size=(side, side), mode="bilinear")[0].clamp(-1, 1)


def _shuffle(crop: Tensor, random: torch.Generator) -> Tensor:
    """The crop's sixteen squares in another order."""
    side = crop.shape[-1]
    squares = crop.view(4, side // 4, 4, side // 4).permute(0, 2, 1, 3).reshape(16, side // 4, side // 4)
    mixed = squares[torch.randperm(16, generator=random)].view(4, 4, side // 4, side // 4)
    return mixed.permute(0, 2, 1, 3).reshape(1, side, side)


def _mirror(crops: Tensor, points: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Half of the faces mirrored, each point by the name it then has."""
    chosen = torch.rand(len(crops), generator=random) < 0.5
    other = points[:, MIRRORED_POINTS] * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0])
    return (
        torch.where(chosen[:, None, None, None], crops.flip(3), crops),
        torch.where(chosen[:, None, None], other, points),
    )


def _wide_crop(picture: npt.NDArray[np.uint8], five: Points) -> npt.NDArray[np.uint8]:
    """Grey (136, 136) uint8: the network's window with room around it."""
    # A smaller face in the same window: its points are drawn together around the middle of the window.
    corners = np.array([[0.0, 0.0], [1.0, 1.0]])
    middle = points_in_picture(corners, five).mean(axis=0)
    around = middle + (five - middle) * _ROOM
    crop = align(picture, around, size=_WIDE, template=TEMPLATE, border="edge")
    grey: npt.NDArray[np.uint8] = (crop @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)
    return grey
