"""Training data of the detail network: sharp faces with their smooth versions."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.corpus_face_set import FaceSet
from voiceface.models.face_model import FaceModel
from voiceface.models.face_regions import HAIR
from voiceface.models.face_surroundings import label_surroundings
from voiceface.models.step_seed import torch_generator
from voiceface.nn.face.box_filters import blur
from voiceface.nn.face.face_model import SIZE
from voiceface.nn.face.hair_flow import orientations, streaks

_FRONTAL = 5.0
"""Mean distance in pixels of a mesh from its mirror image up to which a face counts as frontal."""
_REACHED = 0.8
"""Share of the picture that must be known."""
_FLOW_WIDTH = 9
"""Pixels over which orientations of hair are averaged, twice."""


class SharpFaces(NamedTuple):
    """Photographs that show what detail looks like."""

    pictures: Tensor
    """(n, 3, 256, 256) uint8, the background blurred."""
    face: Tensor
    """(n, 1, 256, 256) uint8 share of each pixel that lies inside the face, of 255."""
    known: Tensor
    """(n, 1, 256, 256) uint8, 1 where the picture reached."""
    person: Tensor
    """(n, 1, 256, 256) uint8 share of each pixel that is person, of 255."""
    hair: Tensor
    """(n, 1, 256, 256) uint8 share of each pixel that is hair, of 255."""


def sharp_faces(model: FaceModel, faces: FaceSet, asymmetry: Tensor, *, keep: float) -> SharpFaces:
    """The sharpest frontal faces in colour, before blurred backgrounds of their own colours.

    Args:
        model: the face model.
        faces: to choose from.
        asymmetry: (n,) as `FaceMeasures` has it.
        keep: share of the faces that is kept; at least one is.
    """
    sharpness = torch.cat([_sharpness(some) for some in torch.split(faces.pictures, 64)])
    fit = (asymmetry < _FRONTAL) & (faces.known.float().mean((1, 2)) > _REACHED)
    order = torch.where(fit, sharpness, -1.0).argsort(descending=True)
    rows = order[: max(1, round(keep * len(order)))]
    rows = rows[(sharpness[rows] > 0) & fit[rows]] if bool(fit.any()) else rows[:1]
    masked = faces._replace(person=faces.person.nan_to_num(1.0))
    regions = label_surroundings(model, masked, rows).regions
    pictures, shares = [], []
    for first in range(0, len(rows), 32):
        some, net = rows[first : first + 32], model.net
        colours = faces.pictures[some].float()
        person = _refined(colours, masked.person[some])
        pictures.append(_before_blur(colours, person).round().to(torch.uint8))
        hair = F.interpolate((regions[first : first + 32, None] == HAIR).float(), size=SIZE, mode="bilinear")
        layers = torch.cat([net.solid().expand(len(some), -1, -1, -1), hair], 1)
        face, hair = torch.split(net.from_canonical(layers, faces.points[some]), 1, dim=1)
        hair = person * (1 - face) * _refined(colours, F.avg_pool2d(hair, SIZE // 64)[:, 0])
        shares.append((255 * torch.cat([face, person, hair], 1)).round().to(torch.uint8))
    known = F.interpolate(faces.known[rows].float()[:, None], size=SIZE).to(torch.uint8)
    face, person, hair = torch.split(torch.cat(shares), 1, dim=1)
    return SharpFaces(torch.cat(pictures), face, known, person, hair)


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
        pictures, *shares = (part[rows].float() for part in self.sharp)
        sharp, face, known, person, hair = _mirror(
            [pictures / 127.5 - 1, shares[0] / 255, shares[1], shares[2] / 255, shares[3] / 255], random
        )
        grain = torch.randn(len(rows), 1, SIZE, SIZE, generator=random)
        flow = orientations(sharp.mean(1, keepdim=True), width=_FLOW_WIDTH)
        return {
            "sharp": sharp,
            "smooth": smooth_faces(sharp, face, person, hair, random),
            "face": face,
            "known": known,
            "grain": grain + hair * (streaks(grain, flow) - grain),
        }


def smooth_faces(
    sharp: Tensor, face: Tensor, person: Tensor, hair: Tensor, random: torch.Generator
) -> Tensor:
    """Make faces (n, 3, 256, 256) as smooth as rendered ones, by chance more or less.

    Outside the face a rendered picture is smooth within an outline and a hairline that are not: hair, the
    rest of the person and the background are blurred apart. Inside it lacks the finest detail alone.

    Args:
        sharp: in [-1, 1].
        face: (n, 1, 256, 256) share of each pixel that lies inside the face.
        person: (n, 1, 256, 256) share that is person.
        hair: (n, 1, 256, 256) share that is hair.
        random: of the strengths.
    """
    made = []
    for row in range(len(sharp)):
        picture, inside, own, strands = (part[row : row + 1] for part in (sharp, face, person, hair))
        widths = torch.randint(0, 5, (2,), generator=random).tolist()
        edge = 3 + 2 * int(torch.randint(0, 2, (1,), generator=random))
        wide = 7 + 2 * widths[0]
        # The border of two regions is rendered as a smooth line.
        own, strands = (_steeper(_twice_blurred(share, edge)) for share in (own, strands))
        strands = torch.minimum(strands, own)
        parts = (strands, own - strands, 1 - own)
        outside = torch.stack([part * _blurred_within(picture, part, wide) for part in parts]).sum(0)
        within = _twice_blurred(picture, 1 + 2 * (widths[1] // 2))
        smooth = inside * within + (1 - inside) * outside
        # The face is sharpened when it is rendered.
        strength = 0.6 * float(torch.rand(1, generator=random))
        made.append(smooth + strength * inside * (smooth - blur(smooth, 7)))
    return torch.cat(made)


def _steeper(share: Tensor) -> Tensor:
    return (1.6 * (share - 0.5) + 0.5).clamp(0, 1)


def _blurred_within(picture: Tensor, share: Tensor, width: int) -> Tensor:
    """A picture (1, 3, h, w) blurred where the share is, with nothing from elsewhere."""
    layers = _twice_blurred(torch.cat([picture * share, share], 1), width)
    near = layers[:, :3] / layers[:, 3:].clamp_min(1e-3)
    # Far from the region there is nothing to average; the picture's own blur does no harm there.
    weight = (20 * layers[:, 3:]).clamp(0, 1)
    return weight * near + (1 - weight) * _twice_blurred(picture, width)


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
