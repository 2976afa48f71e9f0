"""Speech to the motion of a face mesh in closed form, shown on a photograph.

The displacements of the mesh's points while people talk are reduced to principal components; ridge regression
predicts these from the log-mels around a frame. A photograph is warped by the predicted mesh
(`voiceface.nn.face.mesh_animation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.audio.motion_mel import BANDS, FLOOR, SpeechSpectrum, motion_mel, speech_spectrum
from voiceface.corpus.face_landmarks import shipped_mesh_network
from voiceface.errors import InputError
from voiceface.face.align import template_points
from voiceface.face.mesh import find_or_refuse_mesh
from voiceface.models.block_talking_face import BLOCK, FPS, PAD, BlockTalkingFace, Frames
from voiceface.models.idle_motion import IdleMotion
from voiceface.models.model import Model, Turn
from voiceface.models.ridge import ridge_map
from voiceface.models.talking_face import Speaker, TalkingFace
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.face.mesh_animation import (
    LOWER_LIP,
    SKIN_POINTS,
    UPPER_LIP,
    MeshAnimation,
    still_points,
)

AROUND = 20
"""Rows of 10 ms of sound that count on either side of a frame."""
_STEP = 2
_ROWS_A_FRAME = 4
CONTEXT = BANDS * (2 * AROUND // _STEP + 1)
"""Numbers that describe the sound around a frame."""
SMALLEST = 24
"""Pixels between the eyes below which a photograph is not animated: a face some 64 pixels wide."""
_NOSE, _MOVES = 2, 0.15
"""The point below the nose; mesh points from a little above it downwards move with speech."""


class TalkingMotion(NamedTuple):
    """Motion and sound of frames, of several clips one after the other."""

    motion: Tensor
    """(frames, 468, 2) displacements from a closed mouth, in distances between the eyes."""
    sound: Tensor
    """(frames, `CONTEXT`) as `sound_around` gives it."""
    rest: Tensor
    """(468, 2) mean face with a closed mouth, upright, in distances between the eyes."""


def sound_around(mels: Tensor, times: Tensor) -> Tensor:
    """The log-mels (times, `CONTEXT`) around moments in seconds, of rows (n, 32) of `motion_mel`."""
    steps = torch.arange(-AROUND, AROUND + 1, _STEP)
    rows = (100 * times[:, None] + steps).round().long()
    outside = (rows < 0) | (rows >= len(mels))
    found = mels[rows.clamp(0, len(mels) - 1)]
    found[outside] = FLOOR
    return found.flatten(1)


class TalkerModel(Model):
    """Animates the mesh of a face by speech.

    Args:
        triangles: of the canonical mesh, its ring and its corners.
        components: of the motion.
        idle: scale of blinks and head motion; 0 for none.
    """

    face_size, face_template, fps, animates, whole_pictures = 256, "portrait", FPS, True, True

    def __init__(self, *, triangles: int, components: int = 12, idle: float = 1.0) -> None:
        super().__init__()
        self.idle = idle
        for name, shape in {
            "rest": (SKIN_POINTS, 2),
            "basis": (components, 2 * SKIN_POINTS),
            "sound_mean": (CONTEXT,),
            "motion_mean": (components,),
            "motion_map": (CONTEXT, components),
        }.items():
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("triangles", torch.zeros(triangles, 3, dtype=torch.int64))

    def turns(self) -> Sequence[Turn]:
        """None: all is computed in closed form."""
        return []

    @torch.no_grad()
    def start(self, clips: TalkingMotion, triangles: Tensor, *, ridge: float, gain: float) -> None:
        """Compute all tensors.

        Args:
            clips: motion and sound of the training people.
            triangles: (triangles, 3) as `mesh_triangles` gives them for ``clips.rest``.
            ridge: of the regression, in units of a sound dimension's mean variance.
            gain: factor on the predicted motion, which regression makes too small.
        """
        count = self.get_buffer("basis").shape[0]
        moves = ((clips.rest[:, 1] - clips.rest[_NOSE, 1] + _MOVES) / (2 * _MOVES)).clamp(0, 1)
        motion = (clips.motion * moves[:, None]).flatten(1)
        _, _, basis = torch.linalg.svd(motion - motion.mean(0), full_matrices=False)
        basis = basis[:count]
        wanted = motion @ basis.T
        mean, aim = clips.sound.mean(0), wanted.mean(0)
        for name, value in {
            "rest": clips.rest,
            "triangles": triangles,
            "basis": basis,
            "sound_mean": mean,
            "motion_mean": gain * aim,
            "motion_map": gain * ridge_map(clips.sound - mean, wanted - aim, ridge),
        }.items():
            self.get_buffer(name).copy_(value)

    def motion(self, sound: Tensor) -> Tensor:
        """Displacements (n, 468, 2), in distances between the eyes, of sounds (n, `CONTEXT`)."""
        away = sound - self.get_buffer("sound_mean")
        moved = self.get_buffer("motion_mean") + away @ self.get_buffer("motion_map")
        return (moved @ self.get_buffer("basis")).view(len(sound), SKIN_POINTS, 2)

    def _opening(self) -> npt.NDArray[np.float64]:
        """The first component, mostly the jaw's, as (468, 2) that opens the mouth by 1."""
        first = self.get_buffer("basis")[0].view(SKIN_POINTS, 2).double().cpu().numpy()
        opened: npt.NDArray[np.float64] = first / (first[LOWER_LIP, 1] - first[UPPER_LIP, 1])
        return opened

    @torch.no_grad()
    def talk(self, speaker: Speaker) -> TalkingFace:
        """As `Model.talk`.

        Raises:
            InputError: there is no face, its mesh cannot be trusted, or it is smaller than 64 pixels.
        """
        if speaker.face is None:
            raise InputError("the face", "is missing", "give a picture of a face")
        upright = template_points(self.face_template, len(speaker.face)) - 0.5
        five = upright if speaker.landmarks is None else speaker.landmarks
        mesh = find_or_refuse_mesh(speaker.face, five, shipped_mesh_network(), name="the picture")
        animation = MeshAnimation(
            speaker.face,
            mesh.points.astype(np.float64),
            self.get_buffer("triangles").cpu(),
            opening=self._opening(),
        )
        if animation.eyes < SMALLEST:
            fault = f"shows a face of {animation.eyes:.0f} pixels between the eyes"
            raise InputError("the picture", fault, f"give one of at least {SMALLEST}, or a larger --size")
        spectrum = speech_spectrum(as_wave(speaker.wave))
        return _TalkingMesh(self, animation, spectrum, IdleMotion(seed=speaker.seed, strength=self.idle))


class _TalkingMesh(BlockTalkingFace):
    """A photograph that talks."""

    def __init__(
        self, model: TalkerModel, animation: MeshAnimation, spectrum: SpeechSpectrum, idle: IdleMotion
    ) -> None:
        super().__init__(animation.height, animation.width)
        self.model, self.animation, self.spectrum, self.idle = model, animation, spectrum, idle

    def frames(self, wave: Tensor, indices: npt.NDArray[np.int64]) -> Frames:
        mels = motion_mel(wave, self.spectrum)
        times = torch.arange(PAD, PAD + BLOCK) * (_ROWS_A_FRAME / 100)
        device = self.model.get_buffer("basis").device
        motion = self.model.motion(sound_around(mels, times).to(device)).double().cpu().numpy()
        # The sway is given in shares of a head's picture, which is about four eye distances wide.
        sway = self.idle.sway(indices) * np.array([4.0, 4.0, 1.0])
        return self.animation.frames(motion, sway=sway, lids=self.idle.lids(indices))


def canonical_points(rest: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The points (504, 2) that are triangulated, of a mean face (468, 2)."""
    return np.concatenate([rest, still_points(rest)])
