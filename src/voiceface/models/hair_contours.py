"""Outlines of people and their hairlines as distances from the middle of the face, angle by angle."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.nn.face.canonical_frame import MIDDLE, SIZE, angles, at_angles, pixel_places, polar_coordinates
from voiceface.nn.face.hair_outline import radius_before

HIGH = 115.0
"""Degrees from straight up within which a contour is hair and head; below are neck and shoulders."""
_FADES = (105.0, 130.0)
"""Degrees between which alignment fades out."""
_FARTHEST = 200
_WIDTH, _BLOCK = 9, 64
_TOP, _RIM, _BALD = 60.0, (4.0, 14.0), 0.15
"""Degrees from straight up and pixels within the outline where hair is looked at, and the distance of its
colour from the skin's, in units of the latter, below which there is none."""
_LOPSIDED = 0.4
"""Share of what differs between the sides of an outline that is kept."""
_HAIRED = 3.0
"""Pixels between hairline and outline on average below which a head is bald."""


class HairContours(NamedTuple):
    """Contours of n people in pixels of the canonical frame from `MIDDLE`."""

    outline: Tensor
    """(n, angles) where the person ends."""
    hairline: Tensor
    """(n, angles) where the hair begins; the outline where there is none."""
    known: Tensor
    """(n, angles) whether the picture shows the outline; elsewhere it is guessed."""

    def mirrored(self) -> HairContours:
        """The contours of the mirrored pictures."""
        return HairContours(*(part.flip(1) for part in self))

    def symmetric(self) -> HairContours:
        """The means of both sides."""
        outline, hairline, known = self
        return HairContours(
            (outline + outline.flip(1)) / 2, (hairline + hairline.flip(1)) / 2, known & known.flip(1)
        )


def high_angles() -> Tensor:
    """Which directions (angles,) do not point at neck and shoulders."""
    return angles().abs() < math.radians(HIGH)


def face_radius(inside: Tensor) -> Tensor:
    """Distance (angles,) at which the face ends, of its pixels (256, 256)."""
    found = _along_rays(inside.float()[None, None])[0, 0]
    return _smooth((found > 0.5).float().sum(1)[None])[0]


def measure_contours(person: Tensor, known: Tensor, colours: Tensor, face: Tensor) -> HairContours:
    """Measure contours.

    The hairline is where colours are nearer to those along the top of the outline than to the face's.

    Args:
        person: (n, 64, 64) share of each pixel that is person, in the canonical frame.
        known: (n, 64, 64) whether the picture reached there.
        colours: (n, 3, side, side) in [0, 255].
        face: (angles,) of `face_radius`.
    """
    blocks = zip(*(torch.split(part, _BLOCK) for part in (person, known, colours)), strict=True)
    found = [_measure(person, known, colours, face) for person, known, colours in blocks]
    outline, seen, first = (torch.cat(parts) for parts in zip(*found, strict=True))
    typical = torch.where(seen, outline, torch.nan).nanmedian(0).values.nan_to_num(100.0)
    # What the border cuts off is guessed from how large the rest is.
    size = torch.where(seen, outline / typical, torch.nan).nanmedian(1, keepdim=True).values.nan_to_num(1.0)
    outline = _smooth(torch.where(seen, outline, size * typical), 5)
    hairline = _around(torch.minimum(first, outline), _WIDTH).median(-1).values
    return HairContours(outline, torch.minimum(_smooth(hairline, 5), outline), seen)


def _measure(person: Tensor, known: Tensor, colours: Tensor, face: Tensor) -> tuple[Tensor, ...]:
    """Outlines, whether they were seen, and where hair begins, all (n, angles)."""
    rays = _along_rays(torch.stack([person, known.float()], 1))
    radius = torch.arange(_FARTHEST)
    end = _first((rays[:, 0] < 0.5) & (radius >= face[None, :, None] - 4), _FARTHEST)
    seen = (end < _FARTHEST) & (end < _first(rays[:, 1] < 0.5, 2 * _FARTHEST) - 2)
    # From 0 for skin to 1 for hair.
    light = _along_rays(colours.float())
    top = (angles().abs() < math.radians(_TOP))[None, :, None] & seen[..., None]
    rim = top & (radius >= end[..., None] - _RIM[1]) & (radius < end[..., None] - _RIM[0])
    rim = rim & (radius >= face[None, :, None])
    skin, hair = _mean(light, (radius < face[:, None] - 8)[None] & (radius > 20)), _mean(light, rim)
    between = hair - skin
    contrast = between.norm(dim=1)
    share = ((light - skin[..., None, None]) * between[..., None, None]).sum(1)
    share = share / contrast.square().clamp_min(1.0)[:, None, None]
    dense = F.avg_pool1d(share, 5, stride=1, padding=2) > 0.5
    # Where the outline is an ear or a cheek, there is no hair.
    edge = (radius >= end[..., None] - 9) & (radius < end[..., None] - 2)
    covered = (edge * share).sum(2) / edge.sum(2).clamp_min(1) > 0.5
    dense = dense & covered[..., None] & (radius >= face[None, :, None] - 6)
    first = _first(dense, 2 * _FARTHEST)
    bald = (contrast < _BALD * skin.norm(dim=1)) | (rim.sum((1, 2)) == 0)
    return end, seen, torch.where(bald[:, None], 2.0 * _FARTHEST, first)


def _mean(rays: Tensor, where: Tensor) -> Tensor:
    """Means (n, channels) of rays (n, channels, angles, pixels) where ``where`` (n or 1, ...) is true."""
    weight = where[:, None].float()
    return (rays * weight).sum((2, 3)) / weight.sum((2, 3)).clamp_min(1)


def align_contours(pictures: Tensor, own: HairContours, wanted: HairContours, face: Tensor) -> Tensor:
    """Move hairlines and outlines to where others have them; the face and what is below it stay.

    Args:
        pictures: (n, channels, side, side) in the canonical frame.
        own: contours of the n pictures.
        wanted: contours (1 or n).
        face: (angles,) of `face_radius`.
    """
    side = pictures.shape[-1]
    radius, angle = polar_coordinates(side)
    start = face[None] - 3

    def knots(given: HairContours) -> tuple[Tensor, Tensor]:
        low = torch.maximum(given.hairline, start + 1)
        return at_angles(low, angle), at_angles(torch.maximum(given.outline, low + 2), angle)

    first = at_angles(start, angle)
    moved = radius_before(radius, first, knots(wanted), knots(own))
    stays = fades_below(angle)
    scale = (moved * stays + radius * (1 - stays)) / radius.clamp_min(1e-3)
    away = pixel_places(side) - torch.tensor(MIDDLE)
    grid = (torch.tensor(MIDDLE) + away * scale[..., None]) / (SIZE / 2) - 1
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def contour_components(own: HairContours, labels: Tensor, face: Tensor, count: int) -> Tensor:
    """Principal components (count, 2, angles) of how hairlines and outlines differ from their style's.

    They are shares of the distance from the middle of the face, as long as deviations.

    Args:
        own: contours of the people whose style is known, n.
        labels: (n,) their styles.
        face: (angles,) of `face_radius`.
        count: components, zeros where there are fewer.
    """
    twice, images = torch.cat([labels, labels]), own.mirrored()
    both = [smooth_contour(torch.cat([a, b])) for a, b in zip(own[:2], images[:2], strict=True)][::-1]
    # A hairline within the face is hidden by it; without hair there is none.
    both[0] = torch.maximum(both[0], face)
    haired = (both[1] - both[0])[:, high_angles()].mean(1) > _HAIRED
    found = []
    for contours, some in zip(both, (haired, torch.ones_like(haired)), strict=True):
        away = torch.zeros_like(contours)
        for label in sorted(set(labels.tolist())):
            rows = (twice == label) & some
            if bool(rows.any()):
                away[rows] = contours[rows] / contours[rows].median(0, keepdim=True).values.clamp_min(1) - 1
        found.append(away * fades_below(angles()))
    away = torch.stack(found, 1)
    # A head is rarely as lopsided as a photograph's outline; a parting is at one side.
    turned = away.flip(2)
    kept = torch.tensor([1.0, _LOPSIDED])[:, None]
    away = ((away + turned) / 2 + kept * (away - turned) / 2).flatten(1)
    _, lengths, directions = torch.linalg.svd(away, full_matrices=False)
    components = (lengths[:, None] * directions)[:count] / math.sqrt(len(away))
    return F.pad(components, (0, 0, 0, count - len(components))).view(count, 2, -1)


def fades_below(angle: Tensor) -> Tensor:
    """1 for directions of hair and head, 0 for those of neck and shoulders, of directions in radians."""
    fade = (angle.abs() - math.radians(_FADES[0])) / math.radians(_FADES[1] - _FADES[0])
    return 1 - fade.clamp(0, 1)


def _along_rays(maps: Tensor) -> Tensor:
    """Maps (n, channels, side, side) along rays from the middle: (n, channels, angles, pixels)."""
    angle = angles()
    direction = torch.stack([angle.sin(), -angle.cos()], 1)
    places = torch.tensor(MIDDLE) + torch.arange(float(_FARTHEST))[:, None] * direction[:, None]
    grid = (places / (SIZE / 2) - 1).expand(len(maps), -1, -1, -1)
    return F.grid_sample(maps, grid, padding_mode="border", align_corners=False)


def _first(found: Tensor, otherwise: int) -> Tensor:
    """Index of the first true value along the last axis."""
    return torch.where(found.any(-1), found.float().argmax(-1), otherwise).float()


def _around(values: Tensor, width: int) -> Tensor:
    """Neighbours (n, angles, width) of values (n, angles) on the circle."""
    margin = width // 2
    return torch.cat([values[:, -margin:], values, values[:, :margin]], 1).unfold(1, width, 1)


def smooth_contour(contour: Tensor) -> Tensor:
    """A contour (n, angles) without the corners of the face's border."""
    return _smooth(_smooth(contour, 15), 9)


def _smooth(values: Tensor, width: int = _WIDTH) -> Tensor:
    return _around(values, width).mean(-1)
