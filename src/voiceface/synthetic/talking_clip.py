"""Talking synthetic people: frames whose mouth follows the sound, with blinks and head motion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError
from voiceface.records import SAMPLE_RATE
from voiceface.synthetic.appearance import EXPRESSIONS, Expression, Pose
from voiceface.synthetic.drawing import Portrait
from voiceface.synthetic.people import SyntheticPerson
from voiceface.synthetic.speech import Phoneme, Wave, speak
from voiceface.synthetic.traits import random_generator

FPS = 25.0
Floats = npt.NDArray[np.float64]

# Opening, width (below 0 rounded) and pressing of the lips, by the first letter of eSpeak's phoneme names.
_SHAPES: dict[str, tuple[float, float, float]] = {
    **dict.fromkeys("aA&V", (1.0, 0.1, 0.0)),
    **dict.fromkeys("Ee", (0.62, 0.35, 0.0)),
    **dict.fromkeys("Oo0Q", (0.72, -0.6, 0.0)),
    **dict.fromkeys("iI", (0.40, 0.6, 0.0)),
    **dict.fromkeys("uUyYW", (0.30, -1.0, 0.0)),
    **dict.fromkeys("@3", (0.5, 0.0, 0.0)),
    **dict.fromkeys("mbpB", (0.0, 0.0, 0.8)),
    **dict.fromkeys("fv", (0.05, 0.1, 0.4)),
    "w": (0.12, -1.0, 0.0),
    "j": (0.22, 0.5, 0.0),
    **dict.fromkeys("szSZtdnlcJTDL", (0.14, 0.15, 0.0)),
    **dict.fromkeys("kgxhNqXGH", (0.22, 0.0, 0.0)),
    **dict.fromkeys("rR*", (0.2, -0.3, 0.0)),
}
_REST = (0.0, 0.0, 0.0)
_SILENT = "_|;:^"


def _letters(name: str) -> str:
    return name.lstrip("',%=*-").rstrip(":0123456789-~#")


def phone_class(name: str) -> str:
    """A phoneme's first symbol without stress, length or variant; a pause is "".

    >>> phone_class("'a:"), phone_class("a#"), phone_class("tsh"), phone_class("_:")
    ('a', 'a', 't', '')
    """
    letters = _letters(name)
    return "" if not letters or letters[0] in _SILENT else letters[0]


def mouth_shape(name: str, place: float = 0.0) -> tuple[float, float, float]:
    """Opening 0–1, width (below 0 rounded) and pressing of the lips in a phoneme.

    ``place`` from 0 to 1 runs through it, for diphthongs. Pauses rest.

    >>> mouth_shape("'a")[0] > mouth_shape("i:")[0] > mouth_shape("m")[0]
    True
    """
    letters = _letters(name)
    if not letters or letters[0] in _SILENT:
        return _REST
    first = _SHAPES.get(letters[0], (0.2, 0.0, 0.0))
    if len(letters) > 1 and letters[0] in "aAeEoO@0" and letters[1] in "iIuUe@":
        second = _SHAPES[letters[1]]
        share = min(max((place - 0.3) / 0.5, 0.0), 1.0)
        return (
            first[0] + share * (second[0] - first[0]),
            first[1] + share * (second[1] - first[1]),
            first[2] + share * (second[2] - first[2]),
        )
    return first


def mouth_track(events: Sequence[Phoneme], times: npt.ArrayLike, *, blur: float = 0.03) -> Floats:
    """Mouth shapes at these times in seconds, (n, 3): opening, width, pressing; ``blur`` s smooth."""
    at = np.asarray(times, dtype=np.float64)
    step = 0.005
    line = np.arange(-0.3, max(float(at.max(initial=0.0)), *(e.stop for e in events), 0.0) + 0.3, step)
    raw = np.zeros((len(line), 3))
    for event in events:
        inside = np.flatnonzero((line >= event.start) & (line < event.stop))
        for i in inside:
            raw[i] = mouth_shape(event.name, (line[i] - event.start) / (event.stop - event.start))
    reach = np.arange(-4 * blur, 4 * blur + step / 2, step)
    kernel = np.exp(-0.5 * (reach / blur) ** 2)
    kernel /= kernel.sum()
    out = [np.interp(at, line, np.convolve(raw[:, k], kernel, "same")) for k in range(3)]
    return np.stack(out, axis=1)


@dataclass(frozen=True, kw_only=True)
class TalkingClip:
    """One clip before it is drawn: its sound, phonemes and what the face does in every frame."""

    portrait: Portrait
    wave: Wave
    events: tuple[Phoneme, ...]
    faces: tuple[Expression, ...]
    poses: tuple[Pose, ...]

    def frames(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Frames (size, size, 3) one after another, at `FPS`."""
        for index, (face, pose) in enumerate(zip(self.faces, self.poses, strict=True)):
            yield np.asarray(self.portrait.draw(face, pose, index))


def _energy(wave: Wave, count: int) -> Floats:
    """Loudness around every frame's moment, 0 to about 1."""
    hop = SAMPLE_RATE / FPS
    padded = np.pad(wave.astype(np.float64) ** 2, (int(hop), int(2 * hop)))
    total = np.concatenate([[0.0], np.cumsum(padded)])
    middle = (np.arange(count) * hop + hop).astype(int)
    power = (total[middle + int(0.5 * hop)] - total[middle - int(0.5 * hop)]) / hop
    level = np.sqrt(np.maximum(power, 0))
    return np.asarray(np.clip(level / max(float(np.quantile(level, 0.9)), 1e-9), 0, 1.2))


def _sway(count: int, rng: np.random.Generator, fast: float = 1.2) -> Floats:
    """A slow wander of deviation about 1."""
    t = np.arange(count) / FPS
    waves = [np.sin(2 * np.pi * (rng.uniform(0.15, fast) * t + rng.random())) for _ in range(4)]
    return np.asarray(np.sum(waves, axis=0) / np.sqrt(2))


def _blinks(count: int, rng: np.random.Generator) -> Floats:
    """How far the lids are shut in every frame: a blink of 0.2 s every few seconds."""
    shut, at = np.zeros(count), rng.exponential(1.5)
    t = np.arange(count) / FPS
    while at < count / FPS:
        shut = np.maximum(shut, np.clip(1.4 - np.abs(t - at) / 0.07, 0, 1))
        at += 0.6 + rng.exponential(2.6)
    return shut


def plan_clip(
    person: SyntheticPerson,
    *,
    text: str | None = None,
    emotion: str = "neutral",
    seed: int = 0,
    size: int = 256,
    seconds: float | None = None,
) -> TalkingClip:
    """Plan a clip without drawing it: see `talk`; its ``frames()`` draws one frame after another."""
    if emotion not in EXPRESSIONS:
        raise InputError("emotion", f"{emotion!r} is unknown", "one of " + ", ".join(EXPRESSIONS))
    wave, events = speak(person, text=text, seed=seed, emotion=emotion, seconds=seconds)
    count = int(np.ceil(len(wave) * FPS / SAMPLE_RATE))
    wave = np.pad(wave, (0, round(count * SAMPLE_RATE / FPS) - len(wave)))
    rng = random_generator(person.seed, seed, 0x7A1C)
    portrait = Portrait(person, seed=seed, size=size)
    shape = mouth_track(events, np.arange(count) / FPS)
    energy = _energy(wave, count)
    shown = replace(EXPRESSIONS["neutral"].mixed(EXPRESSIONS[emotion], float(rng.uniform(0.75, 1.05))))
    strength = 1 + 0.08 * _sway(count, rng)
    blink, brows = _blinks(count, rng), _sway(count, rng)
    gaze = np.stack([_sway(count, rng, 0.5), _sway(count, rng, 0.5)], axis=1) * 0.12
    yaw, pitch, roll = (_sway(count, rng) * s for s in (0.05, 0.03, 0.02))
    base, faces, poses = portrait.scene.pose, [], []
    for i in range(count):
        now = EXPRESSIONS["neutral"].mixed(shown, float(strength[i]))
        opening, width, press = shape[i]
        opening *= 0.45 + 0.6 * energy[i]
        faces.append(
            replace(
                now,
                open=float(0.35 * now.open * (opening > 0.05) + 0.72 * opening),
                stretch=float(now.stretch + 0.55 * width),
                press=float(np.clip(now.press * (1 - opening) + press, 0, 1)),
                upper_lip=float(now.upper_lip + 0.15 * opening),
                brow_inner=float(now.brow_inner + 0.06 * brows[i] + 0.1 * (energy[i] - 0.5)),
                brow_outer=float(now.brow_outer + 0.06 * brows[i] + 0.1 * (energy[i] - 0.5)),
                blink=float(blink[i]),
                gaze=(float(gaze[i, 0]), float(gaze[i, 1])),
            )
        )
        nod = 0.012 * (energy[i] - 0.5)
        poses.append(
            replace(
                base,
                yaw=base.yaw + float(yaw[i]),
                pitch=base.pitch + float(pitch[i] + nod),
                roll=base.roll + float(roll[i]),
                x=base.x + 0.2 * float(yaw[i]),
                y=base.y + 0.3 * float(pitch[i]),
            )
        )
    return TalkingClip(
        portrait=portrait, wave=wave, events=tuple(events), faces=tuple(faces), poses=tuple(poses)
    )
