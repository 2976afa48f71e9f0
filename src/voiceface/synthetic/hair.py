"""Hair in several styles: a piece behind the head and a piece before it, with strands along its outline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from voiceface.synthetic.appearance import Appearance, Scene
from voiceface.synthetic.canvas import Canvas, Map, noise, smooth, spline
from voiceface.synthetic.traits import random_generator

Side = Sequence[tuple[float, float]]

# Right half of each style's outline from the crown down, in units of the head's width.
_OUTLINES: dict[str, Side] = {
    "long": ((0, -1.95), (0.7, -1.82), (1.12, -1.3), (1.24, -0.5), (1.26, 0.4),
             (1.3, 1.3), (1.22, 2.1), (0.8, 2.45)),
    "wavy": ((0, -2.02), (0.75, -1.88), (1.22, -1.3), (1.38, -0.4), (1.46, 0.5),
             (1.5, 1.2), (1.3, 1.75), (0.8, 1.95)),
    "bob": ((0, -1.93), (0.72, -1.8), (1.14, -1.25), (1.26, -0.4), (1.3, 0.4),
            (1.24, 0.95), (1.0, 1.18), (0.7, 1.1)),
    "tied": ((0, -1.87), (0.62, -1.74), (1.0, -1.25), (1.07, -0.6), (1.04, -0.1),
             (0.98, 0.2), (0.8, 0.3), (0.5, 0.3)),
    "bun": ((0, -1.87), (0.62, -1.74), (1.0, -1.25), (1.07, -0.6), (1.04, -0.1),
            (0.98, 0.2), (0.8, 0.3), (0.5, 0.3)),
    "pixie": ((0, -1.95), (0.7, -1.83), (1.08, -1.3), (1.15, -0.6), (1.1, 0.0),
              (1.02, 0.35), (0.8, 0.5), (0.5, 0.5)),
    "short": ((0, -1.93), (0.68, -1.8), (1.04, -1.3), (1.08, -0.7), (1.04, -0.2),
              (0.99, 0.12), (0.8, 0.3), (0.5, 0.3)),
    "side": ((0, -2.0), (0.72, -1.86), (1.06, -1.34), (1.08, -0.7), (1.04, -0.2),
             (0.99, 0.1), (0.8, 0.3), (0.5, 0.3)),
    "crew": ((0, -1.83), (0.6, -1.71), (0.95, -1.22), (1.025, -0.65), (1.01, -0.2),
             (0.98, 0.1), (0.8, 0.3), (0.5, 0.3)),
    "curly": ((0, -2.08), (0.78, -1.95), (1.16, -1.4), (1.19, -0.75), (1.1, -0.2),
              (1.0, 0.1), (0.8, 0.3), (0.5, 0.3)),
    "swept": ((0, -2.06), (0.74, -1.92), (1.05, -1.35), (1.08, -0.7), (1.04, -0.2),
              (0.99, 0.1), (0.8, 0.3), (0.5, 0.3)),
    "bald": ((0, -1.74), (0.55, -1.6), (0.9, -1.1), (1.03, -0.5), (1.03, -0.1),
             (0.99, 0.15), (0.8, 0.3), (0.5, 0.3)),
}  # fmt: skip

# Right half of the hairline from the middle out: (u, height above the eyes as a share of the forehead's).
_HAIRLINES: dict[str, Side] = {
    "long": ((0, 1.0), (0.3, 0.93), (0.6, 0.68), (0.8, 0.25), (0.88, -0.3), (0.93, -1.0), (0.98, -2.3)),
    "wavy": ((0, 1.0), (0.3, 0.9), (0.6, 0.62), (0.8, 0.2), (0.87, -0.3), (0.95, -1.0), (1.0, -2.0)),
    "bob": ((0, 0.62), (0.3, 0.58), (0.6, 0.5), (0.8, 0.25), (0.88, -0.3), (0.92, -0.8), (0.95, -1.2)),
    "tied": ((0, 1.05), (0.3, 1.0), (0.6, 0.82), (0.85, 0.45), (0.93, 0.1), (0.97, -0.1), (1.0, -0.3)),
    "bun": ((0, 1.05), (0.3, 1.0), (0.6, 0.82), (0.85, 0.45), (0.93, 0.1), (0.97, -0.1), (1.0, -0.3)),
    "pixie": ((0, 0.72), (0.3, 0.60), (0.6, 0.55), (0.82, 0.3), (0.92, 0.0), (0.96, -0.3), (0.99, -0.5)),
    "short": ((0, 0.95), (0.3, 0.97), (0.6, 0.9), (0.82, 0.6), (0.91, 0.25), (0.95, 0.0), (0.99, -0.3)),
    "side": ((0, 0.92), (0.3, 0.95), (0.6, 0.92), (0.82, 0.65), (0.91, 0.25), (0.95, 0.0), (0.99, -0.3)),
    "crew": ((0, 1.0), (0.3, 1.0), (0.6, 0.95), (0.82, 0.66), (0.91, 0.3), (0.95, 0.0), (0.99, -0.2)),
    "curly": ((0, 0.88), (0.3, 0.88), (0.6, 0.82), (0.84, 0.55), (0.92, 0.2), (0.96, 0.0), (0.99, -0.25)),
    "swept": ((0, 1.02), (0.3, 1.03), (0.6, 0.94), (0.83, 0.6), (0.91, 0.25), (0.95, 0.0), (0.99, -0.3)),
    "bald": ((0, 2.2), (0.3, 2.1), (0.6, 1.7), (0.82, 1.0), (0.92, 0.45), (0.96, 0.1), (0.99, -0.15)),
}  # fmt: skip

_PART = {"long": 0.0, "wavy": 0.12, "side": 0.4, "swept": 0.15, "bob": 0.0, "pixie": -0.3}


def _half(style: str, look: Appearance) -> npt.NDArray[np.float64]:
    return spline([(u * look.wide, v if v > -0.3 else -0.3 + 0.86 * (v + 0.3)) for u, v in _OUTLINES[style]])


def _strands(
    canvas: Canvas, look: Appearance, style: str, rng: np.random.Generator, light: tuple[float, float, float]
) -> Map:
    """The hair's colour at every place, (pixels, pixels, 3): strands run along meridians of the outline."""
    n, half = canvas.pixels, _half(style, look)
    order = np.argsort(half[:, 1])
    width = np.interp(canvas.v[:, 0], half[order, 1], half[order, 0])
    width = np.maximum(width, 0.06).astype(np.float32)[:, None]
    c = np.clip((canvas.u - _PART.get(style, 0.0) * smooth(-canvas.v - 0.6)) / width, -1.25, 1.25)
    curl = {"wavy": 0.05, "curly": 0.10}.get(style, 0.008)
    c = c + curl * noise((n, n), (22, 22), rng)
    fine = (noise((64, 1024), (6, 230), rng) + 0.9 * noise((64, 1024), (4, 60), rng)).astype(np.float32)
    rows = np.clip((canvas.v - canvas.v[0, 0]) / 4.6 * 63, 0, 63).astype(np.int32)
    columns = np.clip((c / 2.5 + 0.5) * 1023, 0, 1023).astype(np.int32)
    tone = np.float32(0.16) * fine.ravel()[rows * 1024 + columns]
    if style == "curly":
        tone = tone + 0.17 * noise((n, n), (44, 44), rng)
    slope = np.clip(np.abs(c), 0, 1)
    across = np.sqrt(1 - slope * slope)
    facing = np.clip(0.55 + 0.45 * across + 0.35 * light[0] * np.clip(c, -1, 1), 0.15, 1.2)
    top = 0.72 + 0.35 * (1 - smooth((canvas.v + 1.7) / 3.2))
    gloss = np.exp(-(((canvas.v + 1.14 + 0.22 * np.abs(c)) / 0.17) ** 2)) * (0.5 + 0.25 * fine.mean())
    shade = facing * top * (1 + tone)
    gleam = (0.11 + 0.10 * float(look.hair.mean())) * gloss * np.clip(1 + 2.2 * tone, 0, 2) * across
    return np.asarray(np.clip(look.hair * shade[..., None] + gleam[..., None], 0, 1), dtype=np.float32)


def _ragged(mask: Map, canvas: Canvas, rng: np.random.Generator, amount: float) -> Map:
    n = canvas.pixels
    rough = noise((n, n), (70, 70), rng) + 0.7 * noise((n, n), (150, 150), rng)
    edge = 4 * mask * (1 - mask)
    ragged = smooth((mask - 0.5) * (1.2 / amount) + 0.5 + 0.25 * rough * edge)
    return np.asarray(ragged * smooth((mask - 0.02) / 0.2), dtype=np.float32)


def hair_colour(canvas: Canvas, look: Appearance, scene: Scene) -> Map:
    """The hair's colour, (pixels, pixels, 3), for both pieces."""
    return _strands(canvas, look, scene.hair, random_generator(scene.seed, 0x4A1), scene.light)


def hair_back(canvas: Canvas, look: Appearance, scene: Scene) -> Map | None:
    """Alpha (pixels, pixels) of the hair behind the head; None for a style that has none."""
    style = scene.hair
    if style not in ("long", "wavy", "bob", "curly", "bun"):
        return None
    half = _half(style, look)
    mask = canvas.shape(np.vstack([half, half[::-1] * np.array([-1, 1])]), 0.025)
    if style == "bun":
        mask = np.maximum(mask, canvas.all.disc(0, -1.72, 0.42, 0.30, 0.03))
    rough = {"wavy": 0.9, "curly": 1.6}.get(style, 0.4)
    return _ragged(mask, canvas, random_generator(scene.seed, 0x4AB), rough)


def hair_front(canvas: Canvas, look: Appearance, scene: Scene) -> Map:
    """Alpha (pixels, pixels) of the hair on the skull and beside the face: outline less opening."""
    rng = random_generator(scene.seed, 0x4AF)
    style = scene.hair
    half = _half(style, look)
    outline = np.vstack([half, half[::-1] * np.array([-1, 1])])
    tall = -look.forehead
    back = 1 + 0.75 * look.receding if style != "bald" else 1.0
    line = [
        (u * look.wide, -tall * (h if h < 0.3 else h * (1 + (back - 1) * (1.25 if 0.25 < u < 0.7 else 0.8))))
        for u, h in _HAIRLINES[style]
    ]
    if style in ("pixie", "bob", "side"):
        tilt = 0.12 * look.fringe
        left = [(-u, v - tilt * u) for u, v in line]
        right = [(u, v + tilt * u * 0.5) for u, v in line]
    else:
        left, right = [(-u, v) for u, v in line], line
    opening = np.vstack([spline(right), [(right[-1][0], 2.6), (left[-1][0], 2.6)], spline(left)[::-1]])
    blur = 0.02 if style in ("bob", "pixie", "side") else 0.035
    mask = canvas.shape(outline, 0.02) * (1 - canvas.shape(opening, blur))
    rough = {"wavy": 0.9, "curly": 1.5, "crew": 1.2, "short": 0.9, "bald": 1.6, "bob": 0.5, "long": 0.5}.get(
        style, 0.7
    )
    alpha = _ragged(mask, canvas, rng, rough)
    if style in ("crew", "bald"):
        alpha = alpha * np.float32(0.82 if style == "crew" else 0.6)
    return np.asarray(alpha, dtype=np.float32)
