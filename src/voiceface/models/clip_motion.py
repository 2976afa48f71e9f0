"""How mesh points move while people talk, measured in a corpus' clips, with the sound around every frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from voiceface.audio.motion_mel import FLOOR, motion_mel, speech_spectrum
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.face_landmarks import shipped_mesh_network
from voiceface.corpus.splits import Selection
from voiceface.errors import InputError
from voiceface.face.mesh import find_mesh, five_points_of_mesh
from voiceface.models.block_talking_face import FPS
from voiceface.models.talker import TalkingMotion
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.face.mesh_animation import SKIN_POINTS, mouth_opening, upright_shape
from voiceface.nn.face.speech_motion_net import ROWS_A_FRAME

Floats = npt.NDArray[np.float64]
FindMeshes = Callable[[Corpus, int], Floats]

_STABLE = (33, 133, 263, 362, 168, 6, 197, 195, 9, 8, 10, 151, 127, 356)
"""Points of the skull: corners of the eyes, bridge of the nose, forehead, temples."""
_SEEN = 0.9
"""Share of a clip's frames whose mesh must be known."""
_CLOSED = 0.1
"""Share of a clip's frames whose mouth counts as closed."""


def frame_name(clip: str, frame: int) -> str:
    """What a teacher's file of mesh points calls a frame of a clip."""
    return f"{clip}#{frame}"


def clip_meshes(corpus: Corpus, row: int, teacher: Mapping[str, Floats]) -> Floats:
    """Mesh points (frames, 478, 2) of a clip in pixels of its pictures, NaN where a mesh is not trusted.

    Args:
        corpus: holds the clip.
        row: of the clip.
        teacher: meshes by `frame_name`; if it is empty the shipped network finds them.
    """
    pictures = corpus.clip_pictures(row)
    found = np.full((len(pictures), 478, 2), np.nan)
    if teacher:
        for frame in range(len(pictures)):
            found[frame] = teacher.get(frame_name(corpus.clips[row].id, frame), np.nan)
        return found
    placed = np.asarray(corpus.tables["clips"].row(row)["landmarks"], np.float64).reshape(5, 2)
    five: npt.NDArray[np.floating] = placed
    for frame, picture in enumerate(pictures):
        mesh = find_mesh(np.asarray(picture), five, shipped_mesh_network())
        if mesh.fault:
            five = placed
            continue
        found[frame] = mesh.points
        five = five_points_of_mesh(mesh.points)
    return found


class KeptMeshes:
    """What `clip_meshes` finds of a corpus' clips, kept until `forget`: finding takes longer than all else.

    Args:
        read_teacher: gives the meshes by `frame_name` that `clip_meshes` takes; called when first needed.
    """

    def __init__(self, read_teacher: Callable[[], Mapping[str, Floats]]) -> None:
        self._read_teacher = read_teacher
        self._teacher: Mapping[str, Floats] | None = None
        self._found: dict[str, Floats] = {}

    def __call__(self, corpus: Corpus, row: int) -> Floats:
        """Mesh points (frames, 478, 2) of the clip in this row."""
        name = corpus.clips[row].id
        if name not in self._found:
            if self._teacher is None:
                self._teacher = self._read_teacher()
            self._found[name] = clip_meshes(corpus, row, self._teacher)
        return self._found[name]

    def forget(self) -> None:
        """Free the memory: 0.6 MB for every three seconds."""
        self._found.clear()


def mesh_motion(points: Floats) -> tuple[Floats, Floats]:
    """Motion (frames, 468, 2) of a clip's meshes (frames, 478, 2), and its face (468, 2) with a closed mouth.

    Both are upright and in distances between the eyes. The head's own motion is taken out by an affine map of
    points that the jaw does not move, so that a turned head does not look like speech.
    """
    skin = points[:, :SKIN_POINTS]
    middle, _, _ = upright_shape(np.median(skin, axis=0))
    shapes = np.stack([_affine(frame[list(_STABLE)], middle[list(_STABLE)], frame) for frame in skin])
    opening = mouth_opening(shapes)
    closed = shapes[opening <= np.quantile(opening, _CLOSED)].mean(axis=0)
    return shapes - closed, closed


def _affine(source: Floats, target: Floats, points: Floats) -> Floats:
    """Points under the affine map that brings the source nearest to the target."""
    ones = np.ones((len(source), 1))
    found = np.linalg.lstsq(np.concatenate([source, ones], 1), target, rcond=None)[0]
    moved: Floats = points @ found[:2] + found[2]
    return moved


def is_seen(points: Floats) -> bool:
    """Whether the face of a clip with the meshes (frames, 478, 2) is seen often enough."""
    return len(points) >= 2 and bool((~np.isnan(points[:, 0, 0])).mean() >= _SEEN)


def talking_motion(selection: Selection, meshes: FindMeshes) -> list[TalkingMotion]:
    """Motion and sound of a selection's clips whose faces are seen in nine tenths of their frames.

    Args:
        selection: the clips.
        meshes: gives the meshes of the corpus' clip in a row, as `clip_meshes` does.

    Raises:
        InputError: there is no such clip with sound.
    """
    corpus = selection.corpus
    clips = []
    for row in selection.clips.tolist():
        wave = corpus.clip_wave(row)
        if not wave.any():
            continue
        points = meshes(corpus, row)
        if not is_seen(points):
            continue
        seen = ~np.isnan(points[:, 0, 0])
        motion, rest = mesh_motion(points[seen])
        motion = _at_25_frames(motion, np.flatnonzero(seen) / corpus.clips[row].fps)
        samples = as_wave(wave)
        mels = motion_mel(samples, speech_spectrum(samples))[: ROWS_A_FRAME * len(motion)]
        missing = ROWS_A_FRAME * len(motion) - len(mels)
        clips.append(
            TalkingMotion(
                motion=torch.from_numpy(motion).float(),
                opening=torch.from_numpy(mouth_opening(rest + motion)).float(),
                mels=F.pad(mels, (0, 0, 0, missing), value=FLOOR),
                rest=torch.from_numpy(rest).float(),
            )
        )
    if not clips:
        fault = "holds no talking clip with sound in which a face from the front is seen throughout"
        raise InputError(corpus.path, fault, "prepare clips of people who face the camera")
    return clips


def _at_25_frames(motion: Floats, times: Floats) -> Floats:
    """Motion (frames, 468, 2) from the clip's beginning, between the frames of these times in seconds."""
    wanted = np.arange(math.floor(times[-1] * FPS) + 1) / FPS
    after = np.searchsorted(times, wanted).clip(1, len(times) - 1)
    share = ((wanted - times[after - 1]) / (times[after] - times[after - 1])).clip(0, 1)[:, None, None]
    between: Floats = (1 - share) * motion[after - 1] + share * motion[after]
    return between
