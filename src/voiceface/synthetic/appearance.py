"""What a synthetic face looks like: measures and colours from the traits, the scene and the expression.

Measures are in face coordinates (`voiceface.synthetic.canvas`), colours are 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voiceface.synthetic.people import SyntheticPerson
from voiceface.synthetic.traits import age_in_years, random_generator

Colour = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """What the muscles do, each 0 at rest and about 1 at full strength (brows also below 0)."""

    brow_inner: float = 0.0
    brow_outer: float = 0.0
    brow_squeeze: float = 0.0
    lids: float = 0.0
    """Upper lids: above 0 wide open, below 0 drooping."""
    squint: float = 0.0
    nose: float = 0.0
    smile: float = 0.0
    """Corners of the mouth: above 0 up, below 0 down."""
    stretch: float = 0.0
    """The mouth's width: above 0 wider, below 0 rounder."""
    upper_lip: float = 0.0
    press: float = 0.0
    open: float = 0.0
    blink: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)

    def mixed(self, other: Expression, share: float) -> Expression:
        """This expression moved towards another by a share of the way."""
        values = {
            name: getattr(self, name) + share * (getattr(other, name) - getattr(self, name))
            for name in Expression.__slots__
            if name != "gaze"
        }
        return Expression(**values, gaze=self.gaze)


EXPRESSIONS: Mapping[str, Expression] = {
    "neutral": Expression(),
    "happy": Expression(smile=1.0, stretch=0.6, squint=0.55, brow_outer=0.2, open=0.22, upper_lip=0.3),
    "anger": Expression(brow_inner=-1.0, brow_outer=0.25, brow_squeeze=1.0, lids=0.2, squint=0.35, press=0.9,
                        smile=-0.35, nose=0.3, stretch=-0.2),
    "sad": Expression(brow_inner=1.0, brow_outer=-0.55, brow_squeeze=0.4, lids=-0.5, smile=-1.0, press=0.2,
                      stretch=-0.1),
    "fear": Expression(brow_inner=1.1, brow_outer=0.7, brow_squeeze=0.5, lids=1.0, stretch=0.5, smile=-0.4,
                       open=0.45),
    "disgust": Expression(brow_inner=-0.65, brow_outer=-0.3, brow_squeeze=0.5, squint=0.8, lids=-0.25,
                          nose=1.0, upper_lip=1.0, smile=-0.5, open=0.1),
}  # fmt: skip
"""The six emotions of CREMA-D on the face."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """Turn of the head in radians (yaw to the picture's right, pitch down, roll clockwise) and its place."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that differs between two pictures of one person."""

    seed: int
    """Seeds the grain of hair, beard and cloth: another for every person and picture."""
    pose: Pose
    light: tuple[float, float, float]
    """Direction to the light, of length 1: right, down, towards the viewer."""
    strength: float
    ambient: float
    warmth: float
    background: Colour
    shirt: Colour
    hair: str
    beard: str
    glasses: str
    grain: float
    blur: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """A person's lasting measures and colours."""

    male: float
    years: float
    age: float
    """0 for young to 1 for old."""
    skin: Colour
    hair: Colour
    brow_colour: Colour
    lips: Colour
    iris: Colour
    wide: float
    jaw: float
    chin: float
    length: float
    forehead: float
    cheek: float
    neck: float
    eye_x: float
    eye_y: float
    eye_size: float
    eye_tilt: float
    eye_open: float
    brow_y: float
    brow_arch: float
    brow_thick: float
    nose_wide: float
    nose_long: float
    nose_bridge: float
    nose_tip: float
    mouth_y: float
    mouth_wide: float
    lip_full: float
    ears: float
    freckles: float
    receding: float
    fringe: float


_SKINS = ((252, 226, 212), (243, 207, 184), (226, 180, 150), (196, 143, 108), (146, 98, 69), (98, 64, 47))
_HAIRS = ((232, 205, 150), (178, 132, 80), (112, 74, 46), (64, 44, 34), (30, 25, 25))
_IRISES = ((88, 132, 168), (110, 150, 140), (104, 122, 70), (120, 86, 46), (78, 50, 30), (48, 32, 24))


def _ramp(colours: tuple[tuple[int, int, int], ...], place: float) -> Colour:
    """A colour of a scale; ``place`` from -2.2 to 2.2."""
    table = np.asarray(colours, dtype=np.float64) / 255
    x = np.clip((place + 2.2) / 4.4, 0, 1) * (len(table) - 1)
    rgb = [np.interp(x, np.arange(len(table)), table[:, c]) for c in range(3)]
    return np.asarray(rgb, dtype=np.float32)


def appearance_of(person: SyntheticPerson) -> Appearance:
    """A person's measures and colours from the traits of the face (extreme values are clipped at 2.5)."""
    f = {name: float(np.clip(value, -2.5, 2.5)) for name, value in person.face.items()}
    m = float(np.clip((f["sex"] + 1) / 2, -0.2, 1.2))
    years = float(age_in_years(f["age"]))
    age = float(np.clip((years - 26) / 48, 0, 1.05))
    skin = _ramp(_SKINS, f["skin"])
    pigment = _ramp(_HAIRS, f["hair"])
    grey = float(np.clip((years - 46 + 5 * f["forehead"]) / 24, 0, 1)) ** 1.2
    hair = pigment + grey * 0.9 * (np.array([0.80, 0.80, 0.81], dtype=np.float32) - pigment)
    brow = pigment * 0.75 + grey * 0.55 * (np.array([0.62, 0.62, 0.62], dtype=np.float32) - pigment * 0.75)
    blood = np.array([0.70, 0.34, 0.33], dtype=np.float32)
    lips = skin * np.array([0.86, 0.66, 0.66], dtype=np.float32)
    lips = lips + (0.42 - 0.25 * m - 0.12 * age) * (blood * (0.45 + 0.65 * skin.mean()) - lips)
    return Appearance(
        male=m, years=years, age=age, skin=skin, hair=hair.astype(np.float32),
        brow_colour=brow.astype(np.float32), lips=lips.astype(np.float32),
        iris=_ramp(_IRISES, 0.85 * f["hair"] + 0.7 * f["eye_colour"]),
        wide=1.0 + 0.045 * f["size"] + 0.03 * (m - 0.5),
        jaw=1.0 + 0.065 * f["resonance"] + 0.13 * (m - 0.5) + 0.05 * age,
        chin=1.0 + 0.16 * f["chin"] + 0.35 * (m - 0.5),
        length=1.0 + 0.055 * f["face_length"] + 0.05 * (m - 0.5),
        forehead=-0.93 - 0.05 * f["forehead"],
        cheek=f["cheek"],
        neck=0.53 + 0.13 * m + 0.035 * f["size"] + 0.04 * f["resonance"],
        eye_x=0.455 + 0.036 * f["tempo"],
        eye_y=0.0,
        eye_size=(1.0 + 0.095 * f["register"]) * (1.07 - 0.13 * m),
        eye_tilt=0.05 + 0.055 * f["eye_tilt"] - 0.05 * age,
        eye_open=(1.0 + 0.13 * f["lid"]) * (1.05 - 0.1 * m) * (1 - 0.18 * age),
        brow_y=-0.315 - 0.042 * f["melody"] + 0.07 * (m - 0.5) + 0.02 * age,
        brow_arch=0.075 + 0.02 * f["melody"] - 0.035 * m,
        brow_thick=(0.046 + 0.024 * m) * float(np.exp(0.27 * f["brow_thickness"])),
        nose_wide=(1.0 + 0.12 * f["roughness"] + 0.16 * (m - 0.5)) * (1 + 0.08 * age),
        nose_long=0.665 + 0.042 * f["roughness"] + 0.05 * (m - 0.5) + 0.03 * age,
        nose_bridge=1.0 + 0.22 * f["nose_bridge"] + 0.25 * (m - 0.5),
        nose_tip=f["nose_tip"],
        mouth_y=1.06 + 0.03 * f["roughness"] + 0.03 * f["face_length"],
        mouth_wide=0.385 + 0.036 * f["mouth_width"] + 0.02 * m,
        lip_full=float(np.exp(0.27 * f["breath"])) * (1.12 - 0.25 * m) * (1 - 0.28 * age),
        ears=1.0 + 0.12 * f["ears"],
        freckles=max(0.0, f["freckles"] - 0.4) * float(np.clip(0.6 - 0.35 * f["skin"], 0, 1)),
        receding=float(np.clip(m * (0.55 * age + 0.35 * f["hair_style"] - 0.12), 0, 1)),
        fringe=f["hair_style"],
    )  # fmt: skip


WOMENS_HAIR = ("long", "bob", "wavy", "tied", "bun", "pixie")
MENS_HAIR = ("short", "side", "crew", "curly", "swept")


def _hair_style(person: SyntheticPerson, look: Appearance, rng: np.random.Generator) -> str:
    """Each person has a favourite style and one more; bald men stay bald."""
    if look.male > 0.5 and look.receding > 0.62:
        return "bald"
    styles = MENS_HAIR if look.male > 0.5 else WOMENS_HAIR
    own = random_generator(person.seed, 0x4A12).permutation(len(styles))
    return styles[int(own[0 if rng.random() < 0.7 else 1])]


def scene_of(person: SyntheticPerson, look: Appearance, seed: int, *, spread: float = 1.0) -> Scene:
    """The scene of one picture: pose, light, background, hair, beard and glasses from its seed.

    ``spread`` scales how far pose and light stray. Beards and glasses are likelier for whom the private
    traits say so.
    """
    rng = random_generator(person.seed, seed, 0x5CE4E)
    yaw, pitch, roll = np.clip(rng.standard_normal(3), -2, 2) * spread * np.array([0.15, 0.07, 0.05])
    x, y, scale = np.clip(rng.standard_normal(3), -2, 2) * np.array([0.07, 0.05, 0.06])
    side, up = rng.normal(0, 0.55) * spread, -rng.uniform(0.1, 0.65)
    light = np.array([side, up, 1.0]) / np.sqrt(side**2 + up**2 + 1)
    hue = rng.uniform(0.25, 0.85) * np.clip(1 + 0.12 * rng.standard_normal(3), 0.6, 1.4)
    shirt = rng.uniform(0.08, 0.85) * (1 + 0.3 * rng.standard_normal(3))
    beards, glasses = person.face["beard"], person.face["glasses"]
    beard = "none"
    if look.male > 0.5 and beards + 0.4 * rng.standard_normal() > 0.35:
        own = int(random_generator(person.seed, 0xBEA).integers(4))
        beard = ("stubble", "full", "goatee", "moustache")[own]
    rim = "none"
    if glasses + 0.9 * look.age + 0.5 * rng.standard_normal() > 1.25:
        rim = ("round", "square")[int(random_generator(person.seed, 0x61A5).integers(2))]
    return Scene(
        seed=int(rng.integers(2**31)),
        pose=Pose(yaw=float(yaw), pitch=float(pitch), roll=float(roll), x=float(x), y=float(y),
                  scale=1 + float(scale)),
        light=(float(light[0]), float(light[1]), float(light[2])),
        strength=float(rng.uniform(0.45, 0.72)),
        ambient=float(rng.uniform(0.42, 0.58)),
        warmth=float(0.035 * rng.standard_normal()),
        background=np.clip(hue, 0.08, 0.92).astype(np.float32),
        shirt=np.clip(shirt, 0.04, 0.95).astype(np.float32),
        hair=_hair_style(person, look, rng),
        beard=beard,
        glasses=rim,
        grain=float(rng.uniform(0.002, 0.014)),
        blur=float(max(0.0, rng.normal(0.0, 0.35))),
    )  # fmt: skip
