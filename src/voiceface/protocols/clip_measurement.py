"""One generated clip and what can be measured of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.metrics.figure import Figure, Kind, figures
from voiceface.metrics.sync_confidence import LEAST, correlation, frame_levels, sync

Frames = NDArray[np.uint8]
Rows = NDArray[np.floating]
Points = NDArray[np.floating]
Side = Literal["generated", "real"]

_SAME = 1
"""Frames that two clips of one length may differ by."""
_MAX_FACELESS_SHARE = 0.5
"""Share of frames without a face from which on a clip is not measured by its face."""
_RATE = 16000
_PAIRED: tuple[Kind, ...] = ("clip pictures", "clip perceptual")
"""Figures of a generated clip beside its real one, whose chance is a real clip of somebody else."""


def clip_figures() -> list[Figure]:
    """Every figure of a clip that `voiceface.metrics` declares, in the order of a report."""
    return [one for one in figures() if one.of.startswith("clip ")]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class VideoClip:
    """A generated clip, the real one it should be, and whatever was already made of them."""

    name: str
    person: str
    group: str = ""
    """``"known voices"``, ``"unknown voices"``: clips of two groups are never averaged together."""
    fps: float = 25.0
    generated: Frames
    """(frames, height, width, 3) uint8."""
    real: Frames | None = None
    generated_wave: NDArray[np.generic] | None = None
    """(samples,) at 16 kHz, mono; None or empty where the clip has no sound."""
    real_wave: NDArray[np.generic] | None = None
    generated_points: Points | None = None
    """(frames, 5, 2), NaN in a frame without a face; None: nobody looked."""
    real_points: Points | None = None
    generated_identity: Rows | None = None
    """(frames, d) of a face recogniser, NaN in a frame without a face."""
    reference: Rows | None = None
    """(d,) or (pictures, d): the person; by default the real clip's own frames."""
    generated_sync: tuple[Rows, Rows] | None = None
    """Mouth and sound embeddings (frames, d) each."""
    real_sync: tuple[Rows, Rows] | None = None


@dataclass(frozen=True, kw_only=True)
class Judges:
    """Makers of embeddings, handed in so that any expert or recogniser serves."""

    sync: Callable[[Frames, Points, NDArray[np.generic], float], tuple[Rows, Rows]] | None = None
    """Frames, points, wave and frame rate to mouth and sound embeddings, a row a frame (or a window)."""
    identity: Callable[[Frames, Points], Rows] | None = None
    """Frames and points to (frames, d), NaN in a frame without a face."""
    opening: Callable[[Frames, Points], NDArray[np.floating]] | None = None
    """Frames and points to how wide the mouth stands open, (frames,)."""
    lips: Callable[[Frames, Points], NDArray[np.floating]] | None = None
    """Frames and points to the distance between the lips by a mesh, (frames,), NaN where it is not found."""
    likeness: Callable[[Frames, Points], Rows] | None = None
    """As ``identity``, by the published recogniser that the field takes (ArcFace: CSIM)."""
    perceptual: Callable[[Frames, Frames], NDArray[np.floating]] | None = None
    """Generated and real frames to their distances (frames,) by a published network (LPIPS)."""


@dataclass(kw_only=True)
class Measured:
    """What one clip gave, and what is kept of it for the chance level."""

    name: str
    person: str
    group: str
    figures: dict[str, dict[str, float]] = field(default_factory=lambda: {"generated": {}, "real": {}})
    missing: dict[str, list[str]] = field(default_factory=lambda: {"generated": [], "real": []})
    """``measure: reason`` of what could not be taken."""
    faceless: dict[str, tuple[int, int]] = field(
        default_factory=lambda: {"generated": (0, 0), "real": (0, 0)}
    )
    """Frames without a face, and frames looked at."""
    strange: dict[str, float] = field(default_factory=dict)
    """SSIM and PSNR against another person's real clip."""
    sync: dict[str, tuple[Rows, Rows]] = field(default_factory=dict)
    course: dict[str, tuple[Rows, Rows]] = field(default_factory=dict)
    """Mouth opening and loudness of every frame."""
    openings: tuple[Rows, Rows] | None = None
    """Distance between the lips in every frame of the generated and of the real clip."""
    persons: dict[str, tuple[Rows, Rows]] = field(default_factory=dict)
    """By kind of figure (identity, likeness) the rows of the frames and the person's reference (d,)."""


def measure(clip: VideoClip, judges: Judges, *, reach: int, stranger: VideoClip | None) -> Measured:
    """Take every measure that the clip allows; ``stranger``: another person's clip, for chance.

    Raises:
        InputError: arrays of one clip that do not fit each other.
    """
    found = Measured(name=clip.name, person=clip.person, group=clip.group)
    _check_frames(clip.name, clip.generated)
    _pictures(clip, found, judges, stranger)
    _landmarks(clip, found)
    _openings(clip, found, judges)
    sides: list[tuple[Side, Frames | None, Points | None, NDArray[np.generic] | None]] = [
        ("generated", clip.generated, clip.generated_points, clip.generated_wave),
        ("real", clip.real, clip.real_points, clip.real_wave),
    ]
    for side, frames, points, wave in sides:
        if frames is None:
            continue
        values = {one.name: one.function(frames) for one in figures("clip frames")}
        found.figures[side] |= {name: value for name, value in values.items() if np.isfinite(value)}
        if points is not None:
            if len(points) != len(frames):
                fault = f"has points of {len(points)} frames beside {len(frames)}"
                raise InputError(f"clip {clip.name}", fault, "give points of every frame")
            found.faceless[side] = (int((~_faces(points)).sum()), len(frames))
        ready = clip.generated_sync if side == "generated" else clip.real_sync
        _sync(found, side, (frames, points, wave, clip.fps), ready, judges, reach)
        _mouth_correlation(found, side, (frames, points, wave, clip.fps), judges)
    _identity(clip, found, "clip identity", judges.identity, (clip.generated_identity, clip.reference))
    _identity(clip, found, "clip likeness", judges.likeness, (None, None))
    return found


def _pictures(clip: VideoClip, found: Measured, judges: Judges, stranger: VideoClip | None) -> None:
    """SSIM and PSNR against the real clip and, for chance, against another person's."""
    if clip.real is None:
        found.missing["generated"].append("SSIM, PSNR: no real clip")
        return
    _check_frames(clip.name, clip.real)
    if clip.real.shape[1:] != clip.generated.shape[1:]:
        found.missing["generated"].append("SSIM, PSNR: pictures of another size than the real ones")
        return
    if abs(len(clip.real) - len(clip.generated)) > _SAME:
        found.missing["generated"].append("SSIM, PSNR: length differs from the real clip")
        return
    found.figures["generated"] |= _compared(clip.generated, clip.real, judges)
    other = stranger.real if stranger is not None else None
    if other is not None and other.shape[1:] == clip.generated.shape[1:]:
        found.strange = _compared(clip.generated, other, judges)


def _compared(generated: Frames, real: Frames, judges: Judges) -> dict[str, float]:
    count = min(len(generated), len(real))
    pair = generated[:count], real[:count]
    values = {one.name: one.function(*pair) for one in figures("clip pictures")}
    if judges.perceptual is not None:
        distances = judges.perceptual(*pair)
        values |= {one.name: one.function(distances) for one in figures("clip perceptual")}
    return values


def _landmarks(clip: VideoClip, found: Measured) -> None:
    if clip.generated_points is None or clip.real_points is None or clip.real is None:
        return
    if clip.real.shape[1:] != clip.generated.shape[1:] or abs(len(clip.real) - len(clip.generated)) > _SAME:
        found.missing["generated"].append("landmark distance: another length or size than the real clip")
        return
    if _mostly_faceless(clip.generated_points) or _mostly_faceless(clip.real_points):
        found.missing["generated"].append("landmark distance: no face in half of the frames")
        return
    count = min(len(clip.generated_points), len(clip.real_points))
    points = clip.generated_points[:count], clip.real_points[:count]
    values = {one.name: one.function(*points) for one in figures("clip landmarks")}
    found.figures["generated"] |= {name: value for name, value in values.items() if np.isfinite(value)}
    if not np.isfinite(list(values.values())).all():
        found.missing["generated"].append("landmark distance: never a face in both")


def _openings(clip: VideoClip, found: Measured, judges: Judges) -> None:
    """How the generated mouth opens and closes beside the real one."""
    if judges.lips is None or clip.real is None or clip.generated_points is None or clip.real_points is None:
        return
    if _mostly_faceless(clip.generated_points) or _mostly_faceless(clip.real_points):
        found.missing["generated"].append("mouth opening: no face in half of the frames")
        return
    pair = judges.lips(clip.generated, clip.generated_points), judges.lips(clip.real, clip.real_points)
    values = {one.name: one.function(*pair) for one in figures("clip openings")}
    found.figures["generated"] |= {name: value for name, value in values.items() if np.isfinite(value)}
    found.openings = pair


_ClipSide = tuple[Frames, "Points | None", "NDArray[np.generic] | None", float]


def _sync(
    found: Measured, side: Side, seen: _ClipSide, ready: tuple[Rows, Rows] | None, judges: Judges, reach: int
) -> None:
    """Confidence and offset of one side."""
    frames, points, wave, fps = seen
    if ready is None:
        if judges.sync is None:
            return
        reason = _unfit(points, wave) or ("too short" if len(frames) < reach + LEAST else "")
        if reason:
            found.missing[side].append(f"sync: {reason}")
            return
        assert points is not None and wave is not None
        ready = judges.sync(frames, points, wave, fps)
    mouth, sound = (np.asarray(rows) for rows in ready)
    count = min(len(mouth), len(sound))
    if count < reach + LEAST:
        found.missing[side].append("sync: too short")
        return
    mouth, sound = mouth[:count], sound[:count]
    measured = sync(sound, mouth, reach=reach)
    found.figures[side] |= {one.name: one.function(measured) for one in figures("clip sync")}
    found.sync[side] = mouth, sound


def _mouth_correlation(found: Measured, side: Side, seen: _ClipSide, judges: Judges) -> None:
    """Mouth opening against loudness."""
    frames, points, wave, fps = seen
    if judges.opening is None:
        return
    reason = _unfit(points, wave)
    if not reason:
        assert points is not None and wave is not None
        opening = np.asarray(judges.opening(frames, points), dtype=np.float64)
        levels = frame_levels(wave, rate=_RATE, fps=fps, frames=len(frames))
        together = {one.name: one.function(opening, levels) for one in figures("clip mouth")}
        if np.isfinite(list(together.values())).all():
            found.figures[side] |= together
            found.course[side] = opening, levels
            return
        reason = "mouth or sound does not change"
    found.missing[side].append(f"mouth with sound: {reason}")


def _identity(
    clip: VideoClip,
    found: Measured,
    kind: Literal["clip identity", "clip likeness"],
    judge: Callable[[Frames, Points], Rows] | None,
    ready: tuple[Rows | None, Rows | None],
) -> None:
    """Similarity of every generated frame to the person, and how it changes; ``ready``: rows, reference."""
    rows, reference = ready
    what = kind.removeprefix("clip ")
    if rows is None:
        if judge is None:
            return
        if clip.generated_points is None or _mostly_faceless(clip.generated_points):
            found.missing["generated"].append(f"{what}: no face in half of the frames")
            return
        rows = judge(clip.generated, clip.generated_points)
    if reference is None and clip.real is not None and clip.real_points is not None and judge:
        if _mostly_faceless(clip.real_points):
            found.missing["generated"].append(f"{what}: no face in half of the real clip's frames")
            return
        reference = judge(clip.real, clip.real_points)
    if reference is None:
        found.missing["generated"].append(f"{what}: nobody to compare with")
        return
    mine = np.asarray(rows, dtype=np.float64)
    target = np.asarray(reference, dtype=np.float64).reshape(-1, mine.shape[1])
    target = np.nanmean(target, axis=0)
    cosines = _cosines(mine, target)
    known = np.isfinite(cosines)
    if known.mean() <= _MAX_FACELESS_SHARE:
        found.missing["generated"].append(f"{what}: no face in half of the frames")
        return
    values = {one.name: one.function(cosines) for one in figures(kind)}
    found.figures["generated"] |= {name: value for name, value in values.items() if np.isfinite(value)}
    found.persons[what] = mine, target


def mismatched(measured: Sequence[Measured], *, reach: int) -> dict[str, float]:
    """Chance of each figure, ``"side name"`` to its mean over clips, from clips beside somebody else's."""
    chances: dict[str, list[float]] = {}
    for name in [one.name for kind in _PAIRED for one in figures(kind)]:
        chances[f"generated {name}"] = [one.strange[name] for one in measured if name in one.strange]
    for side in ("generated", "real"):
        for one, other in _beside([m for m in measured if side in m.sync]):
            mouth, sound = one.sync[side][0], other.sync[side][1]
            count = min(len(mouth), len(sound))
            if count >= reach + LEAST:
                mismatch = sync(sound[:count], mouth[:count], reach=reach)
                chances.setdefault(f"{side} sync confidence", []).append(mismatch.confidence)
                chances.setdefault(f"{side} sync distance", []).append(mismatch.distance)
        for one, other in _beside([m for m in measured if side in m.course]):
            opening, levels = one.course[side][0], other.course[side][1]
            count = min(len(opening), len(levels))
            together = correlation(opening[:count], levels[:count])
            if np.isfinite(together):
                chances.setdefault(f"{side} mouth with sound", []).append(together)
    for one, other in _beside([m for m in measured if m.openings is not None]):
        assert one.openings is not None and other.openings is not None
        for figure in figures("clip openings"):
            value = figure.function(one.openings[0], other.openings[1])
            if np.isfinite(value):
                chances.setdefault(f"generated {figure.name}", []).append(value)
    for what, name in (("identity", "identity similarity"), ("likeness", "CSIM")):
        for one, other in _beside([m for m in measured if what in m.persons]):
            if one.person != other.person:
                value = float(np.nanmean(_cosines(one.persons[what][0], other.persons[what][1])))
                chances.setdefault(f"generated {name}", []).append(value)
    return {name: float(np.mean(values)) for name, values in chances.items() if values}


def _beside(some: Sequence[Measured]) -> list[tuple[Measured, Measured]]:
    """Each clip with the next one of another person, or the next one where there is only one person."""
    pairs = []
    for place, one in enumerate(some):
        round_ = [*some[place + 1 :], *some[:place]]
        other = next((o for o in round_ if o.person != one.person), round_[0] if round_ else None)
        if other is not None:
            pairs.append((one, other))
    return pairs


def _cosines(rows: Rows, target: Rows) -> NDArray[np.float64]:
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(target)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: NDArray[np.float64] = np.where(lengths > 0, rows @ target / lengths, np.nan)
    return found


def _faces(points: Points) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(points).all(axis=(1, 2)))


def _mostly_faceless(points: Points) -> bool:
    known = _faces(points)
    return not len(known) or float((~known).mean()) >= _MAX_FACELESS_SHARE


def _unfit(points: Points | None, wave: NDArray[np.generic] | None) -> str:
    """Why a clip's mouth and sound cannot be compared."""
    if wave is None or not wave.size:
        return "no sound"
    if points is None or _mostly_faceless(points):
        return "no face in half of the frames"
    return ""


def _check_frames(name: str, frames: Frames) -> None:
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not len(frames):
        fault = f"has frames of {frames.dtype} {frames.shape}"
        raise InputError(f"clip {name}", fault, "give (frames, height, width, 3) uint8")
