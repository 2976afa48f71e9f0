"""A statistical model of faces: shape, texture, hair styles and background, rendered without a network.

An active appearance model (Cootes, Edwards, Taylor 1998): every face is warped to one canonical shape; shape
and texture are means plus principal components. What surrounds a face (hair, ears) is the average of training
people whose outlines are alike, a *hair style*, recoloured to go with the face; neck and clothes are plain
(`voiceface.nn.face.torso`), as is the background.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.nn.face.box_filters import blur, enlarge, window_mean
from voiceface.nn.face.canonical_frame import ANGLES
from voiceface.nn.face.canonical_frame import SIZE as SIZE
from voiceface.nn.face.hair_colours import hair_density, natural_colours, plain_shading
from voiceface.nn.face.hair_outline import below_jaw, outline_grid
from voiceface.nn.face.mesh_warp import sample_pixels, warp_grid
from voiceface.nn.face.torso import Clothing, dressed_neck, plain_clothing, torso

BLOCKS: dict[str, str] = {
    "shape": "points of the mesh in pixels, in the portrait template",
    "luminance": "inside the face, less its mean, over its standard deviation",
    "chroma": "inside the face at 64 pixels: Cb, then Cr, less their means, over the same deviation",
    "tone": "mean and standard deviation of the luminance, means of Cb and Cr, inside the face",
    "hair": "mean luminance, Cb and Cr of the hair",
}
"""Blocks of coefficients, and what they describe."""
_SMALL = 64
STYLE_SIZE, FLOW_SIZE = 128, 64
"""Pixels a side of a hair style, and of where it runs."""
EDGE = 32.0
"""Pixels from a contour that the maps of person and hair reach on either side, from 0 to 255."""
_OUTLINE, _HAIRLINE = 1.3, 4.0
"""Pixels of the logistic blend across the outline of a person, and across a hairline."""
_UNSHARP = 1.3
"""Share of what a blur of five pixels takes that is added to faces."""
_HIGHLIGHT = 18.0
"""Grey levels by which skin outside the face may be lighter than the face."""
_DARKEST, _LIGHTEST = 50.0, 195.0


class RenderedFace(NamedTuple):
    """Portraits, and which of their pixels show what."""

    pictures: Tensor
    """(n, 3, 256, 256) in [0, 255]."""
    face: Tensor
    """(n, 1, 256, 256) share of each pixel that lies inside the face."""
    person: Tensor
    """(n, 1, 256, 256) share of each pixel that is person."""
    hair: Tensor
    """(n, 1, 256, 256) share of each pixel that is hair outside the face."""
    flow: Tensor
    """(n, 2, 256, 256) where the hair runs, as `voiceface.nn.face.hair_flow.orientations`."""


class FaceModelNet(nn.Module):
    """Decodes coefficients and renders portraits; all its tensors are computed in closed form.

    Args:
        points: of the mesh, without its ring of outer points.
        ring: outer points, which never move.
        triangles: of mesh and ring.
        pixels: inside the face in the canonical frame.
        small_pixels: the same at 64 pixels.
        components: principal components of each block (`BLOCKS`).
        hair: number of hair styles, and of the numbers by which hairline and outline vary within a style; the
            last of these is the length of hair.
        expressions: numbers that describe expression and pose, whose effect is taken out of faces.
    """

    def __init__(
        self,
        *,
        points: int,
        ring: int,
        triangles: int,
        pixels: int,
        small_pixels: int,
        components: Mapping[str, int],
        hair: tuple[int, int],
        expressions: int,
    ) -> None:
        super().__init__()
        styles, outlines = hair
        self.points, self.outlines = points, outlines
        widths = {
            "shape": 2 * points,
            "luminance": pixels,
            "chroma": 2 * small_pixels,
            "tone": 4,
            "hair": 3,
        }
        self.components = {name: min(components[name], width) for name, width in widths.items()}
        for name, width in widths.items():
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_basis", torch.zeros(self.components[name], width).half())
            self.register_buffer(f"{name}_scale", torch.zeros(self.components[name]))
            if name in ("shape", "luminance", "chroma"):
                self.register_buffer(f"{name}_expression", torch.zeros(expressions, width).half())
        self.register_buffer("canonical", torch.zeros(points + ring, 2))
        self.register_buffer("triangles", torch.zeros(triangles, 3, dtype=torch.int64))
        self.register_buffer("template", torch.zeros(5, 2))
        self.register_buffer("five", torch.zeros(5, dtype=torch.int64))
        self.register_buffer("inside", torch.zeros(SIZE, SIZE, dtype=torch.bool))
        self.register_buffer("inside_small", torch.zeros(_SMALL, _SMALL, dtype=torch.bool))
        self.register_buffer("detail", torch.zeros(STYLE_SIZE, STYLE_SIZE).half())
        shape = (styles, STYLE_SIZE, STYLE_SIZE)
        self.register_buffer(
            "style_colours", torch.zeros(styles, 3, STYLE_SIZE, STYLE_SIZE, dtype=torch.uint8)
        )
        for name in ("style_person", "style_hair"):
            self.register_buffer(name, torch.zeros(shape, dtype=torch.uint8))
        self.register_buffer(
            "style_flow", torch.full((styles, 2, FLOW_SIZE, FLOW_SIZE), 128, dtype=torch.uint8)
        )
        self.register_buffer("style_hair_colour", torch.zeros(styles, 3))
        if outlines:
            # Hairline and outline: of each style, and how they differ from it.
            self.register_buffer("style_contours", torch.zeros(styles, 2, ANGLES))
            self.register_buffer("style_outlines", torch.zeros(outlines - 1, 2, ANGLES))
            self.register_buffer("style_face_radius", torch.zeros(ANGLES))

    @property
    def width(self) -> int:
        """Coefficients of a face."""
        return sum(self.components.values())

    def split(self, coefficients: Tensor) -> dict[str, Tensor]:
        """Coefficients (n, `width`) block by block."""
        parts = torch.split(coefficients, list(self.components.values()), dim=1)
        return dict(zip(self.components, parts, strict=True))

    def decode(self, coefficients: Tensor) -> dict[str, Tensor]:
        """Each block's numbers (n, its width) of coefficients (n, `width`) in standard deviations."""
        return {
            name: self.get_buffer(f"{name}_mean")
            + (part * self.get_buffer(f"{name}_scale")) @ self.get_buffer(f"{name}_basis").to(part)
            for name, part in self.split(coefficients).items()
        }

    def encode(self, name: str, numbers: Tensor) -> Tensor:
        """One block's coefficients (n, components) of its numbers (n, width)."""
        basis = self.get_buffer(f"{name}_basis").to(numbers)
        return (
            (numbers - self.get_buffer(f"{name}_mean"))
            @ basis.T
            / self.get_buffer(f"{name}_scale").clamp_min(1e-9)
        )

    def face(self, blocks: Mapping[str, Tensor]) -> Tensor:
        """Colours (n, 3, 256, 256) in [0, 255] inside the face, in the canonical shape."""
        tone, inside, small = blocks["tone"], self.get_buffer("inside"), self.get_buffer("inside_small")
        mean = tone[:, :1].clamp(_DARKEST, _LIGHTEST)
        deviation = tone[:, 1:2].clamp(14, 55)
        luminance = _place(blocks["luminance"] * deviation + mean, inside, around=mean[:, :, None])
        colours = [
            _place(part * deviation + tone[:, 2 + k : 3 + k], small, around=tone.new_zeros(()))
            for k, part in enumerate(blocks["chroma"].chunk(2, dim=1))
        ]
        faces = to_rgb(luminance, *enlarge(_extend(torch.stack(colours, 1), small), SIZE).unbind(1))
        # What principal components left out is mostly sharp: an unsharp mask gives some of it back.
        return faces + _UNSHARP * (faces - blur(faces, 5))

    def surroundings(
        self,
        faces: Tensor,
        solid: Tensor,
        hair: Tensor,
        styles: Tensor,
        clothing: Clothing,
        outline: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Colours (n, 3, 256, 256) around faces, shares (n, 1, 256, 256) of person and hair, and its flow.

        Args:
            faces: (n, 3, 256, 256) colours inside the faces.
            solid: as `solid` gives it.
            hair: (n, 3) luminance, Cb and Cr of the hair.
            styles: (n,) indices of hair styles.
            clothing: of the people.
            outline: (n, outlines) standard normal numbers by which hairline, outline and length of hair vary;
                None: as in the style.
        """

        def layer(name: str, *, falls: bool = True) -> Tensor:
            maps = self.get_buffer(name)[styles].float()
            maps = maps if maps.ndim == 4 else maps[:, None] / 255
            return enlarge(self._reshaped(maps, styles, outline, falls=falls), SIZE)

        def within(name: str, edge: float, *, falls: bool = True) -> Tensor:
            return torch.sigmoid(2 * EDGE / edge * (layer(name, falls=falls) - 0.5))

        colours, inside = layer("style_colours"), self.get_buffer("inside")
        # Neck and ears take the colour of the face, hair its own.
        own, average = (x[:, :, inside].mean(2)[..., None, None] for x in (faces, colours))
        before, after = self.get_buffer("style_hair_colour")[styles], natural_colours(hair)
        old, new = (to_rgb(*x[:, :, None, None].unbind(1)) for x in (before, after))
        between = old - average
        covered = within("style_hair", _HAIRLINE)
        strands = covered * hair_density(colours - average, between, 2 * EDGE * (layer("style_hair") - 0.5))
        # What the pixel has beside its share of hair and skin is shading, which stays.
        shading = colours - (1 - strands) * average - strands * old
        # Hair that is hardly another colour than the skin is a bald head, which goes with its skin.
        tinted = ((between.norm(dim=1, keepdim=True) - 12) / 24).clamp(0, 1)
        new = torch.lerp(own + between, new, tinted)
        contrast = (hair[:, :1] / before[:, :1].clamp_min(15)).clamp(0.6, 1.4)[..., None, None]
        light = (own / average.clamp_min(20)).clamp(0.4, 1.8)
        shading = shading * ((1 - strands) * light + strands * contrast)
        shading = torch.lerp(shading, plain_shading(shading, _HIGHLIGHT), strands)
        # A forehead's highlights are its owner's.
        shading = torch.where(covered < 0.5, shading.clamp(max=_HIGHLIGHT), shading)
        combed = (1 - strands) * own + strands * new + shading
        parts = torso(clothing.depth, SIZE)
        # What still differs at the border of the face fades out from there, above the jaw.
        skin = (1 - strands) * (1 - parts.neck)
        combed = combed + skin * _spread(faces - combed, solid * skin)
        # Averages of necks and clothes are beards and collars that nobody has.
        below = dressed_neck(own, blur(blur(solid, 31), 31), parts, clothing)
        colours = combed + (1 - covered) * parts.neck * (below - combed)
        # Shoulders stay where they are while hair falls over them.
        fallen = covered * within("style_person", _OUTLINE) * below_jaw(SIZE).to(covered)
        person = torch.maximum(within("style_person", _OUTLINE, falls=False), fallen)
        return colours, person, covered * (1 - solid), layer("style_flow") / 127.5 - 1

    def _reshaped(self, maps: Tensor, styles: Tensor, outline: Tensor | None, *, falls: bool) -> Tensor:
        """Maps (n, channels, side, side) of hair styles whose contours vary by (n, outlines) numbers.

        ``falls`` says whether their length varies too.
        """
        if outline is None or not self.outlines:
            return maps
        change = torch.einsum("nk,kca->nca", outline[:, :-1], self.get_buffer("style_outlines"))
        contours, face = self.get_buffer("style_contours")[styles], self.get_buffer("style_face_radius")
        grid = outline_grid(change, contours, face, maps.shape[-1], outline[:, -1] if falls else None)
        return F.grid_sample(maps, grid, padding_mode="border", align_corners=False)

    def render(
        self,
        coefficients: Tensor,
        styles: Tensor,
        background: Tensor,
        *,
        grain: Tensor | None = None,
    ) -> Tensor:
        """Portraits (n, 3, 256, 256) in [0, 255].

        Args:
            coefficients: (n, `width`).
            styles: (n,) indices of hair styles.
            background: (n, 3, 4, 4) colours in [0, 255], of which the background is a smooth blend.
            grain: (n, 1, 256, 256) standard normal numbers that become the detail of the skin; None: no
                detail.
        """
        return self.render_layers(coefficients, styles, background, grain=grain).pictures

    def render_layers(
        self,
        coefficients: Tensor,
        styles: Tensor,
        background: Tensor,
        *,
        grain: Tensor | None = None,
        added: Mapping[str, Tensor] | None = None,
        clothing: Clothing | None = None,
        outline: Tensor | None = None,
    ) -> RenderedFace:
        """As `render`, with the shares of face and person.

        Args:
            coefficients: as in `render`, as are styles, background and grain.
            styles: see there.
            background: see there.
            grain: see there.
            added: numbers (n, width) that are added to those of a block before it is rendered.
            clothing: of the people; None: grey, with a round collar.
            outline: as in `surroundings`.
        """
        blocks = self.decode(coefficients)
        for name, numbers in (added or {}).items():
            blocks[name] = blocks[name] + numbers
        faces = self.face(blocks)
        if grain is not None:
            faces = faces + self.skin_detail(grain)
        solid = self.solid()
        clothing = clothing or plain_clothing(faces)
        around, person, covered, flow = self.surroundings(
            faces, solid, blocks["hair"], styles, clothing, outline
        )
        picture = faces * solid + around * (1 - solid)
        shape = self.placed(blocks["shape"].view(-1, self.points, 2))
        layers = [picture, torch.maximum(person, solid), solid.expand(len(faces), -1, -1, -1), covered, flow]
        warped = self.from_canonical(torch.cat(layers, 1), shape)
        behind = enlarge(background, SIZE, align_corners=True)
        person = warped[:, 3:4]
        pictures = (warped[:, :3] * person + behind * (1 - person)).clamp(0, 255)
        return RenderedFace(pictures, warped[:, 4:5], person, person * warped[:, 5:6], warped[:, 6:])

    def from_canonical(self, pictures: Tensor, shapes: Tensor) -> Tensor:
        """Warp pictures (n, channels, 256, 256) from the canonical shape to shapes (n, points, 2)."""
        canonical = self.get_buffer("canonical")[None]
        ring = canonical[:, self.points :].expand(len(shapes), -1, -1)
        # The warp is smooth: half the resolution shows no difference and costs a quarter.
        half, target = SIZE // 2, torch.cat([shapes, ring], 1)
        grid = warp_grid(canonical / 2, target / 2, self.get_buffer("triangles"), half)
        grid = 2 * F.interpolate(grid.permute(0, 3, 1, 2), size=SIZE, mode="bilinear", align_corners=False)
        return sample_pixels(pictures, grid.permute(0, 2, 3, 1))

    def solid(self) -> Tensor:
        """The share (1, 1, 256, 256) of each pixel that the face's own texture gives."""
        inside = self.get_buffer("inside").float()[None, None]
        return blur(((blur(inside, 15) - 0.55) / 0.45).clamp(0, 1), 9)

    def skin_detail(self, grain: Tensor) -> Tensor:
        """Luminance (n, 1, 256, 256) as strong as what principal components leave out of real faces."""
        strength = enlarge(self.get_buffer("detail").float()[None, None], SIZE)
        # The mean of nine numbers deviates a third as far as one.
        return 0.5 * (3 * blur(grain, 3).to(strength) * strength)

    def placed(self, shapes: Tensor) -> Tensor:
        """Shapes (n, points, 2) moved so that eyes and nose are where the portrait template has them.

        The least-squares similarity (Umeyama 1991); in the plane it is one complex factor.
        """
        five, wanted = shapes[:, self.get_buffer("five")], self.get_buffer("template")
        middle, aim = five.mean(1, keepdim=True), wanted.mean(0)
        a, b = (five - middle), (wanted - aim)
        power = a.square().sum((1, 2)).clamp_min(1e-6)
        cosine = (a * b).sum((1, 2)) / power
        sine = (a[..., 0] * b[:, 1] - a[..., 1] * b[:, 0]).sum(1) / power
        turn = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
        return (shapes - middle) @ turn.transpose(1, 2) + aim


def to_rgb(luminance: Tensor, blue: Tensor, red: Tensor) -> Tensor:
    """RGB (n, 3, h, w) of luminance, Cb and Cr (n, h, w) around 0 (ITU-R BT.601)."""
    return torch.stack(
        [luminance + 1.403 * red, luminance - 0.344 * blue - 0.714 * red, luminance + 1.773 * blue], 1
    )


def to_luminance_chroma(colours: Tensor) -> Tensor:
    """Luminance, Cb and Cr around 0 (n, 3, h, w) of RGB (n, 3, h, w), the inverse of `to_rgb`."""
    luminance = 0.299 * colours[:, 0] + 0.587 * colours[:, 1] + 0.114 * colours[:, 2]
    return torch.stack(
        [luminance, (colours[:, 2] - luminance) * 0.564, (colours[:, 0] - luminance) * 0.713], 1
    )


def _spread(difference: Tensor, where: Tensor) -> Tensor:
    """A difference (n, 3, h, w) where ``where`` (n, 1, h, w) is 1, fading out around it."""
    known, weight = F.avg_pool2d(difference * where, 4), F.avg_pool2d(where, 4)
    share = blur(weight, 13)
    fading = blur(known, 13) / share.clamp_min(0.02) * (5 * share).clamp(0, 1)
    return F.interpolate(fading, size=difference.shape[-1], mode="bilinear", align_corners=False)


def _place(values: Tensor, where: Tensor, *, around: Tensor) -> Tensor:
    """Maps (n, h, w) with values (n, pixels) where ``where`` (h, w) is true, and ``around`` elsewhere."""
    index = (where.flatten().cumsum(0) - 1).clamp_min(0)
    return torch.where(where, values[:, index].view(-1, *where.shape), around)


def _extend(chroma: Tensor, known: Tensor) -> Tensor:
    """Fill pixels (n, 2, h, w) next to the ``known`` ones (h, w) with the mean within four pixels."""
    weight = known.to(chroma)[None, None]
    mean, share = (window_mean(F.pad(x, (4,) * 4), 9) for x in (chroma * weight, weight))
    return torch.where(known, chroma, mean / share.clamp_min(1e-3))
