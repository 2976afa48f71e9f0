"""Clips from files for the video protocol: frames, sound, and the face's landmarks in every frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from voiceface.corpus.face_landmarks import shipped_mesh_network
from voiceface.errors import InputError
from voiceface.face.align import align
from voiceface.face.detect import detect
from voiceface.face.dlib_embedding import embed_faces
from voiceface.face.landmarks import five_points
from voiceface.face.mesh import find_mesh
from voiceface.face.mouth import crop_mouths_from_frames
from voiceface.media.movie import frames, movie_facts
from voiceface.media.sound import load_sound
from voiceface.metrics.mouth import mouth_opening
from voiceface.models.face_encoder import FaceEncoder
from voiceface.models.face_encoders.arcface import load as load_arcface
from voiceface.models.lpips import load_lpips
from voiceface.nn.face.mesh_animation import mouth_opening as lip_distance
from voiceface.nn.face.mesh_animation import upright_shape
from voiceface.protocols.clip_measurement import Judges, VideoClip
from voiceface.records import SAMPLE_RATE

Frames = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]

FPS = 25.0
"""Frames a second that clips are read at: the sync expert's."""
_MAX_SECONDS = 60.0
"""Seconds of a clip that are read: its frames are held in memory."""
_DETECT_EVERY = 5
"""Frames from one face detection to the next; the box is interpolated in between."""
_DETECT_SIDE = 320
_BORDER = 0.3
"""A generated face may fill its picture: for detection so much of its side is added on each edge."""
_EMBEDDED = 5
"""Frames of a clip that are embedded."""
_FACE_SIZE = 150


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Clip:
    """One clip from a file."""

    frames: Frames
    """(frames, height, width, 3)."""
    wave: npt.NDArray[np.float32] | None
    """(samples,) at 16 kHz; None without sound."""


def read_clip(path: Path, *, fps: float = FPS, size: tuple[int, int] | None = None) -> Clip:
    """Read a clip's frames at ``fps`` and its sound, no longer than a minute.

    Args:
        path: The file.
        fps: Frames a second; the nearest of the file's own are taken.
        size: Width and height to bring every frame to; by default the file's own.

    Raises:
        InputError: missing, no video, damaged.
    """
    facts = movie_facts(path)
    pictures = []
    for _, picture in frames(path, fps=fps, stop=_MAX_SECONDS, threads=1):
        if size is not None and (picture.shape[1], picture.shape[0]) != size:
            kernel = Image.Resampling.BOX if picture.shape[1] > size[0] else Image.Resampling.BICUBIC
            picture = np.asarray(Image.fromarray(picture).resize(size, kernel))
        pictures.append(picture)
    wave = load_sound(path, rate=SAMPLE_RATE, max_seconds=_MAX_SECONDS) if facts.has_sound else None
    return Clip(frames=np.stack(pictures), wave=wave)


def track_face_points(pictures: Frames) -> Points:
    """The five landmarks of the largest face in every frame, (frames, 5, 2); NaN where there is none.

    Faces are detected in every fifth frame; a frame without a detection on either side has none.
    """
    count, (height, width) = len(pictures), pictures.shape[1:3]
    border = round(_BORDER * max(height, width))
    edges = ((border, border), (border, border), (0, 0))
    padded = [np.pad(picture, edges, mode="edge") for picture in pictures]
    detections = sorted({*range(0, count, _DETECT_EVERY), count - 1})
    boxes = np.full((count, 4), np.nan)
    for at in detections:
        boxes[at] = _largest(padded[at])
    for first, last in zip(detections, detections[1:], strict=False):
        share = np.arange(1, last - first)[:, None] / (last - first)
        between = boxes[first] + share * (boxes[last] - boxes[first])
        # Where only one of the two frames has a detection, it is kept for half of the way.
        nearer = np.where(share < 0.5, boxes[first], boxes[last])
        boxes[first + 1 : last] = np.where(np.isfinite(between), between, nearer)
    points = np.full((count, 5, 2), np.nan)
    for at in np.flatnonzero(np.isfinite(boxes).all(axis=1)).tolist():
        points[at] = five_points(padded[at], boxes[at].tolist()) - border
    return points


def _largest(picture: Frames) -> npt.NDArray[np.float64]:
    """Box of the largest face, NaN where there is none."""
    share = min(1.0, _DETECT_SIDE / max(picture.shape[:2]))
    small = picture
    if share < 1.0:
        size = max(1, round(picture.shape[1] * share)), max(1, round(picture.shape[0] * share))
        small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
    found = detect(small, fallback=False)
    if not found:
        return np.full(4, np.nan)
    box = max(found, key=lambda face: face.side).box
    across, down = picture.shape[1] / small.shape[1], picture.shape[0] / small.shape[0]
    return np.asarray(np.array(box) * np.array((across, down, across, down)))


def video_judges(
    expert: Any | None,  # noqa: ANN401  a sync expert: `mouth_size` and `embed`
    *,
    csim: Path | None = None,
    lpips: Path | None = None,
) -> Judges:
    """The measures' functions: the sync expert (if any), dlib's embeddings, mouths by darkness and by mesh.

    Args:
        expert: A sync expert.
        csim: Weights of ArcFace, for CSIM.
        lpips: Weights of AlexNet, for LPIPS.

    Raises:
        InputError: weights of another network.
        MissingPartError: the wheel ``lpips`` is not installed.
    """
    arcface = None if csim is None else load_arcface(csim)
    return Judges(
        sync=None if expert is None else _sync_embedder(expert),
        identity=_embed_frames,
        likeness=None if arcface is None else partial(_embed_with, arcface),
        perceptual=None if lpips is None else load_lpips(lpips),
        opening=lambda pictures, points: mouth_opening(crop_mouths_from_frames(pictures, points)),
        lips=_lips_apart,
    )


def _lips_apart(pictures: Frames, points: Any) -> npt.NDArray[np.float64]:  # noqa: ANN401
    """Distance between the lips (frames,) in distances between the eyes, NaN where there is no mesh."""
    network = shipped_mesh_network()
    apart = np.full(len(pictures), np.nan)
    for at in np.flatnonzero(np.isfinite(points).all(axis=(1, 2))).tolist():
        mesh = find_mesh(pictures[at], points[at], network)
        if not mesh.fault:
            apart[at] = lip_distance(upright_shape(mesh.points.astype(np.float64))[0])
    return apart


def _sync_embedder(expert: Any) -> Callable[..., tuple[Any, Any]]:  # noqa: ANN401
    def embed(pictures: Frames, points: Any, wave: npt.NDArray[Any], fps: float) -> tuple[Any, Any]:  # noqa: ANN401
        if abs(fps - FPS) > 1e-6:
            raise InputError("sync expert", f"got {fps:g} frames a second", f"read clips at {FPS:g}")
        return expert.embed(pictures, points, wave)  # type: ignore[no-any-return]

    return embed


def _embed_frames(pictures: Frames, points: Any) -> npt.NDArray[np.float64]:  # noqa: ANN401
    """Dlib embeddings of up to 5 frames with a face, evenly spaced over the clip, (frames, 128)."""
    return _embed(pictures, points, embed_faces, dim=128, size=_FACE_SIZE)


def _embed_with(encoder: FaceEncoder, pictures: Frames, points: Any) -> npt.NDArray[np.float64]:  # noqa: ANN401
    """The same by a face encoder."""
    return _embed(
        pictures, points, encoder.embed, dim=encoder.dim, size=encoder.size, template=encoder.template
    )


def _embed(
    pictures: Frames,
    points: Any,  # noqa: ANN401
    embed: Callable[[Frames], npt.NDArray[np.floating]],
    *,
    dim: int,
    **aligned: Any,  # noqa: ANN401  how faces are aligned
) -> npt.NDArray[np.float64]:
    chosen = np.unique(np.linspace(0, len(pictures) - 1, _EMBEDDED).round().astype(int))
    embeddings = np.full((len(chosen), dim), np.nan)
    found = [k for k, at in enumerate(chosen) if np.isfinite(points[at]).all()]
    if found:
        frames_at = [(pictures[at], points[at]) for at in chosen[found]]
        faces = [align(picture, five, border="edge", **aligned) for picture, five in frames_at]
        embeddings[found] = embed(np.stack(faces))
    return embeddings


def read_clip_pairs(
    generated: Mapping[str, Path],
    real: Mapping[str, Path],
    *,
    people: Mapping[str, str],
    groups: Mapping[str, str],
    on_skip: Callable[[str], None] = lambda line: None,
) -> Iterator[VideoClip]:
    """Read clips one after another for `voiceface.protocols.video_quality`.

    Real clips larger than the generated ones are reduced to their size where the aspect ratio is the same. A
    file that cannot be read is reported and left out.

    Args:
        generated: From a clip's name to its file.
        real: The same of the real clips; a name may be missing.
        people: From a clip's name to its person.
        groups: From a clip's name to its group.
        on_skip: Called with the reason why a file was left out.
    """
    for name in sorted(generated):
        files = generated[name], real.get(name)
        try:
            clip = read_clip_pair(name, files, person=people.get(name, name), group=groups.get(name, ""))
        except InputError as error:
            on_skip(str(error))
            continue
        yield clip


def read_clip_pair(
    name: str, files: tuple[Path, Path | None], *, person: str, group: str, points: bool = True
) -> VideoClip:
    """Read a generated clip and the real one of its name, as `read_clip_pairs` does.

    Args:
        name: Of the clip.
        files: The generated clip, and the real one if there is one.
        person: Whose it is.
        group: Which clips it is averaged with.
        points: Whether to find landmarks.

    Raises:
        InputError: a file cannot be read.
    """
    generated, real = files
    own, other = read_clip(generated), None
    if real is not None:
        (height, width), facts = own.frames.shape[1:3], movie_facts(real)
        alike = abs(facts.width * height - facts.height * width) <= max(facts.width, facts.height)
        other = read_clip(real, size=(width, height) if alike else None)
    return VideoClip(
        name=name,
        person=person,
        group=group,
        fps=FPS,
        generated=own.frames,
        real=None if other is None else other.frames,
        generated_wave=own.wave,
        real_wave=None if other is None else other.wave,
        generated_points=track_face_points(own.frames) if points else None,
        real_points=track_face_points(other.frames) if points and other is not None else None,
    )
