"""Describe a face by 128 numbers: dlib's recogniser, a ResNet trained to put one person's faces together.

Two descriptors nearer than about 0.6 (Euclidean) are of one person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from voiceface.errors import InputError
from voiceface.face import dlib_models
from voiceface.face.align import align

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["CHIP", "DIM", "describe", "embed_face_in_picture", "jitter_face"]

CHIP = 150
"""Side in pixels of the aligned faces (template ``dlib``) that the recogniser takes."""
DIM = 128
BATCH = 16


def describe(chips: NDArray[np.uint8], *, jitter: int = 0, seed: int = 0) -> NDArray[np.float32]:
    """Return (n, 128) float32 descriptors of (n, 150, 150, 3) uint8 faces aligned to the template ``dlib``.

    With ``jitter`` each is the average over the face, its mirror image and slightly turned, scaled and
    shifted copies of the two, so many in all (2: only the mirror image); ``seed`` makes them repeatable.
    A face's descriptor does not depend on the others in the batch. InputError for another shape or type.
    """
    pixels = np.asarray(chips)
    if pixels.ndim != 4 or pixels.shape[1:] != (CHIP, CHIP, 3) or pixels.dtype != np.uint8:
        fault = f"have the shape {pixels.shape} and type {pixels.dtype}"
        raise InputError("aligned faces", fault, f"give (n, {CHIP}, {CHIP}, 3) of uint8")
    if jitter > 1:
        means = [_run(list(jitter_face(chip, jitter, seed))).mean(axis=0) for chip in pixels]
        return np.array(means, dtype=np.float32).reshape(-1, DIM)
    return _run([np.ascontiguousarray(chip) for chip in pixels])


def embed_face_in_picture(
    image: NDArray[np.uint8], landmarks: ArrayLike, *, jitter: int = 0, seed: int = 0
) -> NDArray[np.float32]:
    """Return the (128,) float32 descriptor of the face with these (5, 2) points in a picture."""
    chip = align(image, landmarks, size=CHIP, template="dlib")
    described: NDArray[np.float32] = describe(chip[None], jitter=jitter, seed=seed)[0]
    return described


def jitter_face(chip: NDArray[np.uint8], count: int, seed: int) -> NDArray[np.uint8]:
    """Return (count, size, size, 3) versions of a face: itself, its mirror image, then disturbed ones.

    Every second is mirrored. From the third on each is turned by up to 3 degrees, scaled by up to 3 % and
    shifted by up to 2 % (the ranges of dlib's own jitter, whose random numbers cannot be seeded).
    """
    random = np.random.default_rng(seed)
    size = chip.shape[0]
    copies = np.empty((count, *chip.shape), dtype=np.uint8)
    for index in range(count):
        picture = Image.fromarray(chip if index % 2 == 0 else chip[:, ::-1])
        if index >= 2:
            angle, zoom = np.radians(random.uniform(-3, 3)), random.uniform(0.97, 1.03)
            shift = random.uniform(-0.02, 0.02, size=2) * size
            cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
            turn = np.array([[cos, -sin], [sin, cos]])
            offset = np.full(2, size / 2) + shift - turn @ np.full(2, size / 2)
            matrix = np.column_stack([turn, offset]).ravel().tolist()
            picture = picture.transform(
                (size, size), Image.Transform.AFFINE, matrix, resample=Image.Resampling.BILINEAR
            )
        copies[index] = np.asarray(picture)
    return copies


def _run(chips: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    network = dlib_models.recogniser()
    found = np.empty((len(chips), DIM), dtype=np.float32)
    for start in range(0, len(chips), BATCH):
        some = chips[start : start + BATCH]
        # One at a time under the lock: a long batch never keeps another thread waiting for all of it.
        with dlib_models.dlib_lock:
            found[start : start + len(some)] = np.array(network.compute_face_descriptor(some))
    return found
