"""Fits the hair styles of a face model: averages of people whose outlines are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.corpus_face_set import FaceSet
from voiceface.models.face_model import FaceMeasures, FaceModel
from voiceface.models.face_regions import CLOTHES, HAIR, SKIN, label_regions
from voiceface.nn.face.box_filters import blur
from voiceface.nn.face.face_model import SIZE, STYLE_SIZE, to_luminance_chroma

FEWEST = 24
"""Pictures that a hair style is the average of, at least: nobody is recognised in it."""
_FRONTAL = 5.0
_REGIONS = 64
_READER_RIDGE = 0.02
"""Penalty on the weights that read the hair's colour, in units of the faces' mean squared length."""
_LOPSIDED = 0.085
"""Mean difference of a style's outline from its mirror image above which heads were turned."""
_SEEN = 0.6
"""Share of the upper half that a style's pictures must show on average: hair is often cut off."""
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


def fit_hair_styles(
    model: FaceModel,
    around: SurroundingFaces,
    measures: FaceMeasures,
    hair: Tensor,
    *,
    clusters: int,
    seed: int,
) -> Tensor:
    """Cluster the outlines of frontal people and average the members of each cluster.

    Args:
        model: to fill.
        around: the faces.
        measures: of all faces.
        hair: (n, 3) of `hair_colours`.
        clusters: of which those with few members, or of turned heads, are dropped.
        seed: of the clustering.

    Returns:
        (n,) style of each face, -1 where its surroundings are not known.
    """
    light = hair[around.rows, 0]
    light = torch.where(light.isnan(), light.nanmean(), light)
    images = _mirrored(around)
    straight, turned = _outlines(around, light), _outlines(images, light)
    frontal = measures.asymmetry[around.rows] < _FRONTAL
    weights = 1 + 2.0 * (around.known.float().mean((1, 2)) > 0.9)
    pool, members = torch.cat([straight[frontal], turned[frontal]]), torch.cat([weights[frontal]] * 2)
    centres, labels = _k_means(pool, members, min(clusters, len(pool)), seed)
    both = [torch.cat([a[frontal], b[frontal]]) for a, b in zip(around[1:], images[1:], strict=True)]
    kept, averages = [], []
    for cluster in range(len(centres)):
        own = labels == cluster
        if int(own.sum()) >= min(FEWEST, len(pool)):
            average = _average([x[own] for x in both], members[own])
            lopsided = float((average["person"] - average["person"].flip(1)).abs().mean())
            if lopsided < _LOPSIDED and float(average["seen"]) > _SEEN:
                kept.append(cluster)
                averages.append(average)
    if not kept:  # a handful of faces: one style, the average of them all
        kept, averages = [0], [_average(both, members)]
        centres = centres[:1]
    order = sorted(range(len(kept)), key=lambda k: -float((labels == kept[k]).sum()))[: model.shape.styles]
    _fill(model, [averages[k] for k in order])
    style = torch.full((len(hair),), -1)
    style[around.rows] = torch.cdist(straight, centres[[kept[k] for k in order]]).argmin(1)
    return style


def _mirrored(around: SurroundingFaces) -> SurroundingFaces:
    return SurroundingFaces(around.rows, *(x.flip(x.ndim - 1) for x in around[1:]))


def _outlines(around: SurroundingFaces, light: Tensor) -> Tensor:
    """What clustering compares: soft outlines of person, hair and clothes, and how light the hair is."""
    known = around.known.float()
    parts = []
    for share, weight in (
        ((around.regions > 0).float(), 1.0),
        ((around.regions == HAIR).float(), 1.0),
        ((around.regions == CLOTHES).float(), 0.4),
    ):
        mean = (share * known).sum(0) / known.sum(0).clamp_min(1)
        filled = torch.where(around.known, share, mean)
        soft = F.avg_pool2d(blur(filled[:, None], 9), 4).flatten(1)
        parts.append(2 * weight * soft)
    return torch.cat([*parts, 0.04 * light[:, None]], 1)


def _k_means(points: Tensor, weights: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Centres (count, dim) and labels (n,) of k-means++ (Arthur, Vassilvitskii 2007)."""
    random = torch.Generator().manual_seed(seed)
    centres = points[torch.multinomial(weights, 1, generator=random)]
    while len(centres) < count:
        far = weights * torch.cdist(points, centres).amin(1).square()
        if not bool((far > 0).any()):
            break
        centres = torch.cat([centres, points[torch.multinomial(far, 1, generator=random)]])
    for _ in range(50):
        labels = torch.cdist(points, centres).argmin(1)
        share = F.one_hot(labels, len(centres)).float() * weights[:, None]
        moved = share.T @ points / share.sum(0).clamp_min(1e-9)[:, None]
        moved = torch.where((share.sum(0) > 0)[:, None], moved, centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres, torch.cdist(points, centres).argmin(1)


def _average(members: Sequence[Tensor], weights: Tensor) -> dict[str, Tensor]:
    """Mean colours (3, 128, 128) and shares (64, 64) of person, hair and skin of a cluster's members.

    The members are given by their colours, person, known and regions as in `SurroundingFaces`.
    """
    colours, person, known, regions = members
    seen = known.float() * weights[:, None, None]
    # Where few pictures reach there is nothing: three pictures' worth of background.
    share = 1.03 * blur((person * seen).sum(0)[None, None], 3) / (blur(seen.sum(0)[None, None], 3) + 3)
    weight = blur((seen * person.clamp(0.02, 1) ** 3)[:, None], 3)
    solid = F.interpolate(weight, scale_factor=2, mode="bilinear") + 1e-5
    hair = F.interpolate((regions == HAIR).float()[:, None], scale_factor=2) * solid
    usual = (colours.float() * hair).sum((0, 2, 3)) / hair.sum().clamp_min(1)
    mean = ((colours.float() * solid).sum(0) + 4 * usual[:, None, None]) / (solid.sum(0) + 4)
    count = ((regions > 0) * seen).sum(0) + 1
    return {
        "colours": mean,
        "seen": seen[:, : _REGIONS // 2].mean() / weights.mean(),
        "person": share[0, 0],
        "hair": ((regions == HAIR) * seen).sum(0) / count,
        "skin": ((regions == SKIN) * seen).sum(0) / count,
    }


def _fill(model: FaceModel, averages: list[dict[str, Tensor]]) -> None:
    """A model with more styles than were found repeats them."""
    net = model.net
    for style in range(model.shape.styles):
        average = averages[style % len(averages)]
        net.get_buffer("style_colours")[style] = average["colours"].round().clamp(0, 255).to(torch.uint8)
        for name in ("person", "hair", "skin"):
            large = F.interpolate(average[name][None, None], size=STYLE_SIZE, mode="bicubic")[0, 0]
            net.get_buffer(f"style_{name}")[style] = (255 * large).round().clamp(0, 255).to(torch.uint8)
        weight = average["hair"] ** 2
        colour = (F.avg_pool2d(average["colours"], 2) * weight).sum((1, 2)) / weight.sum().clamp_min(1e-6)
        net.get_buffer("style_hair_colour")[style] = to_luminance_chroma(
            colour[None, :, None, None]
        ).flatten()


def fit_hair_reader(model: FaceModel, measures: FaceMeasures, hair: Tensor) -> None:
    """Fit the ridge regression that reads the colour of the hair off any picture.

    Args:
        model: to fill.
        measures: of all faces.
        hair: (n, 3) of `hair_colours`, NaN unknown.
    """
    rows = torch.nonzero(~hair.isnan().any(1))[:, 0]
    flat = measures.small[rows].flatten(1).float()
    mean, centre = flat.mean(0), hair[rows].mean(0)
    away = flat - mean
    # As many equations as faces, fewer than pixels.
    gram = away @ away.T
    penalty = _READER_RIDGE * float(gram.diagonal().mean())
    solution = away.T @ torch.linalg.solve(gram + penalty * torch.eye(len(rows)), hair[rows] - centre)
    for name, value in (("reader_mean", mean), ("reader_map", solution), ("reader_bias", centre)):
        model.get_buffer(name).copy_(value)


def fit_style_shares(model: FaceModel, coefficients: Tensor, style: Tensor, *, penalty: float = 20.0) -> None:
    """Fit the multinomial logistic regression of a face's hair style on its coefficients.

    Args:
        model: to fill.
        coefficients: (n, width) of faces.
        style: (n,) of `fit_hair_styles`.
        penalty: of squared weights, beside the sum of the faces' cross-entropies.
    """
    rows, width = coefficients.double(), coefficients.shape[1]
    weights = torch.zeros(width + 1, model.shape.styles, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(rows @ weights[:-1] + weights[-1], style, reduction="sum")
        loss = loss + penalty * weights[:-1].square().sum() + 1e-3 * weights[-1].square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        optimiser.step(closure)  # type: ignore[no-untyped-call]
    model.get_buffer("style_map").copy_(weights.detach()[:-1])
    model.get_buffer("style_bias").copy_(weights.detach()[-1])
