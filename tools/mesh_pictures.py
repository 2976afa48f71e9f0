"""Pictures of folders with the mesh points of the faces in them, and their colours at places of the mesh."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from voiceface.nn.face.mesh_animation import upright_shape
from voiceface.nn.face.mesh_warp import sample_pixels

_BETWEEN_EYES = 168


def mesh_pictures(folders: Sequence[Path]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pictures (height, width, 3) uint8 and their points (478, 2) in pixels.

    Each folder has pictures and ``mesh.npz``: ``face``, their names without the ending, and ``points``, as
    MediaPipe finds them.
    """
    for folder in folders:
        meshes = np.load(folder / "mesh.npz")
        files = {path.relative_to(folder).with_suffix("").as_posix(): path for path in folder.rglob("*.jpg")}
        files |= {path.stem: path for path in files.values()}
        for name, points in zip(meshes["face"].tolist(), meshes["points"], strict=True):
            if name in files:
                yield np.asarray(Image.open(files[name]).convert("RGB")), points[:, :2].astype(np.float64)


def upright_colours(
    picture: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float, Callable[[np.ndarray], np.ndarray]]:
    """A mesh turned upright, and the picture's colours at places in it.

    Returns:
        shape, rotation and distance between the eyes as `upright_shape` gives them, and a function from
        places (n, 2) of the upright mesh to colours (n, 3).
    """
    shape, rotation, eyes = upright_shape(points)
    pixels = torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None]

    def colours(spots: np.ndarray) -> np.ndarray:
        places = points[_BETWEEN_EYES] + eyes * spots @ rotation + 0.5
        return sample_pixels(pixels, torch.from_numpy(places).float()[None, None])[0, :, 0].T.double().numpy()

    return shape, rotation, eyes, colours
