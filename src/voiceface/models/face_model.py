"""A face as numbers: measured in a picture by its mesh, decoded and rendered by `FaceModelNet`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.model import Model, Turn
from voiceface.nn.face.box_filters import blur
from voiceface.nn.face.face_model import BLOCKS, SIZE, FaceModelNet, to_luminance_chroma
from voiceface.nn.face.mesh_warp import barycentric_coordinates, locate_triangles, sample_pixels

TEMPLATE = "portrait"
"""How pictures are aligned before they are measured, and how rendered faces are."""
READER_SIZE = 32
"""Pixels a side of the canonical picture in which hair is read."""
EXPRESSIONS = 8
"""Numbers of expression, pose and glasses: see `expression`; glasses are the last."""
_GLASSES_CELLS = (12, 9)
_GLASSES = {"shape": 2.0, "luminance": 2.4, "chroma": 0.6}
"""Strength of glasses that are added, in units of the regression's: frames differ, so their mean is pale."""
_PANE, _LIGHTEST = 31, 0.15
"""Pixels over which the mean of glasses is made clear, and the deviations by which they lighten at most."""
_BLOCK = 64


OUTLINES = 7
"""Numbers by which hair varies within a style, by default: six of hairline and outline, and its length."""


class FaceModelShape(NamedTuple):
    """Sizes of a face model; the first three follow from the canonical shape."""

    triangles: int
    pixels: int
    """Inside the face at 256 pixels."""
    small_pixels: int
    """The same at 64 pixels."""
    styles: int
    """Hair styles."""
    components: Mapping[str, int]
    """Principal components of each block."""
    points: int = 478
    ring: int = 32
    outlines: int = 0
    """Numbers by which hair varies within a style."""


class FaceMeasures(NamedTuple):
    """What is measured of n faces, each the mean of the face and its mirror image."""

    shape: Tensor
    """(n, 2 * points) pixels of the portrait template at 256."""
    luminance: Tensor
    """(n, pixels) inside the face, less its mean, over its standard deviation."""
    chroma: Tensor
    """(n, 2 * small pixels) Cb, then Cr, less their means, over the same deviation."""
    tone: Tensor
    """(n, 4) mean and standard deviation of the luminance, means of Cb and Cr."""
    expression: Tensor
    """(n, `EXPRESSIONS`) openness and width of mouth and eyes, lips, pitch, yaw, glasses."""
    small: Tensor
    """(n, 3, 32, 32) uint8, the whole canonical picture, not mirrored."""
    asymmetry: Tensor
    """(n,) mean distance of the shape from its mirror image in pixels: large for turned heads."""


class FaceModel(Model):
    """Measures faces, and turns measures into coefficients; `net` turns coefficients into pictures.

    Args:
        shape: its sizes.
    """

    face_size, face_template = SIZE, TEMPLATE

    def __init__(self, shape: FaceModelShape) -> None:
        super().__init__()
        self.shape = shape
        self.net = FaceModelNet(
            points=shape.points,
            ring=shape.ring,
            triangles=shape.triangles,
            pixels=shape.pixels,
            small_pixels=shape.small_pixels,
            components=shape.components,
            hair=(shape.styles, shape.outlines),
            expressions=EXPRESSIONS,
        )
        self.register_buffer("mirror", torch.zeros(shape.points, dtype=torch.int64))
        self.register_buffer("expression_scale", torch.ones(EXPRESSIONS))
        self.register_buffer("neutral", torch.zeros(EXPRESSIONS))
        self.register_buffer("glasses_weight", torch.zeros(2 * _GLASSES_CELLS[0] * _GLASSES_CELLS[1]))
        self.register_buffer("glasses_bias", torch.tensor(-10.0))  # nobody, until it is fitted
        self.register_buffer("reader_mean", torch.zeros(3 * READER_SIZE**2))
        self.register_buffer("reader_map", torch.zeros(3 * READER_SIZE**2, 3).half())
        self.register_buffer("reader_bias", torch.zeros(3))
        self.register_buffer("style_map", torch.zeros(self.net.width, shape.styles))
        self.register_buffer("style_bias", torch.zeros(shape.styles))
        self.register_buffer("response", torch.zeros(self.net.width, 128))

    def turns(self) -> Sequence[Turn]:
        """None: all is computed in closed form."""
        return []

    # Measuring

    def canonical_pictures(self, pictures: Tensor, points: Tensor) -> Tensor:
        """Warp pictures (n, channels, 256, 256) with their points (n, points, 2) to the canonical shape."""
        canonical, triangles = self.net.get_buffer("canonical"), self.net.get_buffer("triangles")
        # One grid of triangles serves all pictures: their target is one shape.
        corners = triangles[locate_triangles(canonical[None], triangles, SIZE).view(-1).clamp_min(0)]
        line = torch.arange(SIZE, device=canonical.device) + 0.5
        centres = torch.stack([line.repeat(SIZE), line.repeat_interleave(SIZE)], 1)
        weights = barycentric_coordinates(centres, canonical[corners])
        ring = canonical[self.shape.points :].expand(len(points), -1, -1)
        placed = torch.cat([points, ring], 1)
        grid = (weights[:, :, None] * placed[:, corners]).sum(2).view(-1, SIZE, SIZE, 2)
        return sample_pixels(pictures, grid)

    @torch.no_grad()
    def measure(self, pictures: Tensor, points: Tensor) -> FaceMeasures:
        """Measure faces.

        Args:
            pictures: (n, 3, 256, 256) uint8, aligned to the portrait template.
            points: (n, points, 2) of their meshes, in pixels of the picture from its corner.
        """
        blocks = [
            self._measure(pictures[first : first + _BLOCK], points[first : first + _BLOCK].float())
            for first in range(0, len(points), _BLOCK)
        ]
        return FaceMeasures(*(torch.cat(list(parts)) for parts in zip(*blocks, strict=True)))

    def _measure(self, pictures: Tensor, points: Tensor) -> FaceMeasures:
        canonical = self.canonical_pictures(pictures.float(), points)
        small = F.avg_pool2d(canonical, SIZE // READER_SIZE).round().to(torch.uint8)
        mirrored = (canonical + canonical.flip(3)) / 2
        luminance, blue, red = to_luminance_chroma(mirrored).unbind(1)
        inside, inside_small = self.net.get_buffer("inside"), self.net.get_buffer("inside_small")
        shaded = luminance[:, inside]
        mean, deviation = shaded.mean(1, keepdim=True), shaded.std(1, keepdim=True)
        unit = deviation.clamp_min(4)
        colours = [F.avg_pool2d(x[:, None], 4)[:, 0][:, inside_small] for x in (blue, red)]
        means = [x.mean(1, keepdim=True) for x in colours]
        chroma = torch.cat([(x - m) / unit for x, m in zip(colours, means, strict=True)], 1)
        turned = torch.stack([SIZE - points[..., 0], points[..., 1]], -1)[:, self.get_buffer("mirror")]
        symmetric = (points + turned) / 2
        glasses = self.glasses(luminance).sigmoid()
        return FaceMeasures(
            shape=symmetric.flatten(1),
            luminance=(shaded - mean) / unit,
            chroma=chroma,
            tone=torch.cat([mean, deviation, *means], 1),
            expression=torch.cat([expression(points, symmetric), glasses[:, None]], 1),
            small=small,
            asymmetry=(points - turned).abs().mean((1, 2)),
        )

    def glasses(self, luminance: Tensor) -> Tensor:
        """Log odds (n,) that faces wear glasses, of their canonical luminance (n, 256, 256)."""
        return glasses_features(luminance) @ self.get_buffer("glasses_weight") + self.get_buffer(
            "glasses_bias"
        )

    def glasses_effect(self) -> dict[str, Tensor]:
        """What glasses add to the numbers (width,) of shape, luminance and chroma: a frame, clear within."""
        worn = (1 - self.get_buffer("neutral")[-1]) / self.get_buffer("expression_scale")[-1].clamp_min(1e-6)
        effect = {
            name: strength * worn * self.net.get_buffer(f"{name}_expression")[-1].float()
            for name, strength in _GLASSES.items()
        }
        # The mean of many pairs is a tinted pane: some were sunglasses, and frames lie everywhere in it.
        inside = self.net.get_buffer("inside")
        glass = torch.zeros(1, 1, SIZE, SIZE).to(effect["luminance"])
        glass[:, :, inside] = effect["luminance"]
        pane, face = (blur(blur(one, _PANE), _PANE) for one in (glass, inside.to(glass)[None, None]))
        effect["luminance"] = (glass - pane / face.clamp_min(0.05))[0, 0][inside].clamp(max=_LIGHTEST)
        return effect

    # Coefficients

    def neutral_measures(self, measures: FaceMeasures) -> dict[str, Tensor]:
        """Shape, luminance and chroma as they would be with a neutral expression, from the front."""
        unit = self.get_buffer("expression_scale").clamp_min(1e-6)
        away = (measures.expression - self.get_buffer("neutral")) / unit
        return {
            name: getattr(measures, name) - away @ self.net.get_buffer(f"{name}_expression").to(away)
            for name in ("shape", "luminance", "chroma")
        }

    def encode(self, measures: FaceMeasures) -> Tensor:
        """Coefficients (n, width) of faces, in standard deviations, with a neutral expression."""
        numbers = self.neutral_measures(measures)
        numbers["tone"], numbers["hair"] = measures.tone, self.read_hair(measures)
        return torch.cat([self.net.encode(name, numbers[name]) for name in BLOCKS], 1)

    def style_shares(self, coefficients: Tensor) -> Tensor:
        """Probabilities (n, styles) of the hair styles of faces with these coefficients."""
        scores: Tensor = coefficients @ self.get_buffer("style_map") + self.get_buffer("style_bias")
        return scores.softmax(1)

    def read_hair(self, measures: FaceMeasures) -> Tensor:
        """Luminance, Cb and Cr of the hair: (n, 3)."""
        flat = measures.small.flatten(1).float() - self.get_buffer("reader_mean")
        found: Tensor = flat @ self.get_buffer("reader_map").float() + self.get_buffer("reader_bias")
        return found


def glasses_features(luminance: Tensor) -> Tensor:
    """Strength of edges around the eyes (n, 216) of canonical luminance (n, 256, 256)."""
    eyes = luminance[:, 96:176, 56:200]
    eyes = eyes / (eyes.mean((1, 2), keepdim=True) + 10)
    down, across = _GLASSES_CELLS[0], 2 * _GLASSES_CELLS[1] - 1
    found = []
    for edges in (eyes[:, 1:-1, 2:] - eyes[:, 1:-1, :-2], eyes[:, 2:, 1:-1] - eyes[:, :-2, 1:-1]):
        cells = F.avg_pool2d(edges.abs()[:, None, : 6 * down, : 8 * across], (6, 8)).sqrt()[:, 0]
        found.append((cells + cells.flip(2))[:, :, : _GLASSES_CELLS[1]].flatten(1))
    return torch.cat(found, 1)


def expression(points: Tensor, symmetric: Tensor) -> Tensor:
    """Seven numbers (n, 7) of expression and pose, of meshes (n, 478, 2) and their symmetric forms.

    Openness of the mouth, its width, openness of the eyes, lift of its corners, pitch, squares of yaw and of
    the first; distances in those between the eyes.
    """
    eyes: Tensor = (symmetric[:, 33] + symmetric[:, 133] - symmetric[:, 263] - symmetric[:, 362]).norm(
        dim=1
    ) / 2

    def gap(first: int, second: int) -> Tensor:
        distance: Tensor = (symmetric[:, first] - symmetric[:, second]).norm(dim=1)
        return distance / eyes

    mouth, lids = gap(13, 14), (gap(159, 145) + gap(386, 374)) / 2
    lift = (symmetric[:, 61, 1] - symmetric[:, 14, 1]) / eyes
    height = (symmetric[:, 152, 1] - symmetric[:, 133, 1]).clamp_min(1)
    pitch = (symmetric[:, 4, 1] - symmetric[:, 133, 1]) / height
    yaw = (points[:, 4, 0] - (points[:, 234, 0] + points[:, 454, 0]) / 2) / eyes
    return torch.stack([mouth, gap(61, 291), lids, lift, pitch, yaw.square(), mouth.square()], 1)
