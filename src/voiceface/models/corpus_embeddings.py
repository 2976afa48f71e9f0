"""What encoders make of a corpus: one row a voice, one row a face, computed once and kept beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from voiceface.errors import InputError
from voiceface.face.align import align
from voiceface.media.files import atomic_path
from voiceface.models.dlib_recogniser import load_dlib_recogniser
from voiceface.models.face_encoder import FaceEncoder, check_aligned_faces
from voiceface.models.voice_encoder import VoiceEncoder

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

Rows = npt.NDArray[np.float32]

DLIB_DIM = 128
_SIDE = 150
_BLOCK = 64
_BATCH_SIZE = 16
_HELD: dict[Path, Rows] = {}
"""Rows that could not be kept on the disk, so that a training does not make them at every validation."""


def voice_embeddings(corpus: Corpus, encoder: VoiceEncoder) -> Rows:
    """Every voice of a corpus as a row of ``encoder``: ``(voices, encoder.dim)``, in the corpus' order."""

    def make(first: int, last: int) -> Rows:
        return encoder.embed([corpus.wave(index) for index in range(first, last)])

    return _cached(corpus, f"voice-{encoder.name}-{encoder.fingerprint[:12]}", len(corpus.voices), make)


def face_embeddings(corpus: Corpus, encoder: FaceEncoder | None = None) -> Rows:
    """Every face of a corpus as a row of ``encoder``: ``(faces, encoder.dim)``.

    None, or dlib's: with its mirror image (`embed_aligned_faces`), ``(faces, 128)``.
    """

    def make(first: int, last: int) -> Rows:
        if encoder is None:
            return embed_aligned_faces(
                np.stack([align_corpus_face(corpus, index) for index in range(first, last)])
            )
        size, template = encoder.size, encoder.template
        faces = [align_corpus_face(corpus, k, size=size, template=template) for k in range(first, last)]
        return encoder.embed(np.stack(faces))

    kind = "dlib-mirrored"
    if encoder is not None and encoder.name != "dlib":
        kind = f"{encoder.name}-{encoder.fingerprint[:12]}"
    return _cached(corpus, f"face-{kind}", len(corpus.faces), make)


def align_corpus_face(
    corpus: Corpus, index: int, *, size: int = _SIDE, template: str = "dlib"
) -> npt.NDArray[np.uint8]:
    """Face ``index`` of a corpus as an encoder wants it, ``(size, size, 3)``; as dlib's recogniser does."""
    points = np.asarray(corpus.faces[index].landmarks, dtype=np.float32)
    return align(np.asarray(corpus.picture(index)), points, size=size, template=template)


def embed_aligned_faces(faces: npt.NDArray[np.uint8]) -> Rows:
    """Embed aligned faces ``(n, 150, 150, 3)``, mean over each face and its mirror image: ``(n, 128)``."""
    faces = check_aligned_faces(faces, _SIDE)
    network = load_dlib_recogniser()  # 28 times as fast on one core as dlib's own, equal to the last digits
    rows = [np.zeros((0, DLIB_DIM), np.float32)]
    # Neither the server's autocast nor its gradients must reach the embeddings.
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        for first in range(0, len(faces), _BATCH_SIZE):
            some = np.array(faces[first : first + _BATCH_SIZE])  # a copy: torch warns of read-only arrays
            pixels = torch.from_numpy(some).permute(0, 3, 1, 2).float()
            rows.append(((network(pixels) + network(pixels.flip(3))) / 2).numpy())
    return np.concatenate(rows)


def _cached(corpus: Corpus, name: str, count: int, make: Callable[[int, int], Rows]) -> Rows:
    """The rows from ``views/`` if made before, else made in blocks and put there where that is allowed."""
    path = corpus.path.resolve() / "views" / f"{name}-{corpus.fingerprint[:12]}.npy"
    if path in _HELD:
        return _HELD[path]
    if path.is_file():
        try:
            rows = np.load(path, allow_pickle=False)
            if len(rows) == count:
                return np.asarray(rows, dtype=np.float32)
        except (ValueError, OSError, EOFError):
            pass  # made again below
    rows = (
        np.concatenate([make(*block) for block in _blocks(count)]) if count else np.zeros((0, 0), np.float32)
    )
    try:
        path.parent.mkdir(exist_ok=True)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, rows)
    except (InputError, OSError):
        _HELD[path] = rows  # a read-only corpus serves as well
    return rows


def _blocks(count: int) -> Iterator[tuple[int, int]]:
    for first in range(0, count, _BLOCK):
        yield first, min(count, first + _BLOCK)


def as_tensor(rows: Rows) -> torch.Tensor:
    """Rows as a float32 tensor of their own memory."""
    return torch.from_numpy(np.array(rows, dtype=np.float32))
