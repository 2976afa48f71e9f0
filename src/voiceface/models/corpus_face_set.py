"""Faces of a corpus with their meshes and masks, aligned to be measured by a face model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from voiceface.errors import InputError
from voiceface.face.align import align, fit_similarity_transform, template_points
from voiceface.face.mesh import EYE_CORNERS_AND_NOSE
from voiceface.media.read_npz import read_npz
from voiceface.models.face_model import TEMPLATE
from voiceface.nn.face.face_model import SIZE

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus


Points = npt.NDArray[np.float64]
_MASK = 64
_MEMBERS = ("face", "person", "glasses")


class PersonMasks(NamedTuple):
    """What a teacher says about a face's picture."""

    person: npt.NDArray[np.uint8] | None
    """(h, w) share of person in 0..255 over the whole picture; None without a mask."""
    glasses: float
    """1 with, 0 without glasses, NaN unknown."""


class FaceSet(NamedTuple):
    """Faces aligned to the portrait template by the eyes and nose of their meshes."""

    faces: npt.NDArray[np.int64]
    """(n,) their indices in the corpus."""
    pictures: Tensor
    """(n, 3, 256, 256) uint8; beyond the picture its edge is repeated."""
    points: Tensor
    """(n, 478, 2) of their meshes, pixels from the corner."""
    known: Tensor
    """(n, 64, 64) whether the picture reached there."""
    person: Tensor
    """(n, 64, 64) share of each pixel that is person in [0, 1]; NaN for faces without a mask."""
    glasses: Tensor
    """(n,) 1 with, 0 without glasses, NaN unknown."""


def read_person_masks(path: str) -> dict[str, PersonMasks]:
    """Read a file of masks: ``face`` (ids), ``person`` (n, h, w) uint8, ``glasses`` (n,).

    A mask covers the whole picture. One of zeros says that there is none; ``glasses`` is NaN where nobody
    has looked.

    Raises:
        InputError: it is no such file.
    """
    remedy = "make it with tools/person_masks.py"
    found = read_npz(path, lambda headers: _MEMBERS, remedy=remedy)
    missing = [name for name in _MEMBERS if name not in found]
    if missing:
        raise InputError(path, f"holds no array {missing[0]!r}", remedy)
    names, person, glasses = found["face"].tolist(), found["person"], found["glasses"]
    if person.ndim != 3 or len(person) != len(names) or glasses.shape != (len(names),):
        raise InputError(path, f"has {len(names)} faces and masks of the shape {person.shape}", remedy)
    return {
        name: PersonMasks(mask.astype(np.uint8) if mask.any() else None, float(worn))
        for name, mask, worn in zip(names, person, glasses, strict=True)
    }


def corpus_face_set(
    corpus: Corpus,
    faces: npt.NDArray[np.int64],
    meshes: Mapping[str, Points],
    masks: Mapping[str, PersonMasks] | None = None,
) -> FaceSet:
    """Align the faces that have a mesh.

    Args:
        corpus: of the faces.
        faces: indices of faces.
        meshes: id of a face to its points (478, 2) in pixels of the corpus' picture.
        masks: id of a face to its masks.

    Raises:
        InputError: none of the faces has a mesh.
    """
    rows = [index for index in faces.tolist() if corpus.faces[index].id in meshes]
    if not rows:
        raise InputError(corpus.path, "has no face whose mesh is known", "give faces from the front")
    pictures = np.empty((len(rows), SIZE, SIZE, 3), np.uint8)
    points = np.empty((len(rows), len(meshes[corpus.faces[rows[0]].id]), 2), np.float32)
    known, person = np.empty((2, len(rows), _MASK, _MASK), np.float32)
    glasses = np.full(len(rows), np.nan, np.float32)
    for row, index in enumerate(rows):
        mesh, picture = meshes[corpus.faces[index].id], np.asarray(corpus.picture(index))
        five = mesh[list(EYE_CORNERS_AND_NOSE)]
        pictures[row] = align(picture, five, size=SIZE, template=TEMPLATE, border="edge")
        # From pixel numbers to distances from the corner, half a pixel more.
        matrix = fit_similarity_transform(five + 0.5, template_points(TEMPLATE, SIZE))
        points[row] = (mesh + 0.5) @ matrix[:, :2].T + matrix[:, 2]
        known[row] = _reached(np.linalg.inv(np.vstack([matrix, (0, 0, 1)])), picture.shape)
        mask = (masks or {}).get(corpus.faces[index].id, PersonMasks(None, float("nan")))
        glasses[row], person[row] = mask.glasses, np.nan
        if mask.person is not None:
            large = np.asarray(Image.fromarray(mask.person).resize((picture.shape[1], picture.shape[0])))
            layers = np.repeat(large[..., None], 3, axis=2)
            person[row] = align(layers, five, size=_MASK, template=TEMPLATE, border="edge")[..., 0] / 255
    return FaceSet(
        np.array(rows),
        torch.from_numpy(pictures).permute(0, 3, 1, 2),
        *(torch.from_numpy(part) for part in (points, known > 0, person, glasses)),
    )


def _reached(matrix: Points, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Which pixels (64, 64) of an aligned face lie in its picture, whose shape is (height, width, 3)."""
    line = (np.arange(_MASK) + 0.5) * SIZE / _MASK
    x, y = np.moveaxis(np.stack(np.meshgrid(line, line), -1) @ matrix[:2, :2].T + matrix[:2, 2], -1, 0)
    inside: npt.NDArray[np.bool_] = (x > 1) & (y > 1) & (x < shape[1] - 1) & (y < shape[0] - 1)
    return inside
