"""Fits the hair styles of a face model: averages of people whose outlines are alike."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.face_model import FaceMeasures, FaceModel
from voiceface.models.face_regions import HAIR, SKIN
from voiceface.models.face_surroundings import SurroundingFaces
from voiceface.models.hair_contours import (
    HIGH,
    HairContours,
    align_contours,
    contour_components,
    face_radius,
    high_angles,
    measure_contours,
    smooth_contour,
)
from voiceface.nn.face.box_filters import blur
from voiceface.nn.face.canonical_frame import (
    MIDDLE,
    SIZE,
    angles,
    at_angles,
    pixel_places,
    polar_coordinates,
)
from voiceface.nn.face.face_model import EDGE, FLOW_SIZE, STYLE_SIZE, to_luminance_chroma
from voiceface.nn.face.hair_flow import orientations

FEWEST = 12
"""Pictures that a hair style is the average of, at least, and their mirror images: nobody is recognised."""
_FRONTAL = 6.0
_WHOLE, _SHOWN = 0.85, 0.84
"""Shares of the outline of hair and head, and of the frame, that a picture must show."""
_EXPECTED, _EXPECTED_RIDGE = 2.0, 0.7
"""Weight of the contours that are expected of a face, and the ridge of their regression."""
_FORM = ("shape", "luminance", "chroma")
"""Blocks of coefficients that say which hair goes with a face."""
_CONTRAST, _FEW = 0.15, 80
"""Weight of a grey level between hair and skin, and pixels of hair below which there is none."""
_BROW, _CLEAR = 35.0, 4.0
"""Degrees from straight up, and pixels that a hairline lies above the face there."""
_BESIDE, _SPREAD, _LESS_KNOWN = (70.0, 112.0), 7.0, 0.5
"""Degrees from straight up beside the jaw, deviation of outlines there in pixels, and the weight of a face of
which no more is known."""
_LIKE = 1.6
"""Root mean square in tens of pixels of a face from the nearest style above which it has none."""
_SMOOTH, _FLOW_WIDTH = 5, 5
"""Pixels of 128 over which colours and orientations are averaged, twice."""
_LOCKS = 9
"""Pixels of 128 over which the share of hair is averaged below the jaw, where few pictures reach."""
_FAR, _RIM, _MIXED = 32.0, 5.0, 8.0
"""Pixels: farthest distance that counts, width of the rim in which background shines through, and of the
hairline."""
_READER_RIDGE = 0.02
"""Penalty on the weights that read the hair's colour, in units of the faces' mean squared length."""


def fit_hair_styles(
    model: FaceModel,
    around: SurroundingFaces,
    measures: FaceMeasures,
    coefficients: Tensor,
    *,
    clusters: int,
    seed: int,
) -> Tensor:
    """Cluster the contours of frontal people's hair and average the members of each cluster, aligned.

    Args:
        model: to fill.
        around: the faces.
        measures: of all faces.
        coefficients: (n, width) of all faces: hair goes with the face that it is on.
        clusters: of which those with few members are dropped.
        seed: of the clustering.

    Returns:
        (n, styles) how much each face says for each style: a 1 where its style is known, less where only the
        length of its hair is, nothing where it is not.
    """
    face = face_radius(model.net.get_buffer("inside"))
    contours = measure_contours(around.person, around.known, around.colours, face)
    fit = _whole_heads(around, contours, measures.asymmetry[around.rows], face)
    features = _features(contours, coefficients[around.rows], _contrasts(around), fit)
    pool = features[fit]
    centres, labels = _best_clusters(pool, min(clusters, len(pool)), seed)
    members = SurroundingFaces(*(part[fit] for part in around))
    own = HairContours(*(part[fit] for part in contours))
    kept, averages, sizes = [], [], []
    for cluster in range(len(centres)):
        rows = labels == cluster
        if int(rows.sum()) >= min(FEWEST, len(pool)):
            kept.append(cluster)
            sizes.append(int(rows.sum()))
            some = SurroundingFaces(*(part[rows] for part in members))
            averages.append(_average(some, HairContours(*(part[rows] for part in own)), face))
    if not kept:  # a handful of faces: one style, the average of them all
        kept, averages, sizes = [0], [_average(members, own, face)], [len(pool)]
        centres = pool.mean(0, keepdim=True)
    order = sorted(range(len(kept)), key=lambda k: -sizes[k])[: model.shape.styles]
    _fill(model, [averages[k] for k in order])
    if model.net.outlines:
        outlines = contour_components(own, labels, face, model.net.outlines - 1)
        model.net.get_buffer("style_outlines").copy_(outlines)
        model.net.get_buffer("style_face_radius").copy_(face)
    near = torch.cdist(pool, centres[[kept[k] for k in order]])
    # Who is like none of the styles does not say which face goes with which.
    usable = near.amin(1) < _LIKE * math.sqrt(features.shape[1])
    if not bool(usable.any()):
        usable = torch.ones_like(usable)
    worn = F.one_hot(near.argmin(1), model.shape.styles).float() * usable[:, None]
    found = torch.zeros(len(measures.asymmetry), model.shape.styles)
    found[around.rows] = _LESS_KNOWN * _by_length(contours, own, worn)
    found[around.rows[fit]] = worn
    return found


def _whole_heads(around: SurroundingFaces, contours: HairContours, asymmetry: Tensor, face: Tensor) -> Tensor:
    """Which people's styles are learnt (n,): frontal, wholly seen, without a fringe; all if there is none."""
    whole = contours.known[:, high_angles()].float().mean(1)
    shown = around.known.float().mean((1, 2))
    fit = (asymmetry < _FRONTAL) & (whole > _WHOLE) & (shown > _SHOWN)
    # A fringe would end at the border of the face, whose texture has none.
    above = angles().abs() < math.radians(_BROW)
    fit = fit & ((contours.hairline - face)[:, above].mean(1) > _CLEAR)
    return fit if bool(fit.any()) else torch.ones_like(fit)


def _by_length(contours: HairContours, pool: HairContours, worn: Tensor) -> Tensor:
    """Styles (n, styles) that people may wear by how wide their outline is beside the jaw; 0: not seen.

    Few pictures show the whole head, most show whether hair is long.

    Args:
        contours: of the people.
        pool: of those whose style is known.
        worn: (pool, styles) their styles.
    """
    angle = angles().abs()
    beside = (angle > math.radians(_BESIDE[0])) & (angle < math.radians(_BESIDE[1]))
    members = worn.sum(0)
    wide = (worn.T @ pool.outline[:, beside]) / members.clamp_min(1)[:, None]
    away = torch.cdist(contours.outline[:, beside], wide) / math.sqrt(int(beside.sum()))
    likely = members * torch.exp(-0.5 * (away / _SPREAD).square().clamp(max=60))
    likely = likely / likely.sum(1, keepdim=True).clamp_min(1e-12)
    seen = contours.known[:, beside].float().mean(1) > _WHOLE
    return likely * seen[:, None]


def _contrasts(around: SurroundingFaces) -> Tensor:
    """How much darker hair is than skin (n, 1), in grey levels; 0 where there is hardly any."""
    light = F.avg_pool2d(around.colours.float(), 2).mean(1)

    def mean(region: int) -> tuple[Tensor, Tensor]:
        own = (around.regions == region) & around.known
        area = own.sum((1, 2))
        return (light * own).sum((1, 2)) / area.clamp_min(1), area

    (hair, some), (skin, _) = mean(HAIR), mean(SKIN)
    return torch.where(some > _FEW, skin - hair, 0.0)[:, None]


def _features(contours: HairContours, coefficients: Tensor, contrast: Tensor, fit: Tensor) -> Tensor:
    """What clustering compares (n, features): contours in tens of pixels, and those expected of the face.

    The second keep men's and women's hair of one length apart, whose necks and ears differ; how dark the hair
    is keeps bald heads apart.
    """
    both = contours.symmetric()
    high = high_angles()
    found = torch.cat([both.outline[:, high], both.hairline[:, high]], 1) / 10
    found = found - found[fit].mean(0)
    away = coefficients - coefficients[fit].mean(0)
    gram = away[fit] @ away[fit].T
    ridge = gram + _EXPECTED_RIDGE * gram.diagonal().mean() * torch.eye(len(gram))
    response = torch.linalg.solve(ridge, found[fit])
    expected = away @ (away[fit].T @ response)
    # A face's own hair is not what is expected of it: leave it out.
    weight = (gram * torch.linalg.inv(ridge)).sum(1)[:, None]
    expected[fit] = (expected[fit] - weight * found[fit]) / (1 - weight).clamp_min(0.05)
    return torch.cat([found, _EXPECTED * expected, _CONTRAST * contrast], 1)


def _mirrored(around: SurroundingFaces) -> SurroundingFaces:
    return SurroundingFaces(around.rows, *(x.flip(x.ndim - 1) for x in around[1:]))


def _best_clusters(points: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """The tightest of ten clusterings."""
    weights = torch.ones(len(points))
    found = [_k_means(points, weights, count, seed + start) for start in range(10)]
    return min(found, key=lambda one: float((points - one[0][one[1]]).square().sum()))


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


def _average(members: SurroundingFaces, own: HairContours, face: Tensor) -> dict[str, Tensor]:
    """Mean colours (3, 128, 128) of a cluster's members and their mirror images, and contours (128, 128).

    Hairlines and outlines are moved to the cluster's medians first: an average of unaligned ones is a fog.
    """
    turned, images = _mirrored(members), own.mirrored()
    both = HairContours(*(torch.cat(pair) for pair in zip(own, images, strict=True)))
    outline, hairline = (part.median(0, keepdim=True).values for part in both[:2])
    centre = HairContours(outline, smooth_contour(hairline), torch.ones_like(outline, dtype=torch.bool))
    centre = centre.symmetric()
    person = torch.cat([members.person, turned.person])
    hair = (torch.cat([members.regions, turned.regions]) == HAIR).float()
    known = torch.cat([members.known, turned.known]).float()
    small = torch.stack([person, known, hair], 1)
    pictures = torch.cat([members.colours, turned.colours]).float()
    small = F.interpolate(small, size=STYLE_SIZE, mode="bilinear", align_corners=False)
    flow = orientations(pictures.mean(1, keepdim=True), width=_FLOW_WIDTH)
    layers = align_contours(torch.cat([pictures, small, flow], 1), both, centre, face)
    person, known, hair, flow = layers[:, 3], layers[:, 4], layers[:, 5], layers[:, 6:]
    weight = known * person.clamp(0.02, 1) ** 3 + 1e-5
    colours = (layers[:, :3] * weight[:, None]).sum(0) / weight.sum(0)
    seen = known.sum(0).clamp_min(1e-3)
    radius, angle = polar_coordinates(STYLE_SIZE)
    outline, hairline = (at_angles(part, angle)[0] for part in centre[:2])
    high = (1 - (angle.abs() - math.radians(HIGH - 10)) / math.radians(15)).clamp(0, 1)
    # Where few pictures reach there is nothing.
    share = (person * known).sum(0) / (seen + 0.03 * len(known))
    end = high * (outline - radius) + (1 - high) * _distance(share)
    start = high * (radius - hairline) + (1 - high) * _distance(
        (hair * known).sum(0) / seen + 0.15, width=_LOCKS
    )
    start = torch.where(outline - hairline > 3, start, -_FAR * torch.ones(()))
    colours = _without_rim(colours, outline, high)
    # An average has faint patterns that belong to nobody; the hairline stays. Along it hair and skin are
    # mixed in an average, so both are continued from a little further away.
    strands = torch.sigmoid(start / 2)
    apart = torch.sigmoid((start - _MIXED) / 2), torch.sigmoid((-start - _MIXED / 2) / 2)
    smooth = [_smooth_within(colours, share) for share in apart]
    colours = strands * smooth[0] + (1 - strands) * smooth[1]
    weight = known * hair + 1e-3
    flow = (flow * weight[:, None]).sum(0) / weight.sum(0)
    return {
        "colours": colours,
        "person": end,
        "hair": start,
        "flow": F.avg_pool2d(flow, STYLE_SIZE // FLOW_SIZE),
        "contours": torch.cat([centre.hairline, centre.outline]),
    }


def _smooth_within(colours: Tensor, share: Tensor) -> Tensor:
    """Colours (3, h, w) blurred where the share (h, w) is, with nothing from elsewhere."""
    layers = torch.cat([colours * share, share[None]])[None]
    near = blur(blur(layers, _SMOOTH), _SMOOTH)[0]
    # Far away, whatever there is.
    far = blur(blur(layers, 4 * _SMOOTH + 1), 4 * _SMOOTH + 1)[0]
    weight = (10 * near[3:]).clamp(0, 1)
    return weight * near[:3] / near[3:].clamp_min(1e-4) + (1 - weight) * far[:3] / far[3:].clamp_min(1e-4)


def _distance(share: Tensor, *, width: int = 3) -> Tensor:
    """Pixels (h, w) of 256 to where a share (h, w), blurred, passes a half, positive where it is more."""
    soft = blur(share[None, None], width)[0, 0]
    padded = F.pad(soft[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    across, down = padded[1:-1, 2:] - padded[1:-1, :-2], padded[2:, 1:-1] - padded[:-2, 1:-1]
    slope = (across.square() + down.square()).sqrt() / 4
    return ((soft - 0.5) / slope.clamp_min(0.004)).clamp(-_FAR, _FAR)


def _without_rim(colours: Tensor, outline: Tensor, high: Tensor) -> Tensor:
    """Colours (3, h, w) in which the last pixels within an outline, and all beyond, repeat those before."""
    radius, _ = polar_coordinates(colours.shape[-1])
    kept = torch.minimum(radius, outline - _RIM)
    scale = (high * kept + (1 - high) * radius) / radius.clamp_min(1e-3)
    middle = torch.tensor(MIDDLE)
    grid = (middle + (pixel_places(colours.shape[-1]) - middle) * scale[..., None]) / (SIZE / 2) - 1
    return F.grid_sample(colours[None], grid[None], padding_mode="border", align_corners=False)[0]


def _fill(model: FaceModel, averages: list[dict[str, Tensor]]) -> None:
    """A model with more styles than were found repeats them."""
    net = model.net
    for style in range(model.shape.styles):
        average = averages[style % len(averages)]
        net.get_buffer("style_colours")[style] = average["colours"].round().clamp(0, 255).to(torch.uint8)
        for name in ("person", "hair"):
            code = 0.5 + average[name] / (2 * EDGE)
            net.get_buffer(f"style_{name}")[style] = (255 * code).round().clamp(0, 255).to(torch.uint8)
        if net.outlines:
            net.get_buffer("style_contours")[style] = average["contours"]
        flow = 127.5 * (average["flow"] + 1)
        net.get_buffer("style_flow")[style] = flow.round().clamp(0, 255).to(torch.uint8)
        weight = (average["hair"] / 6).clamp(0, 1) * (average["person"] / 6).clamp(0, 1)
        colour = (average["colours"] * weight).sum((1, 2)) / weight.sum().clamp_min(1e-6)
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


def fit_style_shares(model: FaceModel, coefficients: Tensor, worn: Tensor, *, penalty: float = 120.0) -> None:
    """Fit the multinomial logistic regression of a face's hair style on its coefficients.

    Args:
        model: to fill.
        coefficients: (n, width) of faces.
        worn: (n, styles) of `fit_hair_styles`.
        penalty: of squared weights, beside the sum of the faces' cross-entropies.
    """
    # Dark hair is worn by everybody, and light is the photographer's.
    form = [torch.full((count,), float(name in _FORM)) for name, count in model.net.components.items()]
    rows, width, target = (coefficients * torch.cat(form)).double(), coefficients.shape[1], worn.double()
    weights = torch.zeros(width + 1, model.shape.styles, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        logits = rows @ weights[:-1] + weights[-1]
        loss = -(target * logits.log_softmax(1)).sum()
        loss = loss + penalty * weights[:-1].square().sum() + 1e-3 * weights[-1].square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        optimiser.step(closure)  # type: ignore[no-untyped-call]
    model.get_buffer("style_map").copy_(weights.detach()[:-1])
    model.get_buffer("style_bias").copy_(weights.detach()[-1])
