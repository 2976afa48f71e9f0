"""The five landmarks of a detected face, by dlib's trees or from the face mesh."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from voiceface.components import SHIPPED
from voiceface.errors import InputError
from voiceface.face.detect import Detection
from voiceface.face.landmarks import with_landmarks
from voiceface.face.mesh import find_or_refuse_mesh, five_points_of_mesh

if TYPE_CHECKING:
    from voiceface.nn.face.landmark_net import LandmarkNet

LandmarkSource = Literal["dlib", "mesh"]


def locate_landmarks(
    pixels: npt.NDArray[np.uint8], face: Detection, *, source: LandmarkSource, name: str
) -> Detection:
    """Return the detection with its five landmarks.

    Args:
        pixels: (height, width, 3) uint8.
        face: found in them; dlib's landmarks, if it has none, say where the mesh is looked for.
        source: ``dlib``, or ``mesh``: steadier, and refused where the mesh cannot be trusted.
        name: of the picture, for the error.

    Raises:
        InputError: the mesh cannot be trusted: a turned, covered or tiny face, or none.
        MissingPartError: dlib or its trained files are not installed.
    """
    face = with_landmarks(pixels, face)
    if source == "dlib":
        return face
    assert face.landmarks is not None
    mesh = find_or_refuse_mesh(pixels, face.landmarks, shipped_mesh_network(), name=name)
    return replace(face, landmarks=five_points_of_mesh(mesh.points))


@cache
def shipped_mesh_network() -> LandmarkNet:
    """The network of the shipped `face-mesh`, loaded once a process.

    Raises:
        InputError: its file is damaged.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from voiceface.nn.face.landmark_net import LandmarkNet

    path = SHIPPED / "face-mesh" / "model.safetensors"
    try:
        tensors = {
            key.removeprefix("network."): tensor.float() if tensor.is_floating_point() else tensor
            for key, tensor in load_file(path).items()
        }
        # Loading during a training must not advance its random numbers.
        with torch.random.fork_rng(devices=()):
            return LandmarkNet.from_tensors(tensors)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(path, f"cannot be read ({error})", "install voiceface again") from error
