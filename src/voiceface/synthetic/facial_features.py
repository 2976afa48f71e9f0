"""Eyes, brows, nostrils, mouth, beard and glasses, painted onto the lit skin."""

from __future__ import annotations

import numpy as np

from voiceface.synthetic.appearance import Appearance, Expression, Scene
from voiceface.synthetic.canvas import Canvas, Map, Window, blend, noise, smooth
from voiceface.synthetic.head import chin_drop, mouth_position
from voiceface.synthetic.traits import random_generator


def paint_eyes(canvas: Canvas, picture: Map, light: Map, look: Appearance, e: Expression) -> None:
    """Draw both eyes; ``light`` (pixels, pixels) is the shading that falls on them."""
    for side in (-1, 1):
        cx = side * look.eye_x
        part = canvas.window(cx - 0.45, look.eye_y - 0.35, cx + 0.45, look.eye_y + 0.35)
        _eye(part, picture[part.at], light[part.at], look, e, side, canvas.unit)


def _lids(look: Appearance, e: Expression, x: Map) -> tuple[Map, Map]:
    """Heights of the upper and lower lid over x from inner (-1) to outer corner (1)."""
    inside = np.clip(1 - x**2, 0, 1)
    closed = np.clip(e.blink, 0, 1)
    opening = look.eye_open * look.eye_size * (1 + 0.35 * e.lids - 0.38 * e.squint)
    peak = inside ** np.float32(0.62) * (1 - 0.14 * x)
    upper = -0.105 * opening * (1 - closed) * peak + 0.045 * closed * inside
    lower = (0.070 - 0.025 * e.squint) * look.eye_size * inside ** np.float32(0.85) * (1 + 0.1 * x)
    return np.asarray(upper, dtype=np.float32), np.asarray(np.maximum(lower, upper), dtype=np.float32)


def _eye(
    part: Window, picture: Map, light: Map, look: Appearance, e: Expression, side: int, unit: float
) -> None:
    half = 0.232 * look.eye_size
    du, dv = side * (part.u - side * look.eye_x), part.v - look.eye_y
    tilt = look.eye_tilt
    x = (du * np.cos(tilt) - dv * np.sin(tilt)) / half
    y = du * np.sin(tilt) + dv * np.cos(tilt)
    upper, lower = _lids(look, e, x)
    soft = 1.6 * unit
    inside = (
        smooth((y - upper) / soft + 0.5)
        * smooth((lower - y) / soft + 0.5)
        * smooth((1 - np.abs(x)) * half / soft)
    )
    lit = np.clip(light, 0.3, 1.25)[..., None]
    white = np.array([0.93, 0.91, 0.89], dtype=np.float32) * (0.72 + 0.28 * float(look.skin.mean()))
    ball = np.ones((*inside.shape, 3), dtype=np.float32) * white
    ball *= (1 - 0.22 * np.clip(np.abs(x), 0, 1) ** 2)[..., None]
    corner = smooth((-x - 0.78) / 0.2)
    blend(ball, np.array([0.78, 0.48, 0.46]), 0.8 * corner)
    r_iris, gaze = 0.108 * look.eye_size**0.4, e.gaze
    iu, iv = part.u - side * look.eye_x - 0.08 * gaze[0], part.v - look.eye_y + 0.008 - 0.05 * gaze[1]
    r = np.sqrt(iu**2 + iv**2)
    angle = np.arctan2(iv, iu)
    streaks = 0.9 + 0.16 * np.sin(23 * angle + 3 * np.sin(5 * angle)) * smooth((r - 0.04) / 0.03)
    iris = (
        look.iris
        * (streaks * (1.28 - 0.25 * (r < 0.055) - 0.75 * smooth((r - 0.72 * r_iris) / (0.3 * r_iris))))[
            ..., None
        ]
    )
    iris = iris * (0.8 + 0.35 * smooth((iv + 0.06) / 0.14))[..., None]
    blend(ball, np.clip(iris, 0, 1), smooth((r_iris - r) / soft + 0.5))
    blend(ball, np.array([0.02, 0.02, 0.025]), smooth((0.045 - r) / soft + 0.5))
    shadow = 1 - 0.5 * (1 - smooth((y - upper) / 0.065))
    ball *= shadow[..., None] * (0.45 + 0.6 * lit)
    for hx, hy, hr, power in ((0.035, -0.04, 0.021, 0.95), (-0.03, 0.035, 0.011, 0.45)):
        glint = smooth((hr - np.sqrt((iu - hx) ** 2 + (iv - hy) ** 2)) / soft + 0.5)
        blend(ball, np.ones(3), power * glint)
    picture += inside[..., None] * (ball - picture)
    _lashes(picture, look, e, (x, y, upper, lower), unit)


def _lashes(
    picture: Map, look: Appearance, e: Expression, lids: tuple[Map, Map, Map, Map], unit: float
) -> None:
    x, y, upper, lower = lids
    within = smooth((1.04 - np.abs(x)) / 0.08)
    female = float(np.clip(1 - look.male, 0, 1))
    crease_y = upper - (0.055 - 0.012 * max(e.lids, 0)) * (0.8 + 0.35 * e.blink) * look.eye_open
    crease = np.exp(-(((y - crease_y) / 0.013) ** 2)) * smooth((1.0 - np.abs(x + 0.02)) / 0.3)
    blend(
        picture,
        look.skin * np.array([0.48, 0.36, 0.34], dtype=np.float32),
        (0.62 * crease).astype(np.float32),
    )
    thick = (0.017 + 0.017 * female) * (0.75 + 0.5 * np.clip(x, -1, 1)) + 0.6 * unit
    ink = np.minimum(look.brow_colour * 0.35, 0.16) + 0.02
    line = smooth(1.3 - np.abs(y - upper + 0.3 * thick) / thick) * within
    blend(picture, ink, (0.93 * line).astype(np.float32))
    if female > 0.3:
        comb = 0.55 + 0.45 * np.sin(46 * x)
        fan = smooth((upper - y + 0.004) / 0.01) * smooth(
            1 - (upper - y) / (0.055 * (0.5 + 0.55 * np.clip(x + 0.3, 0, 1)))
        )
        blend(
            picture, ink, (0.62 * female * comb * fan * smooth((1.15 - np.abs(x)) / 0.1)).astype(np.float32)
        )
    under = np.exp(-(((y - lower - 0.006) / 0.011) ** 2)) * within * smooth((x + 1) / 0.5)
    blend(
        picture, look.skin * np.array([0.55, 0.40, 0.38], dtype=np.float32), (0.55 * under).astype(np.float32)
    )


def paint_brows(canvas: Canvas, picture: Map, light: Map, look: Appearance, e: Expression, seed: int) -> None:
    """Draw both brows as tapered bands of hair."""
    for side in (-1, 1):
        cx = side * look.eye_x
        part = canvas.window(cx - 0.5, look.brow_y - 0.45, cx + 0.5, look.brow_y + 0.4)
        inner = look.eye_x - 0.27 - 0.045 * e.brow_squeeze
        outer = look.eye_x + 0.31
        x = np.broadcast_to((side * part.u - inner) / (outer - inner), (part.v.shape[0], part.u.shape[1]))
        t = np.clip(x, 0, 1)
        middle = look.brow_y - look.brow_arch * np.sin(np.pi * t**1.25) + 0.055 * (t - 0.45) * (t > 0.45)
        middle = middle - 0.11 * e.brow_inner * (1 - t) ** 1.6 - 0.085 * e.brow_outer * t**1.2
        thick = look.brow_thick * (0.45 + 1.1 * t**0.4 * (1 - t) ** 0.45) * (1 - 0.55 * t)
        away = (part.v - middle) / thick
        rng = random_generator(seed, 0xB70, side + 1)
        grain = noise((256, 256), (8, 46), rng)
        rows = np.clip(128 + away * 40, 0, 255).astype(int)
        columns = np.clip((x + 0.16 * away * (1 - 0.7 * t)) * 235 + 10, 0, 255).astype(int)
        hairs = 0.82 + 0.22 * grain[rows, columns]
        alpha = (
            smooth((1.15 - np.abs(away)) / 0.7)
            * smooth((x + 0.04) / 0.16)
            * smooth((1.02 - x) / 0.15)
            * hairs
        )
        strength = (0.80 + 0.08 * look.male) * np.clip(alpha, 0, 1)
        colour = look.brow_colour * (0.35 + 0.45 * np.clip(light[part.at], 0.3, 1.2))[..., None]
        blend(picture[part.at], colour, strength.astype(np.float32))


def paint_nostrils(canvas: Canvas, picture: Map, look: Appearance, e: Expression) -> None:
    """Draw the nostrils, the wings' creases and the shadow under the nose."""
    tip, w = look.nose_long - 0.03 * e.nose, look.nose_wide
    part = canvas.window(-0.6, tip - 0.4, 0.6, tip + 0.45)
    view = picture[part.at]
    under = part.bump(0, tip + 0.075, 0.2 * w, 0.05)
    view *= 1 - 0.16 * under[..., None] * np.array([0.8, 1.0, 1.0], dtype=np.float32)
    for side in (-1, 1):
        hole = part.bump(side * 0.098 * w, tip + 0.018, 0.055 * w, 0.024, -side * 0.25)
        view *= 1 - np.clip(0.80 * hole**1.2, 0, 0.8)[..., None]
        crease = np.exp(
            -(
                (
                    ((np.hypot((part.u - side * 0.175 * w) / (0.095 * w), (part.v - tip + 0.045) / 0.09)) - 1)
                    / 0.16
                )
                ** 2
            )
        )
        outside = smooth((side * part.u - 0.2 * w) / 0.05)
        view *= 1 - 0.33 * (crease * outside)[..., None] * np.array([0.8, 1.0, 1.0], dtype=np.float32)


def paint_mouth(canvas: Canvas, picture: Map, light: Map, look: Appearance, e: Expression) -> None:
    """Draw the mouth: cavity, teeth and tongue if it is open, then both lips."""
    my, mw = mouth_position(look, e)
    part = canvas.window(-mw - 0.2, my - 0.4, mw + 0.2, my + 0.75)
    x = np.broadcast_to(part.u / mw, (part.v.shape[0], part.u.shape[1]))
    inside = np.clip(1 - x**2, 0, 1)
    bend = -(0.018 + 0.105 * e.smile) * np.abs(x) ** 1.8 + 0.045 * e.smile * (1 - np.abs(x))
    full = 1 - 0.45 * np.clip(e.press, 0, 1)
    lift = 0.055 * e.upper_lip * (0.5 + np.abs(x) * (1.1 - np.abs(x)) * 1.8)
    line = my + bend + 0.010 * np.cos(3 * np.pi * x) * inside
    gap = 0.30 * e.open * inside ** np.float32(0.6)
    top_edge, low_edge = line - lift - 0.12 * gap, line + 0.88 * gap
    bow = 1 - 0.24 * np.exp(-((x / 0.13) ** 2)) + 0.06 * np.exp(-(((np.abs(x) - 0.26) / 0.14) ** 2))
    upper = top_edge - 0.105 * look.lip_full * full * inside ** np.float32(0.9) * bow
    lower = low_edge + 0.135 * look.lip_full * full * inside ** np.float32(0.75)
    soft = 2.2 * canvas.unit
    y, view = part.v, picture[part.at]
    lit = np.clip(light[part.at], 0.3, 1.25)[..., None]
    near = smooth((1.0 - np.abs(x)) * mw / (2 * soft))
    whole = smooth((y - upper) / (1.6 * soft) + 0.5) * smooth((lower - y) / (1.6 * soft) + 0.5) * near
    roll_up = np.clip((y - upper) / np.maximum(top_edge - upper, 1e-3), 0, 1)
    roll_low = np.clip((y - low_edge) / np.maximum(lower - low_edge, 1e-3), 0, 1)
    shade = np.where(
        y < 0.5 * (top_edge + low_edge),
        0.92 - 0.2 * roll_up,
        0.86 + 0.32 * np.sin(np.pi * np.clip(roll_low, 0, 1)) * 0.8,
    )
    streak = 1 + 0.035 * np.sin(x * 55) * inside
    lips = look.lips * (shade * streak)[..., None] * lit
    shine = np.exp(-(((roll_low - 0.4) / 0.17) ** 2)) * np.exp(-((x / 0.4) ** 2)) * (y > low_edge)
    lips = lips + (0.13 - 0.06 * look.male) * shine[..., None]
    view += (0.90 * whole)[..., None] * (lips - view)
    cavity = (
        smooth((y - top_edge) / soft + 0.5) * smooth((low_edge - y) / soft + 0.5) * near * (gap + lift > 1e-3)
    )
    dark = np.ones((*x.shape, 3), dtype=np.float32) * np.array([0.20, 0.06, 0.06], dtype=np.float32)
    tongue = np.exp(-((x / 0.5) ** 2)) * smooth((y - low_edge + 0.35 * gap + 0.02) / 0.05)
    blend(dark, np.array([0.52, 0.22, 0.22]), (0.75 * tongue).astype(np.float32))
    shown = np.minimum(0.075, (0.42 + 0.45 * np.clip(e.smile, 0, 1)) * (low_edge - top_edge))
    teeth = smooth((top_edge + shown - y) / 0.02 + 0.3) * smooth((0.93 - np.abs(x)) / 0.2)
    between = 1 - 0.14 * np.exp(-(((((x * mw / 0.062) % 1) - 0.5) / 0.09) ** 2))
    enamel = np.array([0.88, 0.85, 0.79], dtype=np.float32) * (between * (1 - 0.4 * np.abs(x)))[..., None]
    dark += teeth[..., None] * (enamel * np.clip(lit, 0.5, 1) - dark)
    view += cavity[..., None] * (dark - view)
    seam = (
        np.exp(-(((y - line - 0.4 * (low_edge - line)) / 0.012) ** 2))
        * smooth((1.08 - np.abs(x)) / 0.1)
        * (gap < 0.03)
    )
    blend(view, look.skin * np.array([0.30, 0.15, 0.14], dtype=np.float32), (0.85 * seam).astype(np.float32))
    below = part.bump(0, my + 0.88 * 0.30 * e.open + 0.135 * look.lip_full + 0.075, 0.22, 0.042)
    view *= 1 - 0.17 * below[..., None]


def paint_beard(
    canvas: Canvas, picture: Map, light: Map, look: Appearance, e: Expression, scene: Scene
) -> None:
    """Draw the scene's beard, if any."""
    if scene.beard == "none":
        return
    my, mw = mouth_position(look, e)
    drop, part = chin_drop(e), canvas.window(-1.1, 0.2, 1.1, 2.2)
    u, v = np.abs(part.u), part.v
    top = look.nose_long + 0.09 + 0.30 * u**1.4
    bottom = my - 0.055 + 0.42 * np.maximum(u - 0.16, 0) ** 1.2
    moustache = smooth((v - top) / 0.06) * smooth((bottom - v) / 0.05 + 0.4) * smooth((mw + 0.10 - u) / 0.12)
    cheek = smooth((v - (0.82 + 0.25 * (0.8 - u))) / 0.14 + 0.35 * (u > 0.72))
    sides = smooth((u - 0.80) / 0.08) * smooth((v - 0.25) / 0.2)
    hole = smooth(1.15 - np.hypot(u / (mw + 0.10), (v - my - 0.05 - 0.45 * drop) / (0.185 + 0.5 * drop)) ** 3)
    full = np.maximum(cheek, sides) * (1 - hole)
    goatee = smooth((0.36 - u) / 0.1) * smooth((v - my - 0.1 - 0.6 * drop) / 0.08) * (1 - 0.9 * hole)
    amount = {
        "stubble": 0.42 * np.maximum(full, moustache),
        "full": 0.93 * np.maximum(full, moustache),
        "goatee": 0.9 * np.maximum(goatee, moustache),
        "moustache": 0.93 * moustache,
    }[scene.beard]
    rng = random_generator(scene.seed, 0xBEAD)
    n = picture.shape[0]
    grain = (0.6 * noise((n, n), (n // 5, n // 3), rng) + 0.5 * noise((n, n), (60, 90), rng))[part.at]
    alpha = np.clip(amount * (0.9 + 0.22 * grain), 0, 1).astype(np.float32)
    tone = look.brow_colour * 0.3 + look.hair * 0.5
    colour = tone * ((0.5 + 0.5 * np.clip(light[part.at], 0.3, 1.2)) * (1 + 0.2 * grain))[..., None]
    blend(picture[part.at], colour, alpha)


def paint_glasses(canvas: Canvas, picture: Map, alpha: Map, look: Appearance, scene: Scene) -> None:
    """Draw the scene's glasses, if any: rims, bridge, arms and a faint reflection."""
    if scene.glasses == "none":
        return
    rng = random_generator(scene.seed, 0x61A)
    rim = np.array([0.07, 0.06, 0.07]) + 0.25 * rng.random() * np.array([1.0, 0.75, 0.5])
    ru, rv = (0.315, 0.255) if scene.glasses == "round" else (0.345, 0.215)
    power = 2.0 if scene.glasses == "round" else 4.5
    part = canvas.window(-1.2, -0.5, 1.2, 0.5)
    u, v = np.abs(part.u), part.v
    r = ((np.abs(u - look.eye_x) / ru) ** power + (np.abs(v - 0.04) / rv) ** power) ** (1 / power)
    width = 0.028
    frame = smooth((width - np.abs(r - 1) * min(ru, rv)) / 0.012)
    bridge = smooth((0.020 - np.abs(v + 0.03 - 0.05 * (u / 0.15) ** 2 * 0.3)) / 0.01) * (
        u < look.eye_x - ru + 0.03
    )
    arm = smooth((0.022 - np.abs(v + 0.05)) / 0.01) * (u > look.eye_x + ru - 0.02) * (u < 1.0)
    ink = np.clip(np.maximum(np.maximum(frame, bridge), arm), 0, 1).astype(np.float32)
    view = picture[part.at]
    lens = smooth((1 - r) / 0.04)
    glare = 0.10 * lens * smooth(np.sin(3.0 * (part.u + 0.7 * v) + 1.0) * 2 - 1)
    view += (1 - view) * np.asarray(glare, dtype=np.float32)[..., None]
    blend(view, rim, ink)
    alpha[part.at] = np.maximum(alpha[part.at], ink)
