"""The head's outline, its relief and the skin: what is there before eyes, mouth and hair are painted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voiceface.synthetic.appearance import Appearance, Expression
from voiceface.synthetic.canvas import Canvas, Map, noise, smooth, spline
from voiceface.synthetic.traits import random_generator

Floats = npt.NDArray[np.float64]


def chin_drop(e: Expression) -> float:
    """How far the chin sinks as the mouth opens."""
    return 0.26 * e.open


def half_outline(look: Appearance, e: Expression) -> list[tuple[float, float]]:
    """The right half of the head's outline from the crown to the chin."""
    w, s, drop = look.wide, look.length, chin_drop(e)
    heavy = 0.05 * look.age
    smile = 0.02 * max(e.smile, 0)
    return [
        (0.0, -1.53), (0.5 * w, -1.43), (0.86 * w, -1.06), (0.985 * w, -0.55), (0.985 * w, 0.0),
        ((0.955 + 0.025 * look.cheek + smile) * w, 0.38 * s),
        ((0.865 + 0.3 * (look.jaw - 1) + heavy + smile) * w, 0.82 * s + 0.3 * drop),
        (0.70 * look.jaw * w + heavy, 1.20 * s + 0.7 * drop),
        (0.36 * w * (0.6 * look.jaw + 0.4 * look.chin), 1.54 * s + drop),
        (0.16 * look.chin, 1.67 * s + drop), (0.0, 1.685 * s + drop),
    ]  # fmt: skip


def head_outline(look: Appearance, e: Expression) -> Floats:
    """The closed outline of head and jaw, (n, 2)."""
    right = spline(half_outline(look, e))
    return np.vstack([right, right[::-1] * np.array([-1, 1])])


def depth(u: Floats, v: Floats, look: Appearance) -> Floats:
    """How far a smooth head stands out at (u, v): what a turn of the head moves, also beyond the outline."""
    dome = np.sqrt(np.maximum(0.0, 1 - (u / 1.25) ** 2 - ((v - 0.05) / 2.1) ** 2))
    nose = 0.28 * np.exp(-((u / 0.22) ** 2) - ((v - look.nose_long + 0.08) / 0.22) ** 2)
    return np.asarray(dome + nose)


def mouth_position(look: Appearance, e: Expression) -> tuple[float, float]:
    """Height and half width of the mouth under an expression."""
    return look.mouth_y, look.mouth_wide * (1 + 0.2 * e.stretch + 0.12 * max(e.smile, 0) - 0.1 * e.open)


def relief(canvas: Canvas, look: Appearance, e: Expression) -> Map:
    """The head's height towards the viewer, (pixels, pixels), in units; 0 outside the outline."""
    half = spline(half_outline(look, e))
    order = np.argsort(half[:, 1])
    width = np.interp(canvas.v[:, 0], half[order, 1], half[order, 0], left=1e-3, right=1e-3)
    ratio = np.clip(np.abs(canvas.u) / np.maximum(width, 1e-3)[:, None], 0, 1).astype(np.float32)
    across = (1 - ratio ** np.float32(2.3)) ** np.float32(0.6)
    v = canvas.v[:, 0]
    bottom = 1.685 * look.length + chin_drop(e)
    top = np.sqrt(np.clip(1 - (np.minimum(v + 0.15, 0) / 1.42) ** 2, 0, 1))
    profile = top * (1 - 0.2 * smooth((v - 0.1) / 1.5)) * np.clip((bottom - v) / 0.25, 0, 1) ** 0.25
    z = (0.98 * profile.astype(np.float32)[:, None] * across).astype(np.float32)
    _bones(canvas, look, e, z)
    _nose(canvas, look, e, z)
    _mouth_mound(canvas, look, e, z)
    _folds(canvas, look, e, z)
    return np.asarray(z, dtype=np.float32)


def _bones(canvas: Canvas, look: Appearance, e: Expression, z: Map) -> None:
    ridge = 0.035 + 0.055 * look.male
    for side in (-1, 1):
        x = side * look.eye_x
        for cu, cv, su, sv, height, turn in (
            (x, 0.0, 0.25 * look.eye_size, 0.155, -0.135 - 0.05 * look.male, 0.0),
            (x, 0.015, 0.15 * look.eye_size, 0.085, 0.075, 0.0),
            (x * 0.95, look.brow_y + 0.04, 0.3, 0.075, ridge, -side * 0.12),
            (
                side * 0.60 * look.wide,
                0.40,
                0.26,
                0.17,
                0.10 + 0.035 * look.cheek + 0.07 * max(e.smile, 0),
                side * 0.35,
            ),
            (
                side * 0.58,
                0.92,
                0.26,
                0.26,
                -0.07 + 0.04 * look.lip_full - 0.02 * look.cheek - 0.05 * look.age,
                0.0,
            ),
            (side * 0.93, -0.45, 0.12, 0.35, -0.05, 0.0),
        ):
            part = canvas.window(cu - 3 * su - 0.1, cv - 3 * sv - 0.1, cu + 3 * su + 0.1, cv + 3 * sv + 0.1)
            z[part.at] += np.float32(height) * part.bump(cu, cv, su, sv, turn)
    chin = 1.47 * look.length + chin_drop(e)
    part = canvas.window(-0.9, 0.9, 0.9, 2.2)
    z[part.at] += np.float32(0.11) * part.bump(0, chin, 0.2 * look.chin, 0.12)
    z[part.at] -= np.float32(0.05) * part.bump(0, chin - 0.2, 0.2, 0.05)
    if look.male > 0.5:
        z[part.at] -= np.float32(0.02 * max(look.chin - 1.1, 0) / 0.2) * part.bump(0, chin, 0.022, 0.08)


def _nose(canvas: Canvas, look: Appearance, e: Expression, z: Map) -> None:
    tip, w = look.nose_long - 0.09 - 0.03 * e.nose, look.nose_wide
    part = canvas.window(-0.6, -0.5, 0.6, 1.1)
    u, v = part.u, part.v
    along = smooth((v + 0.30) / (tip + 0.42))
    height = 0.10 * look.nose_bridge + (0.33 + 0.03 * look.nose_bridge - 0.10 * look.nose_bridge) * along**1.5
    rise, fall = smooth((v + 0.34) / 0.3), 1 - smooth((v - tip) / 0.17)
    spread = (0.085 + 0.075 * along**1.6) * (0.55 + 0.45 * w)
    z[part.at] += (height * rise * fall * np.exp(-((np.abs(u) / spread) ** 2.2) * 0.8)).astype(np.float32)
    z[part.at] += np.float32(0.09) * part.bump(0, tip + 0.02, 0.10 * w * (1 + 0.1 * look.nose_tip), 0.085)
    for side in (-1, 1):
        z[part.at] += np.float32(0.14) * part.bump(side * 0.185 * w, tip + 0.045, 0.066 * w, 0.07)
        z[part.at] -= np.float32(0.035) * part.bump(side * 0.275 * w, tip + 0.05, 0.035, 0.09, side * 0.3)
        if e.nose > 0.05:
            for k in range(3):
                z[part.at] -= np.float32(0.02 * e.nose) * part.bump(
                    side * 0.07, 0.02 + 0.07 * k, 0.08, 0.014, side * 0.5
                )


def _mouth_mound(canvas: Canvas, look: Appearance, e: Expression, z: Map) -> None:
    my, mw = mouth_position(look, e)
    part = canvas.window(-0.9, 0.6, 0.9, 1.7)
    z[part.at] += np.float32(0.10) * part.bump(0, my + 0.02, 0.33, 0.2)
    z[part.at] -= np.float32(0.022) * part.bump(0, (my + look.nose_long) / 2 + 0.03, 0.035, 0.075)
    for side in (-1, 1):
        z[part.at] -= np.float32(0.022) * part.bump(
            side * (mw + 0.03), my - 0.02 - 0.08 * e.smile, 0.045, 0.045
        )


def _groove(across: Map, line: Map | Floats | float, width: float) -> Map:
    return np.asarray(np.exp(-(((across - line) / width) ** 2)), dtype=np.float32)


def _folds(canvas: Canvas, look: Appearance, e: Expression, z: Map) -> None:
    """Wrinkles and folds: of age, and of what the face does."""
    my, mw = mouth_position(look, e)
    age = max(0.0, look.age - 0.12)
    part = canvas.window(-1.0, 0.4, 1.0, 1.6)
    u, v = np.abs(part.u), part.v
    start, end = look.nose_long - 0.1, my + 0.02
    run = np.clip((v - start) / (end - start), 0, 1)
    line = (
        0.27 * look.nose_wide
        + (mw + 0.1 - 0.27 * look.nose_wide) * run**0.8
        + 0.05 * max(e.smile, 0) * np.sin(np.pi * run)
    )
    window = smooth((v - start + 0.04) / 0.1) * (1 - smooth((v - end) / 0.12))
    deep = 0.008 + 0.042 * age + 0.035 * max(e.smile, 0) + 0.035 * e.upper_lip + 0.02 * e.nose
    z[part.at] -= np.float32(deep) * _groove(u, line, 0.045) * window
    droop = smooth((v - my - 0.03) / 0.08) * (1 - smooth((v - my - 0.3) / 0.1))
    z[part.at] -= np.float32(0.035 * age) * _groove(u, mw + 0.03 + 0.25 * (v - my), 0.035) * droop
    part = canvas.window(-0.95, -1.1, 0.95, 0.5)
    u, v = np.abs(part.u), part.v
    raised = max(0.0, 0.5 * (e.brow_inner + e.brow_outer))
    lines = 0.02 * max(0.0, age - 0.15) + 0.014 * raised
    for k, height in enumerate((-0.58, -0.7, -0.83)):
        wave = height - 0.03 * np.cos(2.6 * u + k) + 0.02 * np.sin(7 * part.u + 2 * k)
        z[part.at] -= np.float32(lines) * _groove(v, wave, 0.016) * (1 - smooth((u - 0.42) / 0.25))
    frown = 0.010 * age + 0.018 * max(e.brow_squeeze, 0)
    tall = smooth((v + 0.5) / 0.1) * (1 - smooth((v + 0.22) / 0.12))
    z[part.at] -= np.float32(frown) * _groove(u, 0.075 + 0.03 * (v + 0.3), 0.024) * tall
    outer = look.eye_x + 0.24 * look.eye_size
    crow = 0.016 * max(0.0, age - 0.1) + 0.012 * e.squint
    for k in (-1, 0, 1):
        ray = 0.0 + 0.05 * k + k * 0.5 * (u - outer)
        z[part.at] -= (
            np.float32(crow)
            * _groove(v, ray, 0.012)
            * smooth((u - outer) / 0.06)
            * (1 - smooth((u - outer - 0.13) / 0.1))
        )
    bag = 0.015 + 0.045 * age
    arc = 0.115 + 0.06 * age * 0.5 - 0.5 * (u - look.eye_x) ** 2
    span = 1 - smooth((np.abs(u - look.eye_x + 0.03) - 0.13) / 0.12)
    z[part.at] -= np.float32(bag * 0.6) * _groove(v, arc + 0.03, 0.024) * span
    z[part.at] += np.float32(bag * 0.5) * _groove(v, arc - 0.02, 0.035) * span


def skin_albedo(canvas: Canvas, look: Appearance, person_seed: int) -> Map:
    """The skin's colour without light, (pixels, pixels, 3): redder cheeks and nose, freckles, spots."""
    rng = random_generator(person_seed, 0x5C1)
    n = canvas.pixels
    skin = np.empty((n, n, 3), dtype=np.float32)
    skin[:] = look.skin
    mottle = noise((n, n), (26, 26), rng) * 0.010 + noise((n, n), (90, 90), rng) * 0.008 * (1 + look.age)
    skin *= 1 + mottle[..., None]
    red = 0.7 * canvas.all.bump(0, 0.55, 0.2, 0.16)
    for side in (-1, 1):
        red = red + 0.75 * canvas.all.bump(side * 0.58, 0.52, 0.24, 0.2)
    fair = float(look.skin.mean())
    skin *= 1 - red[..., None] * np.array([0.0, 0.10, 0.09], dtype=np.float32) * fair
    for side in (-1, 1):
        part = canvas.window(side * look.eye_x - 0.5, -0.4, side * look.eye_x + 0.5, 0.5)
        dark = 0.10 + 0.10 * look.age
        ring = part.bump(side * look.eye_x * 0.96, 0.05, 0.2, 0.12)
        skin[part.at] *= 1 - dark * ring[..., None] * np.array([0.75, 1.0, 0.9], dtype=np.float32)
    if look.freckles > 0:
        spots = noise((n, n), (70, 70), rng)
        where = canvas.all.bump(0, 0.38, 0.55, 0.22)
        amount = smooth((spots - 0.7) / 0.5) * where * min(0.5, 0.35 * look.freckles)
        skin *= 1 - amount[..., None] * np.array([0.35, 0.55, 0.7], dtype=np.float32)
    for _ in range(int(rng.poisson(0.8 + 1.5 * look.age))):
        u, v, r = rng.uniform(-0.75, 0.75), rng.uniform(-0.6, 1.3), rng.uniform(0.012, 0.028)
        part = canvas.window(u - 0.1, v - 0.1, u + 0.1, v + 0.1)
        skin[part.at] *= 1 - 0.55 * part.disc(u, v, r, r, 0.012)[..., None]
    return skin
