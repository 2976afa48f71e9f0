"""A plane to draw on: soft shapes, blends and noise over a grid of face coordinates.

One unit is half the width of an average head; u runs right, v runs down, the origin lies between the eyes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Map = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

LEFT, TOP, SPAN = -2.3, -2.25, 4.6
"""The square of face coordinates that every picture is painted on."""


def smooth(x: npt.ArrayLike) -> Map:
    """0 below 0, 1 above 1, a cubic between."""
    t = np.clip(np.asarray(x, dtype=np.float32), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def spline(points: Sequence[tuple[float, float]], steps: int = 10) -> Points:
    """A Catmull-Rom curve through points, (n, 2), ends included."""
    p = np.asarray(points, dtype=np.float64)
    p = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = []
    for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True):
        parts.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        )
    return np.vstack([*parts, p[-2][None]])


def noise(shape: tuple[int, int], cells: tuple[int, int], rng: np.random.Generator) -> Map:
    """Smooth noise of mean 0 and deviation about 1 with this many cells down and across, (height, width)."""
    grid = rng.standard_normal((max(cells[0], 2), max(cells[1], 2))).astype(np.float32)
    image = Image.fromarray(grid).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float32)


class Window:
    """A part of the grid: its slices and the coordinates in it."""

    def __init__(self, rows: slice, columns: slice, u: Map, v: Map) -> None:
        """``u`` (1, w) and ``v`` (h, 1) broadcast against each other."""
        self.at = (rows, columns)
        self.u, self.v = u, v

    def bump(self, u: float, v: float, su: float, sv: float, turn: float = 0.0) -> Map:
        """A Gaussian of height 1 around (u, v), (h, w)."""
        x, y = self.u - np.float32(u), self.v - np.float32(v)
        if turn:
            c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
            x, y = c * x + s * y, c * y - s * x
        return np.asarray(np.exp(-0.5 * ((x / su) ** 2 + (y / sv) ** 2)), dtype=np.float32)

    def disc(self, u: float, v: float, ru: float, rv: float, soft: float) -> Map:
        """An ellipse with an edge ``soft`` wide, (h, w)."""
        r = np.sqrt(((self.u - u) / ru) ** 2 + ((self.v - v) / rv) ** 2)
        return smooth((1 - r) * min(ru, rv) / soft + 0.5)


class Canvas:
    """A square grid of ``pixels`` a side and what is drawn by outline on it."""

    def __init__(self, pixels: int, top: float = TOP) -> None:
        """Lay the grid; ``top`` is the height of its upper edge."""
        self.pixels, self.top = pixels, top
        self.unit = SPAN / pixels
        line = ((np.arange(pixels) + 0.5) * self.unit).astype(np.float32)
        self.u: Map = (line + np.float32(LEFT))[None, :]
        self.v: Map = (line + np.float32(top))[:, None]
        self.all = Window(slice(0, pixels), slice(0, pixels), self.u, self.v)

    def window(self, left: float, top: float, right: float, bottom: float) -> Window:
        """The part of the grid in this box of face coordinates (at least one pixel)."""
        n = self.pixels
        a, b = (int(np.clip((x - LEFT) / self.unit, 0, n - 1)) for x in (left, right))
        c, d = (int(np.clip((y - self.top) / self.unit, 0, n - 1)) for y in (top, bottom))
        rows, columns = slice(c, d + 1), slice(a, b + 1)
        return Window(rows, columns, self.u[:, columns], self.v[rows])

    def to_pixels(self, points: Points) -> list[tuple[float, float]]:
        """Face coordinates as pixel coordinates."""
        return [((x - LEFT) / self.unit, (y - self.top) / self.unit) for x, y in points]

    def shape(self, outline: Points, blur: float = 0.0) -> Map:
        """The inside of an outline, 0 to 1 (pixels, pixels), its edge blurred by ``blur`` units."""
        image = Image.new("L", (self.pixels, self.pixels))
        ImageDraw.Draw(image).polygon(self.to_pixels(outline), fill=255)
        return self._soft(image, blur)

    def lines(self, lines: Sequence[Points], width: float, blur: float = 0.0) -> Map:
        """Strokes of this width, 0 to 1 (pixels, pixels)."""
        image = Image.new("L", (self.pixels, self.pixels))
        pen = ImageDraw.Draw(image)
        for line in lines:
            pen.line(self.to_pixels(line), fill=255, width=max(1, round(width / self.unit)), joint="curve")
        return self._soft(image, blur)

    def _soft(self, image: Image.Image, blur: float) -> Map:
        if blur > 0:
            image = image.filter(ImageFilter.GaussianBlur(blur / self.unit))
        return np.asarray(image, dtype=np.float32) / np.float32(255)


def blend(picture: Map, colour: npt.ArrayLike, alpha: Map) -> None:
    """Lay a colour (3,) or (h, w, 3) over a picture (h, w, 3) in place, as far as ``alpha`` (h, w) says."""
    change = np.asarray(colour, dtype=np.float32) - picture
    change *= alpha[..., None]
    picture += change
