"""Faces of synthetic people: a shaded relief, painted features and hair, turned and lit.

Outlines, strokes, blurs and the turn of the head are Pillow's, at twice the size asked for and scaled down;
the light on the relief is a diffuse and a specular term of its surface normals.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from voiceface.errors import InputError
from voiceface.records import Box
from voiceface.synthetic import canvas as plane
from voiceface.synthetic.appearance import EXPRESSIONS, Expression, Pose, appearance_of, scene_of
from voiceface.synthetic.canvas import Canvas, Map, blend, noise, smooth, spline
from voiceface.synthetic.facial_features import (
    paint_beard,
    paint_brows,
    paint_eyes,
    paint_glasses,
    paint_mouth,
    paint_nostrils,
)
from voiceface.synthetic.hair import hair_back, hair_colour, hair_front
from voiceface.synthetic.head import depth, head_outline, relief, skin_albedo
from voiceface.synthetic.people import SyntheticPerson
from voiceface.synthetic.traits import random_generator

Floats = npt.NDArray[np.float64]

CELLS = 28
"""Cells a side of the mesh that turns the head."""
BODY_TOP = -1.75
"""Upper edge of the body's grid: lower than the head's, so that the shirt goes on below the picture."""
FACE = (0.01, 0.43, 1.06)
"""Middle and half side of a face's square in face coordinates, as dlib's detector draws it (mean of 60)."""
NECK = 1.3
"""Height of the point that the head rolls about."""


class Portrait:
    """One person in one scene, ready to be drawn with any expression and pose.

    What does not move (hair, skin, shirt, background) is painted once, so a clip costs little more than its
    faces.
    """

    def __init__(
        self, person: SyntheticPerson, *, seed: int = 0, size: int = 256, spread: float = 1.0
    ) -> None:
        """``size`` is the side of the square picture in pixels, ``spread`` how far pose and light stray."""
        if not 32 <= size <= 2048:
            raise InputError("size", f"is {size}", "give 32 to 2048 pixels")
        self.person, self.size = person, size
        self.look = appearance_of(person)
        self.scene = scene_of(person, self.look, seed, spread=spread)
        self.canvas = Canvas(max(2 * size, 192))
        self.albedo = skin_albedo(self.canvas, self.look, person.seed)
        self.hair = hair_colour(self.canvas, self.look, self.scene)
        self.front = hair_front(self.canvas, self.look, self.scene)
        back = hair_back(self.canvas, self.look, self.scene)
        self.back = None if back is None else _layer(self.hair * np.float32(0.62), back)
        self.body = _layer(*self._body(Canvas(self.canvas.pixels, BODY_TOP)))
        self.backdrop = _layer(self._backdrop())

    def draw(self, expression: Expression, pose: Pose | None = None, frame: int = 0) -> Image.Image:
        """The picture (size x size, RGB) under an expression; ``frame`` seeds the sensor's noise."""
        pose = pose or self.scene.pose
        picture = self.backdrop.copy()
        if self.back is not None:
            turned = self._moved(self.back, replace(pose, yaw=-0.3 * pose.yaw), plane.TOP)
            picture.paste(turned, mask=turned.getchannel("A"))
        still = Pose(x=pose.x, y=0.5 * pose.y, scale=pose.scale)
        for layer in (
            self._moved(self.body, still, BODY_TOP),
            self._turned(_layer(*self._head(expression, pose)), pose),
        ):
            picture.paste(layer, mask=layer.getchannel("A"))
        return self._photograph(picture, frame)

    def box(self, pose: Pose | None = None) -> Box:
        """Where the face is in the picture of a pose: left, top, right, bottom in pixels."""
        pose = pose or self.scene.pose
        u, v, half = FACE
        # As `_turned` moves a point of depth 1, then the way back from `_upright`.
        x, y = u * np.cos(pose.yaw) + np.sin(pose.yaw), v * np.cos(pose.pitch) + np.sin(pose.pitch) - NECK
        c, s = np.cos(pose.roll), np.sin(pose.roll)
        x, y = (c * x - s * y) * pose.scale + pose.x, (s * x + c * y + NECK) * pose.scale + pose.y
        scale, half = self.size / plane.SPAN, half * pose.scale
        edges = (x - half - plane.LEFT, y - half - plane.TOP, x + half - plane.LEFT, y + half - plane.TOP)
        left, top, right, bottom = (float(edge * scale) for edge in edges)
        return left, top, right, bottom

    def _shade(self, z: Map, pose: Pose) -> tuple[Map, Map]:
        """Diffuse light and highlight of a relief, both (pixels, pixels)."""
        zv, zu = np.gradient(z, np.float32(self.canvas.unit))
        zu, zv = np.clip(zu, -3, 3), np.clip(zv, -3, 3)
        length = 1 / np.sqrt(zu**2 + zv**2 + 1)
        x, y, w = self.scene.light
        # The head turns under the light: light in the head's own axes.
        x, w = x * np.cos(pose.yaw) - w * np.sin(pose.yaw), x * np.sin(pose.yaw) + w * np.cos(pose.yaw)
        y, w = (
            y * np.cos(pose.pitch) - w * np.sin(pose.pitch),
            y * np.sin(pose.pitch) + w * np.cos(pose.pitch),
        )
        facing = np.clip((-zu * x - zv * y + w) * length, 0, 1)
        hx, hy, hw = x, y, w + 1
        norm = np.sqrt(hx**2 + hy**2 + hw**2)
        gloss = np.clip((-zu * hx - zv * hy + hw) * (length / norm), 0, 1) ** 2
        gloss = gloss**2
        gloss = gloss**2 * (gloss**2) ** 2
        fill = 0.25 + 0.75 * length**0.5
        light = self.scene.ambient * fill + self.scene.strength * facing
        return light.astype(np.float32), gloss.astype(np.float32)

    def _lit(self, albedo: Map, light: Map, gloss: Map) -> Map:
        """Skin under light: shadows go warm, highlights white."""
        shade = np.clip(light, 0, 1.3)[..., None]
        warm = np.array([0.9, 1.05, 1.1], dtype=np.float32)
        lit = albedo * shade**warm
        lit += 0.085 * gloss[..., None] * (0.5 + 0.5 * shade)
        return lit.astype(np.float32)

    def _head(self, e: Expression, pose: Pose) -> tuple[Map, Map]:
        canvas, look, scene = self.canvas, self.look, self.scene
        z = relief(canvas, look, e)
        alpha = canvas.shape(head_outline(look, e), 0.012)
        light, gloss = self._shade(z, pose)
        picture = self._lit(self.albedo, light, gloss)
        self._ears(picture, alpha)
        seed = self.person.seed
        paint_nostrils(canvas, picture, look, e)
        paint_beard(canvas, picture, light, look, e, scene)
        paint_mouth(canvas, picture, light, look, e)
        paint_eyes(canvas, picture, light, look, e)
        paint_brows(canvas, picture, light, look, e, seed)
        cover = self.front
        shadow = np.clip(np.roll(cover, max(1, round(0.06 / canvas.unit)), axis=0) - cover, 0, 1)
        picture *= 1 - 0.35 * shadow[..., None]
        blend(picture, self.hair * np.float32(0.55 + 0.6 * scene.strength), cover)
        alpha = np.maximum(alpha, cover)
        paint_glasses(canvas, picture, alpha, look, scene)
        return picture, alpha

    def _ears(self, picture: Map, alpha: Map) -> None:
        canvas, look = self.canvas, self.look
        for side in (-1, 1):
            cu, cv = side * (1.02 * look.wide), 0.12
            part = canvas.window(cu - 0.3, cv - 0.5, cu + 0.3, cv + 0.5)
            ear = part.disc(cu, cv, 0.125 * look.ears, 0.30 * look.ears, 0.03)
            inner = part.bump(cu + side * 0.01, cv - 0.02, 0.05, 0.14)
            tone = 0.80 + 0.12 * side * self.scene.light[0] - 0.28 * inner
            colour = look.skin * tone[..., None] * np.array([1.0, 0.92, 0.9], dtype=np.float32)
            behind = ear * (1 - alpha[part.at])
            blend(picture[part.at], colour, behind)
            alpha[part.at] = np.maximum(alpha[part.at], ear)

    def _body(self, canvas: Canvas) -> tuple[Map, Map]:
        """Neck, shoulders and shirt: colour and alpha."""
        look, scene = self.look, self.scene
        n, w = canvas.pixels, look.neck
        broad = 1.65 + 0.35 * look.male + 0.1 * (look.wide - 1) / 0.045
        neck = spline(
            [(-w, 0.6), (-w * 0.97, 1.5), (-w * 1.08, 1.8), (-w * 1.9, 2.1), (-broad, 2.4), (-broad, 2.9)]
        )
        outline = np.vstack([neck, neck[::-1] * np.array([-1, 1])])
        alpha = canvas.shape(outline, 0.02)
        ratio = np.clip(np.abs(canvas.u) / w, 0, 1)
        facing = np.sqrt(1 - 0.85 * ratio**2) * (1 + 0.3 * scene.light[0] * canvas.u / w)
        fall = 1 - 0.55 * (1 - smooth((canvas.v - 1.45 * look.length) / 0.55))
        shade = (scene.ambient + 0.75 * scene.strength * facing) * fall
        skin = look.skin * np.array([0.97, 0.93, 0.92], dtype=np.float32)
        colour = (skin * np.broadcast_to(shade, (n, n))[..., None]).astype(np.float32)
        deep = 2.12 + 0.12 * (1 - look.male)
        collar = smooth((canvas.v - deep + 0.55 * np.maximum(np.abs(canvas.u) - 0.2, 0) ** 0.8) / 0.03)
        cloth = (
            scene.shirt
            * (0.6 + 0.35 * np.sqrt(np.clip(1 - (canvas.u / (broad + 0.2)) ** 2, 0, 1)))[..., None]
        )
        cloth = cloth * (0.55 + 0.7 * scene.strength)
        folds = 1 + 0.05 * noise((n, n), (9, 14), random_generator(scene.seed, 0xC10))
        blend(colour, cloth * folds[..., None], np.broadcast_to(collar, (n, n)).astype(np.float32))
        return colour, alpha

    def _backdrop(self) -> Map:
        n = self.canvas.pixels
        rng = random_generator(self.person.seed, self.scene.seed, 0xBAC)
        picture = np.empty((n, n, 3), dtype=np.float32)
        picture[:] = self.scene.background
        slope = rng.normal(0, 0.12, 2)
        ramp = slope[0] * self.canvas.u / 2.3 + slope[1] * self.canvas.v / 2.3
        cells = int(rng.integers(3, 8))
        blots = rng.uniform(0.0, 0.10) * noise((n, n), (cells, cells), rng)
        picture *= np.clip(1 + ramp + blots, 0.3, 1.6)[..., None]
        return np.clip(picture, 0.02, 0.98)

    def _moved(self, layer: Image.Image, pose: Pose, top: float) -> Image.Image:
        """A flat layer, whose upper edge lies at ``top``, moved, tilted and scaled."""
        x, y = np.array([0, 1, 0]) * plane.SPAN + plane.LEFT, np.array([0, 0, 1]) * plane.SPAN + plane.TOP
        x, y = _upright(x, y, pose)
        u = (x + np.sin(pose.yaw) * 0.3 - plane.LEFT) / np.cos(pose.yaw) / self.canvas.unit
        v = (y - top) / self.canvas.unit
        n = self.canvas.pixels
        across, down = (
            ((u[1] - u[0]) / n, (u[2] - u[0]) / n, u[0]),
            ((v[1] - v[0]) / n, (v[2] - v[0]) / n, v[0]),
        )
        matrix = tuple(float(value) for value in (*across, *down))
        return layer.transform((n, n), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)

    def _turned(self, layer: Image.Image, pose: Pose) -> Image.Image:
        """The head's layer turned by a mesh: each corner is looked up at the head's own depth."""
        n = self.canvas.pixels
        line = np.linspace(0, plane.SPAN, CELLS + 1)
        x, y = np.meshgrid(line + plane.LEFT, line + plane.TOP)
        x, y = _upright(x, y, pose)
        u, v = x, y
        for _ in range(5):
            z = depth(u, v, self.look)
            u = (x - np.sin(pose.yaw) * z) / np.cos(pose.yaw)
            v = (y - np.sin(pose.pitch) * z) / np.cos(pose.pitch)
        px, py = (u - plane.LEFT) / self.canvas.unit, (v - plane.TOP) / self.canvas.unit
        left, top, right, bottom = layer.getchannel("A").getbbox() or (0, 0, 0, 0)
        edges = np.round(np.linspace(0, n, CELLS + 1)).astype(int)
        mesh = []
        for i in range(CELLS):
            for j in range(CELLS):
                corners = ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1))
                quad = [(float(px[c]), float(py[c])) for c in corners]
                if max(q[0] for q in quad) < left or min(q[0] for q in quad) > right:
                    continue
                if max(q[1] for q in quad) < top or min(q[1] for q in quad) > bottom:
                    continue
                box = (int(edges[j]), int(edges[i]), int(edges[j + 1]), int(edges[i + 1]))
                mesh.append((box, tuple(value for q in quad for value in q)))
        return layer.transform((n, n), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)

    def _photograph(self, picture: Image.Image, frame: int) -> Image.Image:
        scene = self.scene
        if scene.blur > 0.2:
            picture = picture.filter(ImageFilter.GaussianBlur(scene.blur * self.canvas.pixels / 512))
        image = picture.resize((self.size, self.size), Image.Resampling.LANCZOS)
        grain = random_generator(self.person.seed, scene.seed, frame, 0x6A1)
        data = np.asarray(image, dtype=np.float32)
        data = data * np.array([1 + scene.warmth, 1.0, 1 - scene.warmth], dtype=np.float32)
        data += np.float32(255 * scene.grain) * grain.standard_normal(data.shape, dtype=np.float32)
        return Image.fromarray(np.clip(data + 0.5, 0, 255).astype(np.uint8), "RGB")


def _layer(colour: Map, alpha: Map | None = None) -> Image.Image:
    """Colours (n, n, 3) from 0 to 1 as a picture, with ``alpha`` (n, n) if given."""
    picture = Image.fromarray(
        (np.clip(colour, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8), "RGB"
    )
    if alpha is not None:
        picture.putalpha(Image.fromarray((np.clip(alpha, 0, 1) * 255 + 0.5).astype(np.uint8), "L"))
    return picture


def _upright(x: Floats, y: Floats, pose: Pose) -> tuple[Floats, Floats]:
    """Where a place of the picture lies before the head was moved, scaled and rolled about the neck."""
    x, y = (x - pose.x) / pose.scale, (y - pose.y) / pose.scale - NECK
    c, s = np.cos(pose.roll), np.sin(pose.roll)
    return c * x + s * y, c * y - s * x + NECK


def draw(
    person: SyntheticPerson,
    *,
    seed: int = 0,
    size: int = 256,
    mouth: float = 0.0,
    expression: str = "neutral",
) -> Image.Image:
    """Draw one picture of a person: RGB, ``size`` x ``size`` pixels.

    ``seed`` chooses pose, light, background, hair style, beard, glasses and noise; ``mouth`` from 0 (as the
    expression has it) to 1 (wide open); ``expression`` is one of CREMA-D's six emotions. The same arguments
    give the same pixels. Raises InputError for an unknown expression or an impossible number.
    """
    if expression not in EXPRESSIONS:
        raise InputError("expression", f"{expression!r} is unknown", "one of " + ", ".join(EXPRESSIONS))
    if not 0 <= mouth <= 1:
        raise InputError("mouth", f"is {mouth}", "give 0 to 1")
    face = EXPRESSIONS[expression]
    face = replace(face, open=max(face.open, mouth))
    return Portrait(person, seed=seed, size=size).draw(face)
