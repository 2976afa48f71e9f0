"""Fits a face model to faces: canonical shape, glasses, the effect of expression, principal components."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.metrics.logistic_regression import fit_logistic_regression
from voiceface.models.corpus_face_set import FaceSet
from voiceface.models.face_model import EXPRESSIONS, FaceMeasures, FaceModel, glasses_features
from voiceface.models.triangulate import triangulate
from voiceface.nn.face.box_filters import blur
from voiceface.nn.face.face_model import BLOCKS, SIZE, STYLE_SIZE, to_luminance_chroma
from voiceface.nn.face.mesh_warp import locate_triangles

_FRONTAL = 10.0
"""Pixels of asymmetry above which a face is too much turned to be measured."""
_GLASSES_PENALTY = 10.0


class CanonicalFrame(NamedTuple):
    """The shape that all faces are warped to."""

    points: Tensor
    """(points + ring, 2) pixels of 256."""
    triangles: Tensor
    """(triangles, 3) indices of points."""
    mirror: Tensor
    """(points,) index of each point's mirror image."""
    inside: Tensor
    """(256, 256) pixels of the face, symmetric."""

    @property
    def inside_small(self) -> Tensor:
        """The same (64, 64)."""
        return F.avg_pool2d(self.inside.float()[None, None], 4)[0, 0] > 0.5


def canonical_frame(points: Tensor, mirror: Tensor) -> CanonicalFrame:
    """The median shape of the more frontal half of faces, made symmetric.

    Args:
        points: (n, points, 2) pixels of the portrait template at 256.
        mirror: (points,) index of each point's mirror image.
    """
    images = torch.stack([SIZE - points[..., 0], points[..., 1]], -1)[:, mirror]
    asymmetry = (points - images).abs().mean((1, 2))
    frontal = asymmetry <= asymmetry.median()
    median = torch.cat([points[frontal], images[frontal]]).median(0).values
    image = torch.stack([SIZE - median[:, 0], median[:, 1]], 1)[mirror]
    canonical = torch.cat([(median + image) / 2, ring_points()])
    triangles = triangulate(canonical)
    index = locate_triangles(canonical[None], triangles, SIZE)[0].clamp_min(0)
    face = (triangles[index] < len(median)).all(-1)
    return CanonicalFrame(canonical, triangles, mirror, face | face.flip(1))


def ring_points() -> Tensor:
    """Points (32, 2) on a square around the canonical frame, 0.15 sides outside it.

    They stay where they are whatever the face does, so that hair and surroundings follow it smoothly.
    """
    line, ones = torch.linspace(-1, 1, 9), torch.ones(9)
    sides = [(line, -ones), (line, ones), (-ones[2:], line[1:-1]), (ones[2:], line[1:-1])]
    return torch.cat([torch.stack(side, 1) for side in sides]) * 0.65 * SIZE + 0.5 * SIZE


def fit_frame(model: FaceModel, frame: CanonicalFrame, *, five: Tensor, template: Tensor) -> None:
    """Give the model its canonical frame.

    Args:
        model: to fill.
        frame: the frame.
        five: (5,) indices of dlib's five points.
        template: (5, 2) where rendered faces have them.
    """
    net = model.net
    for name, value in (
        ("canonical", frame.points),
        ("triangles", frame.triangles),
        ("inside", frame.inside),
        ("inside_small", frame.inside_small),
        ("five", five),
        ("template", template),
    ):
        net.get_buffer(name).copy_(value)
    model.get_buffer("mirror").copy_(frame.mirror)


def fit_glasses(model: FaceModel, faces: FaceSet) -> None:
    """Fit the logistic regression of glasses to the labelled faces; without any nobody wears glasses."""
    labelled = torch.nonzero(~faces.glasses.isnan())[:, 0]
    worn = faces.glasses[labelled].numpy()
    if len(set(worn.tolist())) < 2:
        return
    features = torch.cat(
        [glasses_features(_luminance(model, faces, some)) for some in torch.split(labelled, 64)]
    )
    found = fit_logistic_regression(features.numpy(), worn, penalty=_GLASSES_PENALTY, balanced=False)
    model.get_buffer("glasses_weight").copy_(torch.from_numpy(found.weights))
    model.get_buffer("glasses_bias").fill_(found.offset)


def _luminance(model: FaceModel, faces: FaceSet, some: Tensor) -> Tensor:
    canonical = model.canonical_pictures(faces.pictures[some].float(), faces.points[some])
    return to_luminance_chroma((canonical + canonical.flip(3)) / 2)[:, 0]


def fit_bases(model: FaceModel, measures: FaceMeasures, hair: Tensor, *, grey: Tensor) -> Tensor:
    """Fit the means and principal components, and the effect of expression that is taken out before.

    Args:
        model: to fill.
        measures: of all faces.
        hair: (n, 3) luminance, Cb and Cr of the hair; NaN where none is seen.
        grey: (n,) faces without colour: they teach luminance alone.

    Returns:
        (n,) the faces that the model was fitted to: frontal, lit and without glasses.
    """
    usable = (measures.asymmetry < _FRONTAL) & (measures.tone[:, 0] > 35)
    odds = measures.expression[:, -1]
    clean = usable & (odds < 0.4)
    coloured = clean & ~grey
    own = measures.expression[coloured]
    scale = own.std(0) + 1e-6
    scale[-1] = 1 / 3
    neutral = own.median(0).values
    # A closed mouth, eyes a little wider open than while speaking, from the front, no glasses.
    neutral[0], neutral[2] = own[:, 0].quantile(0.08), own[:, 2].quantile(0.65)
    neutral[5], neutral[6], neutral[7] = 0.0, neutral[0] ** 2, 0.0
    model.get_buffer("expression_scale").copy_(scale)
    model.get_buffer("neutral").copy_(neutral)
    _fit_expression(model, measures, usable & ~grey)
    numbers: dict[str, Tensor] = dict(model.neutral_measures(measures))
    numbers["tone"] = measures.tone
    numbers["hair"] = torch.where(hair.isnan(), hair[coloured].nanmean(0), hair)
    for name in BLOCKS:
        kept = clean if name == "luminance" else coloured
        centre = numbers[name][coloured].mean(0)
        data = numbers[name][kept]
        if name == "luminance" and bool(grey.any()):
            data = torch.cat([data[~grey[kept]], data[grey[kept]] - data[grey[kept]].mean(0) + centre])
        basis, spread = principal_components(data, model.net.components[name])
        model.net.get_buffer(f"{name}_mean").copy_(centre)
        model.net.get_buffer(f"{name}_basis").copy_(basis)
        model.net.get_buffer(f"{name}_scale").copy_(spread)
    _fit_detail(model, numbers["luminance"][coloured], measures.tone[coloured])
    return clean


def _fit_expression(model: FaceModel, measures: FaceMeasures, kept: Tensor) -> None:
    away = (measures.expression[kept] - measures.expression[kept].mean(0)) / model.get_buffer(
        "expression_scale"
    )
    gram = away.T @ away + 5 * torch.eye(EXPRESSIONS)
    for name in ("shape", "luminance", "chroma"):
        numbers = getattr(measures, name)[kept]
        effect = torch.linalg.solve(gram, away.T @ (numbers - numbers.mean(0)))
        model.net.get_buffer(f"{name}_expression").copy_(effect)


def principal_components(data: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Directions (count, width) of length 1 and standard deviations (count,); zero beyond the data's rank."""
    away = data - data.mean(0)
    size = min(count + 10, *away.shape)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        _, values, directions = torch.svd_lowrank(away, q=size, niter=3)
    basis, spread = torch.zeros(count, data.shape[1]), torch.zeros(count)
    found = min(count, size)
    basis[:found], spread[:found] = directions[:, :found].T, values[:found] / len(data) ** 0.5
    return basis, spread


def _fit_detail(model: FaceModel, luminance: Tensor, tone: Tensor) -> None:
    """Standard deviation, in grey levels, of what principal components leave out at each pixel."""
    net = model.net
    coefficients = net.encode("luminance", luminance) * net.get_buffer("luminance_scale")
    rebuilt = net.get_buffer("luminance_mean") + coefficients @ net.get_buffer("luminance_basis").float()
    inside = net.get_buffer("inside")
    strength = torch.zeros(SIZE, SIZE)
    strength[inside] = ((luminance - rebuilt) * tone[:, 1:2]).std(0)
    weight = blur(inside.float()[None, None], 9)
    smooth = blur(strength[None, None], 9) / weight.clamp_min(0.05) * inside
    net.get_buffer("detail").copy_(F.avg_pool2d(smooth, SIZE // STYLE_SIZE)[0, 0])
