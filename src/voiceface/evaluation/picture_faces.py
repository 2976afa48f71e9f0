"""The faces of some pictures: the task that this process, others and a cluster's workers do alike."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from voiceface.corpus.workers import Workers
from voiceface.errors import InputError
from voiceface.face.align import align
from voiceface.face.detect import detect
from voiceface.face.quality import best_face
from voiceface.media.picture import load_picture
from voiceface.models.corpus_embeddings import DLIB_DIM, embed_aligned_faces

PICTURE_SIZE = 64
"""Side in pixels of the aligned faces that are kept."""
_DLIB_SIZE = 150
_BLOCK = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureBlock:
    """Some pictures below a folder."""

    root: Path
    paths: tuple[str, ...]
    first: int
    """The place of its first picture among all."""
    elsewhere: bool
    """Whether another process looks, which may not see the files."""
    threads: int
    """Of torch; 0: as they are."""

    def __str__(self) -> str:
        """As an error names it."""
        return f"{self.paths[0]} to {self.paths[-1]}"


class PictureFaces(NamedTuple):
    """What was found in a block."""

    rows: npt.NDArray[np.float64]
    """(pictures, 128) dlib's embeddings; zeros where there is no face."""
    found: npt.NDArray[np.bool_]
    views: npt.NDArray[np.uint8]
    """(pictures, 64, 64, 3) the aligned faces."""
    damaged: int
    """Pictures that cannot be read."""


def picture_blocks(root: Path, paths: Sequence[str], workers: Workers) -> list[PictureBlock]:
    """The blocks that pictures are given out in: one by one in this process, to show its progress."""
    size = 1 if workers.here else _BLOCK
    return [
        PictureBlock(
            root=root.resolve(),
            paths=tuple(paths[first : first + size]),
            first=first,
            elsewhere=not workers.here,
            threads=0 if workers.here else workers.threads,
        )
        for first in range(0, len(paths), size)
    ]


def find_picture_faces(block: PictureBlock) -> PictureFaces:
    """Embed and align the best face of each picture.

    Raises:
        InputError: a picture is not there for another machine.
    """
    if block.threads:
        torch.set_num_threads(block.threads)
    count, damaged = len(block.paths), 0
    rows, found = np.zeros((count, DLIB_DIM)), np.zeros(count, dtype=bool)
    views = np.zeros((count, PICTURE_SIZE, PICTURE_SIZE, 3), np.uint8)
    for k, path in enumerate(block.paths):
        if block.elsewhere:
            check_is_there(block.root / path)
        try:
            picture = np.asarray(load_picture(block.root / path))
            face = best_face(picture, detect(picture))
        except InputError:
            damaged, face = damaged + 1, None
        if face is not None and face.landmarks is not None:
            aligned = align(picture, face.landmarks, size=_DLIB_SIZE, template="dlib", border="edge")
            rows[k], found[k] = embed_aligned_faces(aligned[None])[0], True
            views[k] = align(picture, face.landmarks, size=PICTURE_SIZE, template="dlib", border="edge")
    return PictureFaces(rows, found, views, damaged)


def check_is_there(path: Path) -> None:
    """Refuse a file that another machine listed and this one does not see.

    Raises:
        InputError: it is not there.
    """
    if not path.exists():
        remedy = "mount the same storage under the same path on all machines"
        raise InputError(path, f"is not there for the worker on {socket.gethostname()}", remedy)
