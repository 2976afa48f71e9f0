"""Shaded drawings of faces that a face detector finds, so that tests need no photograph of anybody."""

import functools
import math

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

DRAWN = 400
"""Everything is drawn this large in units of 1/100 of the half side, then reduced."""


def draw_face(seed: int, size: int = 200) -> Image.Image:
    """Return a ``size`` square RGB drawing of a frontal face; each seed is another made-up person.

    The same seed is the same drawing on every machine. The face fills about half of the picture's width.
    """
    return _large_face(seed).resize((size, size), Image.Resampling.LANCZOS)


@functools.lru_cache(maxsize=64)
def _large_face(seed: int) -> Image.Image:
    random = np.random.default_rng([20240, seed])
    skin = np.array([(241, 205, 177), (224, 178, 142), (190, 137, 100), (141, 93, 64), (96, 62, 44)])[
        seed % 5
    ]
    skin = np.clip(skin * random.uniform(0.9, 1.06) + random.normal(0, 4, 3), 25, 250)
    hair = np.array([(35, 26, 22), (84, 55, 33), (160, 120, 70), (120, 118, 116), (120, 50, 24)])
    hair = np.clip(hair[random.integers(5)] + random.normal(0, 6, 3), 8, 235)
    back = random.uniform(70, 215) + random.normal(0, 18, 3)
    look = {
        "width": random.uniform(0.43, 0.57),
        "chin": random.uniform(0.70, 0.82),
        "jaw": random.uniform(2.0, 2.9),
        "eyes": random.uniform(0.195, 0.255),
        "eye": random.uniform(0.085, 0.115),
        "open": random.uniform(0.036, 0.056),
        "brow": random.uniform(0.018, 0.05),
        "arch": random.uniform(0.01, 0.06),
        "nose": random.uniform(0.055, 0.115),
        "long": random.uniform(0.25, 0.36),
        "mouth": random.uniform(0.14, 0.22),
        "lips": random.uniform(0.028, 0.068),
        "top": random.uniform(0.66, 0.86),
        "hairline": random.uniform(0.36, 0.50),
        "side": random.uniform(0.02, 0.5),
    }
    image = _background(back, random)
    _hair_behind(image, look, hair)
    _head(image, look, skin)
    _features(image, look, skin, hair, iris=random.uniform(30, 140, 3), lips=random.uniform(0.55, 0.85))
    _hair_front(image, look, hair)
    if random.random() < 0.3:
        _beard(image, look, skin * 0.3 + hair * 0.7)
    if random.random() < 0.3:
        _glasses(image, look)
    grain = np.asarray(image, dtype=np.float64) + random.normal(0, 2.0, (DRAWN, DRAWN, 1))
    return Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8))


def _place(x, y):
    return DRAWN / 2 * (1 + x), DRAWN / 2 * (1 + y)


def _ink(colour):
    return tuple(int(v) for v in np.clip(colour, 0, 255))


def _ellipse(draw, x, y, across, down, colour):
    draw.ellipse([*_place(x - across, y - down), *_place(x + across, y + down)], fill=colour)


def _blend(image, paint, colour, blur, strength=1.0):
    """Lay ``colour`` over what ``paint`` draws on a mask, with soft edges."""
    mask = Image.new("L", image.size, 0)
    paint(ImageDraw.Draw(mask))
    # Only where it is not blank, with room for the blur.
    left, top, right, bottom = mask.getbbox()
    room = math.ceil(6 * blur)
    box = (max(left - room, 0), max(top - room, 0), min(right + room, DRAWN), min(bottom + room, DRAWN))
    mask = mask.crop(box).filter(ImageFilter.GaussianBlur(blur)).point(lambda v: int(v * strength))
    image.paste(_ink(colour), box, mask)


def _background(colour, random):
    rows = np.linspace(1.1, 0.85, DRAWN)[:, None, None] * np.ones((1, DRAWN, 1)) * colour
    return Image.fromarray(np.clip(rows, 0, 255).astype(np.uint8))


def _oval(look, grow=1.0):
    """The outline of the head: half an ellipse above, a jaw that narrows below."""
    outline = []
    for angle in np.linspace(0, 2 * math.pi, 120, endpoint=False):
        x, y = math.cos(angle), math.sin(angle)
        if y > 0:
            x = math.copysign(abs(x) ** (2 / look["jaw"]), x)
            outline.append(_place(x * look["width"] * grow, 0.02 + y * look["chin"] * grow))
        else:
            outline.append(_place(x * look["width"] * grow, 0.02 + y * 0.66 * grow))
    return outline


def _head(image, look, skin):
    _blend(image, lambda d: d.rectangle([*_place(-0.22, 0.4), *_place(0.22, 1.0)], fill=255), skin * 0.72, 3)
    _blend(image, lambda d: _ellipse(d, 0, 1.12, 0.75, 0.25, 255), skin * 0.5 + 40, 3)
    for side in (-1, 1):
        ear = side * look["width"]
        _blend(image, lambda d, ear=ear: _ellipse(d, ear, 0.02, 0.07, 0.16, 255), skin * 0.86, 2)
    _blend(image, lambda d: d.polygon(_oval(look), fill=255), skin * 0.86, 2)
    _blend(image, lambda d: d.polygon(_oval(look, 0.86), fill=255), skin, 18)
    _blend(image, lambda d: _ellipse(d, 0, -0.36, 0.26, 0.14, 255), skin * 1.08, 20, 0.7)
    for side in (-1, 1):
        _blend(image, lambda d, s=side: _ellipse(d, s * 0.27, 0.2, 0.1, 0.1, 255), skin * 1.09, 16, 0.7)
        _blend(
            image, lambda d, s=side: _ellipse(d, s * look["eyes"], -0.1, 0.15, 0.1, 255), skin * 0.66, 9, 0.8
        )
    _blend(image, lambda d: _ellipse(d, 0, look["chin"] - 0.24, 0.12, 0.025, 255), skin * 0.74, 7)


def _features(image, look, skin, hair, *, iris, lips):
    eye_y, dark = -0.10, hair * 0.5
    for side in (-1, 1):
        x, wide, tall = side * look["eyes"], look["eye"], look["open"]
        lids = Image.new("L", image.size, 0)
        _ellipse(ImageDraw.Draw(lids), x, eye_y, wide, tall, 255)
        ball = Image.new("RGB", image.size, (236, 233, 230))
        paint = ImageDraw.Draw(ball)
        _ellipse(paint, x, eye_y, 0.046, 0.046, _ink(iris))
        _ellipse(paint, x, eye_y, 0.022, 0.022, (12, 10, 10))
        _ellipse(paint, x + 0.012, eye_y - 0.015, 0.008, 0.008, (250, 250, 250))
        image.paste(ball, mask=lids.filter(ImageFilter.GaussianBlur(1)))
        lash = [_place(x - wide, eye_y - tall - 0.012), _place(x + wide, eye_y + tall)]
        _blend(image, lambda d, b=lash: d.arc([*b[0], *b[1]], 190, 350, fill=255, width=6), dark * 0.5, 1.2)
        brow = [
            _place(x + t * wide * 1.4, -0.245 - look["arch"] * (1 - t * t) + dy)
            for dy, ts in ((0.0, np.linspace(-1, 1, 9)), (look["brow"] * 1.5, np.linspace(1, -1, 9)))
            for t in ts
        ]
        _blend(image, lambda d, b=brow: d.polygon(b, fill=255), dark, 2.2, 0.95)
    base = eye_y + look["long"]
    _blend(
        image, lambda d: d.line([_place(-0.055, -0.1), _place(-0.05, base)], fill=255, width=9), skin * 0.8, 5
    )
    _blend(image, lambda d: _ellipse(d, 0.012, base - 0.12, 0.02, 0.16, 255), skin * 1.12, 6, 0.8)
    wing = look["nose"]
    _blend(image, lambda d: _ellipse(d, 0, base + 0.012, wing, 0.03, 255), skin * 0.62, 4)
    _blend(image, lambda d: _ellipse(d, 0, base - 0.035, wing * 0.62, 0.042, 255), skin * 1.05, 5, 0.8)
    for side in (-1, 1):
        hole = side * wing * 0.5
        _blend(image, lambda d, s=hole: _ellipse(d, s, base + 0.012, 0.022, 0.013, 255), skin * 0.25, 1.5)
    _mouth(image, look, skin, base + 0.19, lips)


def _mouth(image, look, skin, y, lips):
    red = np.array([skin[0] * 0.92, skin[1] * lips * 0.85, skin[2] * lips * 0.9])
    wide, thick = look["mouth"], look["lips"]
    _blend(image, lambda d: _ellipse(d, 0, y + thick * 0.55, wide * 0.86, thick, 255), red, 2)
    _blend(image, lambda d: _ellipse(d, 0, y - thick * 0.35, wide, thick * 0.75, 255), red * 0.88, 2)
    line = [_place(t * wide, y + 0.012 * (t * t - 0.5)) for t in np.linspace(-1, 1, 15)]
    _blend(image, lambda d: d.line(line, fill=255, width=6), red * 0.3, 1.2)
    _blend(image, lambda d: _ellipse(d, 0, y + thick * 1.75, wide * 0.6, 0.02, 255), skin * 0.7, 4, 0.8)


def _hair_behind(image, look, hair):
    def paint(draw):
        _ellipse(draw, 0, -0.12, look["width"] + 0.1, look["top"], 255)
        draw.rectangle(
            [*_place(-look["width"] - 0.09, -0.12), *_place(look["width"] + 0.09, -0.1 + look["side"] * 1.6)],
            fill=255,
        )

    _blend(image, paint, hair * 0.85, 3)


def _hair_front(image, look, hair):
    top = Image.new("L", image.size, 0)
    _ellipse(ImageDraw.Draw(top), 0, -0.12, look["width"] + 0.09, look["top"], 255)
    below = Image.new("L", image.size, 0)
    _ellipse(ImageDraw.Draw(below), 0, 0.45 - look["hairline"], look["width"] * 0.99, 0.5, 255)
    paint = ImageDraw.Draw(below)
    paint.rectangle([*_place(-2, 0.05), *_place(2, 2)], fill=255)
    mask = ImageChops.subtract(top, below).filter(ImageFilter.GaussianBlur(3))
    image.paste(Image.new("RGB", image.size, _ink(hair)), mask=mask)


def _beard(image, look, colour):
    chin = Image.new("L", image.size, 0)
    ImageDraw.Draw(chin).polygon(_oval(look), fill=255)
    hole = Image.new("L", image.size, 0)
    paint = ImageDraw.Draw(hole)
    _ellipse(paint, 0, 0.12, look["width"] * 0.86, 0.38, 255)
    paint.rectangle([*_place(-2, -2), *_place(2, 0.1)], fill=255)
    mask = ImageChops.subtract(chin, hole).filter(ImageFilter.GaussianBlur(6)).point(lambda v: int(v * 0.7))
    image.paste(Image.new("RGB", image.size, _ink(colour)), mask=mask)


def _glasses(image, look):
    def paint(draw):
        for side in (-1, 1):
            x = side * look["eyes"]
            draw.ellipse([*_place(x - 0.16, -0.22), *_place(x + 0.16, 0.03)], outline=255, width=4)
        draw.line(
            [_place(-look["eyes"] + 0.15, -0.11), _place(look["eyes"] - 0.15, -0.11)], fill=255, width=4
        )

    _blend(image, paint, np.array([40, 36, 34]), 1, 0.9)
