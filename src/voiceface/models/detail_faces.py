"""Training data of the detail network: sharp faces with their smooth versions."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.corpus_face_set import FaceSet
from voiceface.models.step_seed import torch_generator
from voiceface.nn.face.box_filters import blur
from voiceface.nn.face.face_model import SIZE, FaceModelNet

_FRONTAL = 5.0
"""Mean distance in pixels of a mesh from its mirror image up to which a face counts as frontal."""
_REACHED = 0.8
"""Share of the picture that must be known."""
_WIDEST = 6.0
"""Largest displacement in pixels of the versions that are averaged outside a face."""


class SharpFaces(NamedTuple):
    """Photographs that show what detail looks like."""

    pictures: Tensor
    """(n, 3, 256, 256) uint8, the background blurred."""
    face: Tensor
    """(n, 1, 256, 256) uint8 share of each pixel that lies inside the face, of 255."""
    known: Tensor
    """(n, 1, 256, 256) uint8, 1 where the picture reached."""


def sharp_faces(net: FaceModelNet, faces: FaceSet, asymmetry: Tensor, *, keep: float) -> SharpFaces:
    """The sharpest frontal faces in colour, before blurred backgrounds of their own colours.

    Args:
        net: the face model.
        faces: to choose from.
        asymmetry: (n,) as `FaceMeasures` has it.
        keep: share of the faces that is kept; at least one is.
    """
    sharpness = torch.cat([_sharpness(some) for some in torch.split(faces.pictures, 64)])
    fit = (asymmetry < _FRONTAL) & (faces.known.float().mean((1, 2)) > _REACHED)
    order = torch.where(fit, sharpness, -1.0).argsort(descending=True)
    rows = order[: max(1, round(keep * len(order)))]
    rows = rows[(sharpness[rows] > 0) & fit[rows]] if bool(fit.any()) else rows[:1]
    pictures, shares = [], []
    for some in torch.split(rows, 32):
        colours = faces.pictures[some].float()
        person = _refined(colours, faces.person[some])
        pictures.append(_before_blur(colours, person).round().to(torch.uint8))
        solid = net.solid().expand(len(some), -1, -1, -1)
        shares.append((255 * net.from_canonical(solid, faces.points[some])).round().to(torch.uint8))
    known = F.interpolate(faces.known[rows].float()[:, None], size=SIZE)
    return SharpFaces(torch.cat(pictures), torch.cat(shares), known.to(torch.uint8))


class DetailFaces:
    """Batches of sharp faces, and of the same made as smooth as rendered ones are.

    Args:
        sharp: photographs.
        batch_size: of a step.
        crop: pixels a side of the random window of a step, the same for all its pictures; 32 divides it.
        seed: of every batch.
    """

    def __init__(self, sharp: SharpFaces, *, batch_size: int, crop: int = SIZE, seed: int) -> None:
        self.sharp = sharp
        self.batch_size, self.crop, self.seed = batch_size, crop, seed

    def batch(self, step: int) -> dict[str, Tensor]:
        """Pictures in [-1, 1] and shares in [0, 1] of a step: see `FaceDetail`."""
        random = torch_generator(self.seed, step)
        rows = torch.randint(0, len(self.sharp.pictures), (self.batch_size,), generator=random)
        found = self.pairs(rows, random)
        top, left = torch.randint(0, SIZE - self.crop + 1, (2,), generator=random).tolist()
        return {name: x[..., top : top + self.crop, left : left + self.crop] for name, x in found.items()}

    def pairs(self, rows: Tensor, random: torch.Generator) -> dict[str, Tensor]:
        """What a batch holds of these photographs, half of them mirrored, before it is cropped."""
        sharp = self.sharp.pictures[rows].float() / 127.5 - 1
        face, known = self.sharp.face[rows].float() / 255, self.sharp.known[rows].float()
        sharp, face, known = _mirror([sharp, face, known], random)
        return {
            "sharp": sharp,
            "smooth": smooth_faces(sharp, face, random),
            "face": face,
            "known": known,
            "grain": torch.randn(len(rows), 1, SIZE, SIZE, generator=random),
        }


def smooth_faces(sharp: Tensor, face: Tensor, random: torch.Generator) -> Tensor:
    """Make faces (n, 3, 256, 256) as smooth as rendered ones, by chance more or less.

    Outside the face a rendered picture is an average of people: here of the picture's own distorted versions,
    blurred. Inside it lacks the finest detail alone.

    Args:
        sharp: in [-1, 1].
        face: (n, 1, 256, 256) share of each pixel that lies inside the face.
        random: of the strengths.
    """
    made = []
    for picture, inside in zip(sharp[:, None], face[:, None], strict=True):
        widths = torch.randint(0, 5, (2,), generator=random).tolist()
        reach = _WIDEST * float(torch.rand(1, generator=random))
        outside = torch.stack([_distorted(picture, reach, random) for _ in range(3)]).mean(0)
        outside = _twice_blurred(outside, 5 + 2 * widths[0])
        within = _twice_blurred(picture, 1 + 2 * (widths[1] // 2))
        smooth = inside * within + (1 - inside) * outside
        # Rendering sharpens what it has, too.
        strength = 0.6 * float(torch.rand(1, generator=random))
        made.append(smooth + strength * (smooth - blur(smooth, 7)))
    return torch.cat(made)


def _distorted(picture: Tensor, reach: float, random: torch.Generator) -> Tensor:
    moves = F.interpolate(
        torch.randn(1, 2, 6, 6, generator=random), size=SIZE, mode="bicubic", align_corners=True
    )
    grid = F.affine_grid(torch.eye(2, 3)[None], [1, 3, SIZE, SIZE], align_corners=False)
    grid = grid + (2 * reach / SIZE) * moves.permute(0, 2, 3, 1)
    return F.grid_sample(picture, grid, padding_mode="border", align_corners=False)


def _twice_blurred(pictures: Tensor, width: int) -> Tensor:
    return blur(blur(pictures, width), width) if width > 1 else pictures


def _mirror(parts: list[Tensor], random: torch.Generator) -> list[Tensor]:
    chosen = torch.rand(len(parts[0]), 1, 1, 1, generator=random) < 0.5
    return [torch.where(chosen, part.flip(3), part) for part in parts]


def _sharpness(pictures: Tensor) -> Tensor:
    """Fine contrast over all contrast (n,) in the middle of pictures, 0 for those without colour or light."""
    middle = pictures[:, :, 72:200, 72:184].float()
    light = middle.mean(1, keepdim=True)
    contrast = light.std((1, 2, 3))
    fine = (light - blur(light, 5)).std((1, 2, 3)) / contrast.clamp_min(8)
    colour = (middle.amax(1) - middle.amin(1)).mean((1, 2))
    mean = light.mean((1, 2, 3))
    return torch.where((colour > 6) & (mean > 50) & (mean < 215) & (contrast > 14), fine, 0.0)


def _refined(pictures: Tensor, person: Tensor) -> Tensor:
    """Shares of person (n, 1, 256, 256) that follow the picture's edges, of (n, 64, 64) ones.

    The guided filter (He, Sun, Tang 2010) with the luminance as its guide; without a mask all is person.
    """
    share = F.interpolate(person.nan_to_num(1.0)[:, None], size=SIZE, mode="bilinear")
    guide = pictures.mean(1, keepdim=True) / 255
    width = 17
    mean, centre = blur(guide, width), blur(share, width)
    variance = blur(guide.square(), width) - mean.square()
    slope = (blur(guide * share, width) - mean * centre) / (variance + 1e-3)
    offset = centre - slope * mean
    found = blur(slope, width) * guide + blur(offset, width)
    return ((found - 0.1) / 0.8).clamp(0, 1)


def _before_blur(pictures: Tensor, person: Tensor) -> Tensor:
    """Put people before a blurred version of their own background, which no rendered face has to equal."""
    weight = (1 - person) ** 2 + 1e-4
    small, share = F.avg_pool2d(pictures * weight, 8), F.avg_pool2d(weight, 8)
    for _ in range(2):
        small, share = blur(small, 9), blur(share, 9)
    behind = F.interpolate(small / share, size=SIZE, mode="bicubic", align_corners=False).clamp(0, 255)
    return person * pictures + (1 - person) * behind
