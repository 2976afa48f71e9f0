"""Speech to the motion of a face mesh, shown on a photograph.

The displacements of the mesh's points while people talk are reduced to principal components; a small network
predicts these from the log-mels around a frame. A photograph is warped by the predicted mesh
(`voiceface.nn.face.mesh_animation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.audio.motion_mel import BANDS, SpeechSpectrum, motion_mel, speech_spectrum
from voiceface.corpus.face_landmarks import shipped_mesh_network
from voiceface.errors import InputError
from voiceface.face.align import template_points
from voiceface.face.mesh import find_or_refuse_mesh
from voiceface.models.block_talking_face import BLOCK, FPS, PAD, BlockTalkingFace, Frames
from voiceface.models.idle_motion import IdleMotion
from voiceface.models.model import Batch, Model, Shared, Turn
from voiceface.models.talking_face import FaceTooSmallError, Speaker, TalkingFace
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.face.lip_edges import LOWER_LIP, UPPER_LIP
from voiceface.nn.face.mesh_animation import SKIN_POINTS, MeshAnimation, still_points
from voiceface.nn.face.motion_shading import SIDE, MotionShading, map_places
from voiceface.nn.face.speech_motion_net import SpeechMotionNet

SMALLEST = 24
"""Pixels between the eyes below which a photograph is not animated: a face some 64 pixels wide."""
_SURELY_SMALL = 0.8
"""Share of `SMALLEST` below which dlib's points alone show that a face is too small."""
_NEEDED = {"mouth": [61, 291, 0, 17], "eyes": [33, 133, 362, 263]}
"""Points of the mesh that must be in the picture: corners and middles of the lips, corners of the eyes."""
_NOSE, _MOVES = 2, 0.15
"""The point below the nose; mesh points from a little above it downwards move with speech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkingMotion:
    """How a face moves in one clip, 25 frames a second, with its sound."""

    motion: Tensor
    """(frames, 468, 2) displacements from a closed mouth, in distances between the eyes."""
    opening: Tensor
    """(frames,) of the mouth, in the same distances."""
    mels: Tensor
    """(4 * frames, 32) rows of `motion_mel`."""
    rest: Tensor
    """(468, 2) the face with a closed mouth, upright, in distances between the eyes."""


class TalkerModel(Model):
    """Animates the mesh of a face by speech.

    Args:
        triangles: of the canonical mesh, its ring and its corners.
        components: of the motion.
        width: channels of the network.
        gain: factor on the predicted motion, which warped pictures show smaller than it is.
        idle: scale of blinks, brows and head motion; 0 for none.
        shading: whether the light on the face changes with its motion.
    """

    face_size, face_template, fps, animates, whole_pictures = 256, "portrait", FPS, True, True

    def __init__(
        self,
        *,
        triangles: int,
        components: int = 12,
        width: int = 64,
        gain: float = 1.0,
        idle: float = 1.0,
        shading: bool = False,
    ) -> None:
        super().__init__()
        self.gain, self.idle, self.shading = gain, idle, shading
        self.network = SpeechMotionNet(bands=BANDS, width=width, components=components)
        for name, shape in {
            "rest": (SKIN_POINTS, 2),
            "basis": (components, 2 * SKIN_POINTS),
            "motion_mean": (components,),
            "motion_scale": (components,),
        }.items():
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("triangles", torch.zeros(triangles, 3, dtype=torch.int64))
        if shading:
            self.register_buffer("light", torch.zeros(components, SIDE, SIDE))

    def turns(self) -> Sequence[Turn]:
        """The network's."""
        return [Turn("motion", list(self.network.parameters()), self.loss)]

    @torch.no_grad()
    def start(self, clips: Sequence[TalkingMotion], triangles: Tensor) -> None:
        """Compute the principal components of the motion, and its mean and scale in them.

        Args:
            clips: of the training people.
            triangles: (triangles, 3) of the canonical mesh (`triangulate`).
        """
        self.get_buffer("rest").copy_(mean_rest(clips))
        self.get_buffer("triangles").copy_(triangles)
        motion = self._moving(torch.cat([clip.motion for clip in clips]))
        _, _, basis = torch.linalg.svd(motion - motion.mean(0), full_matrices=False)
        self.get_buffer("basis").copy_(basis[: self.get_buffer("basis").shape[0]])
        coefficients = motion @ self.get_buffer("basis").T
        self.get_buffer("motion_mean").copy_(coefficients.mean(0))
        self.get_buffer("motion_scale").copy_(coefficients.std(0).clamp_min(1e-6))

    def _moving(self, motion: Tensor) -> Tensor:
        """The displacements (..., 936) of those of the points (..., 468, 2) that move with speech."""
        height = self.get_buffer("rest")[:, 1]
        moves = ((height - height[_NOSE] + _MOVES) / (2 * _MOVES)).clamp(0, 1)
        return (motion * moves[:, None]).flatten(-2)

    def loss(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Squared error of the components, each weighing as much as it moves the face, over weighed frames.

        ``batch`` holds ``mels`` (n, rows, 32), ``motion`` (n, frames, 468, 2) and ``weights`` (n, frames).
        """
        scale = self.get_buffer("motion_scale")
        wanted = self.coefficients_of(batch["motion"])
        wanted = (wanted - self.get_buffer("motion_mean")) / scale
        found = self.network(batch["mels"])
        error = ((found - wanted).square() * (scale / scale.max())).mean(2)
        return {"loss": (error * batch["weights"]).mean(), "error": error.mean().detach()}

    def motion(self, mels: Tensor) -> Tensor:
        """Displacements (frames, 468, 2), in distances between the eyes, for `motion_mel` (rows, 32)."""
        return self.displacements(self.coefficients(mels))

    def coefficients(self, mels: Tensor) -> Tensor:
        """The motion's coefficients (frames, components) for `motion_mel` (rows, 32)."""
        found: Tensor = self.network(mels[None])[0]
        return self.get_buffer("motion_mean") + self.get_buffer("motion_scale") * found

    def coefficients_of(self, motion: Tensor) -> Tensor:
        """The coefficients (frames, components) of displacements (frames, 468, 2)."""
        return self._moving(motion) @ self.get_buffer("basis").T

    def displacements(self, coefficients: Tensor) -> Tensor:
        """What is shown, (frames, 468, 2) in distances between the eyes, of (frames, components)."""
        return (self.gain * coefficients @ self.get_buffer("basis")).view(-1, SKIN_POINTS, 2)

    def canonical(self) -> Tensor:
        """The points (504, 2) of the mean face, upright, that `triangles` joins."""
        return torch.from_numpy(canonical_points(self.get_buffer("rest").double().cpu().numpy()))

    def _motion_shading(self) -> MotionShading | None:
        if not self.shading:
            return None
        opened = self.coefficients_of(torch.from_numpy(self._opening())[None].float())[0]
        return MotionShading(
            self.get_buffer("light").cpu(), map_places(self.canonical().float()), opened.cpu()
        )

    def _opening(self) -> npt.NDArray[np.float64]:
        """The first component, mostly the jaw's, as (468, 2) that opens the mouth by 1."""
        first = self.get_buffer("basis")[0].view(SKIN_POINTS, 2).double().cpu().numpy()
        opened: npt.NDArray[np.float64] = first / (first[LOWER_LIP, 1] - first[UPPER_LIP, 1])
        return opened

    @torch.no_grad()
    def talk(self, speaker: Speaker) -> TalkingFace:
        """As `Model.talk`.

        Raises:
            InputError: there is no face, its mesh cannot be trusted, it is smaller than 64 pixels, or the
                picture's border cuts off an eye or the mouth.
        """
        if speaker.face is None:
            raise InputError("the face", "is missing", "give a picture of a face")
        upright = template_points(self.face_template, len(speaker.face)) - 0.5
        five = upright if speaker.landmarks is None else speaker.landmarks
        # Before the mesh, which finds nothing in so small a face and would say that there is none.
        _check_size(float(np.hypot(*(five[:2].mean(0) - five[2:4].mean(0)))), least=_SURELY_SMALL * SMALLEST)
        mesh = find_or_refuse_mesh(speaker.face, five, shipped_mesh_network(), name="the picture")
        _check_whole(mesh.points, speaker.face.shape)
        animation = MeshAnimation(
            speaker.face,
            mesh.points.astype(np.float64),
            self.get_buffer("triangles").cpu(),
            opening=self._opening(),
            shading=self._motion_shading(),
        )
        _check_size(animation.eyes, least=SMALLEST)
        spectrum = speech_spectrum(as_wave(speaker.wave))
        return _TalkingMesh(self, animation, spectrum, IdleMotion(seed=speaker.seed, strength=self.idle))


def _check_size(eyes: float, *, least: float) -> None:
    """Refuse a face of fewer than ``least`` pixels between the eyes."""
    if eyes < least:
        fault = f"shows a face of {eyes:.0f} pixels between the eyes"
        raise FaceTooSmallError("the picture", fault, f"give one of at least {SMALLEST}")


def _check_whole(points: npt.NDArray[np.float32], shape: tuple[int, ...]) -> None:
    """Refuse a mesh whose eyes or lips lie beyond the border of the picture of ``shape``."""
    for what, indices in _NEEDED.items():
        x, y = points[indices].T
        if x.min() < 0 or y.min() < 0 or x.max() > shape[1] - 1 or y.max() > shape[0] - 1:
            raise InputError("the picture", f"cuts off the {what}", "give a picture of the whole face")


class _TalkingMesh(BlockTalkingFace):
    """A photograph that talks."""

    def __init__(
        self, model: TalkerModel, animation: MeshAnimation, spectrum: SpeechSpectrum, idle: IdleMotion
    ) -> None:
        super().__init__(animation.height, animation.width)
        self.model, self.animation, self.spectrum, self.idle = model, animation, spectrum, idle

    def frames(self, wave: Tensor, indices: npt.NDArray[np.int64]) -> Frames:
        device = self.model.get_buffer("basis").device
        mels = motion_mel(wave, self.spectrum).to(device)
        found = self.model.coefficients(mels)[PAD : PAD + BLOCK]
        motion = self.model.displacements(found).double().cpu().numpy()
        # The sway is given in shares of a head's picture, which is about four eye distances wide.
        sway = self.idle.sway(indices) * np.array([4.0, 4.0, 1.0])
        return self.animation.frames(
            motion,
            sway=sway,
            lids=self.idle.lids(indices),
            brows=self.idle.brows(indices),
            coefficients=found.cpu(),
        )


def canonical_points(rest: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The points (504, 2) that are triangulated, of a mean face (468, 2)."""
    return np.concatenate([rest, still_points(rest)])


def mean_rest(clips: Sequence[TalkingMotion]) -> Tensor:
    """The mean face (468, 2) of clips with a closed mouth."""
    return torch.stack([clip.rest for clip in clips]).mean(0)
