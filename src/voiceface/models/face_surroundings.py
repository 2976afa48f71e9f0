"""What surrounds faces, in the canonical frame of a face model: colours, and which pixels are what."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.corpus_face_set import FaceSet
from voiceface.models.face_model import FaceModel
from voiceface.models.face_regions import HAIR, label_regions
from voiceface.nn.face.face_model import SIZE, to_luminance_chroma

_BLOCK = 64


class SurroundingFaces(NamedTuple):
    """The faces whose surroundings are known, in the canonical frame."""

    rows: Tensor
    """(m,) their indices among all faces."""
    colours: Tensor
    """(m, 3, 128, 128) uint8."""
    person: Tensor
    """(m, 64, 64) in [0, 1]."""
    known: Tensor
    """(m, 64, 64) whether the picture reached there."""
    regions: Tensor
    """(m, 64, 64) of `voiceface.models.face_regions`."""


def label_surroundings(model: FaceModel, faces: FaceSet, rows: Tensor) -> SurroundingFaces:
    """Warp faces with a mask of the person to the canonical frame, and label hair, skin and clothes.

    Args:
        model: with its canonical frame.
        faces: all faces.
        rows: (m,) indices of those with a mask and in colour.
    """
    colours, person, known = [], [], []
    for some in torch.split(rows, _BLOCK):
        masks = torch.stack([faces.person[some], faces.known[some].float()], 1)
        layers = torch.cat(
            [faces.pictures[some].float(), F.interpolate(masks, size=SIZE, mode="bilinear")], 1
        )
        canonical = model.canonical_pictures(layers, faces.points[some])
        colours.append(F.avg_pool2d(canonical[:, :3], 2).round().to(torch.uint8))
        small = F.avg_pool2d(canonical[:, 3:], 4)
        person.append(small[:, 0])
        known.append(small[:, 1] > 0.95)
    found = torch.cat(colours)
    shares, seen = torch.cat(person), torch.cat(known)
    pixels = F.avg_pool2d(found.float(), 2).permute(0, 2, 3, 1).numpy()
    face = F.avg_pool2d(model.net.get_buffer("inside").float()[None, None], 4)[0, 0] > 0.5
    chin = float(model.net.get_buffer("canonical")[152, 1]) / 4
    regions = label_regions(pixels, shares.numpy(), seen.numpy(), face.numpy(), chin=chin)
    return SurroundingFaces(rows, found, shares, seen, torch.from_numpy(regions))


def hair_colours(around: SurroundingFaces, count: int) -> Tensor:
    """Mean luminance, Cb and Cr (count, 3) of the hair of all faces; NaN where too little is seen."""
    hair = (around.regions == HAIR) & around.known
    colours = F.avg_pool2d(around.colours.float(), 2)
    area = hair.sum((1, 2))
    mean = (colours * hair[:, None]).sum((2, 3)) / area.clamp_min(1)[:, None]
    mean = to_luminance_chroma(mean[:, :, None, None])[:, :, 0, 0]
    found = torch.full((count, 3), torch.nan)
    found[around.rows] = torch.where((area >= 80)[:, None], mean, torch.nan)
    return found
