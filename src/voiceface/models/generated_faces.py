"""What drawn faces are worth: described like photographs, beside the real faces of the same people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError
from voiceface.face.align import align, template_points
from voiceface.models.corpus_embeddings import embed_aligned_faces, face_embeddings
from voiceface.models.generator_input import GeneratorInput

if TYPE_CHECKING:
    from voiceface.corpus.splits import Selection

__all__ = [
    "Pictures",
    "Rows",
    "align_generated_faces",
    "embed_generated_faces",
    "generate_for_selection",
    "embed_generated_and_real",
]

Pictures = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float32]

_CHIP = 150
_BLOCK = 64


def align_generated_faces(pictures: Pictures, *, template: str) -> Pictures:
    """Cut drawn faces as the recogniser wants them, by the points their template says they have.

    Args:
        pictures: (n, size, size, 3) uint8, drawn in ``template``.
        template: a name of `voiceface.face.align.TEMPLATES`.

    Returns:
        (n, 150, 150, 3) uint8.
    """
    if pictures.ndim != 4 or pictures.shape[1] != pictures.shape[2] or pictures.shape[3] != 3:
        raise InputError("drawn faces", f"have the shape {pictures.shape}", "give (n, size, size, 3)")
    if not len(pictures):
        return np.zeros((0, _CHIP, _CHIP, 3), np.uint8)
    # `align` adds the half pixel between a pixel's number and its middle.
    points = template_points(template, pictures.shape[1]) - 0.5
    return np.stack([align(one, points, size=_CHIP, template="dlib", border="edge") for one in pictures])


def embed_generated_faces(pictures: Pictures, *, template: str) -> Rows:
    """Describe drawn faces as `embed_aligned_faces` does real ones: (n, 128)."""
    blocks = [pictures[first : first + _BLOCK] for first in range(0, len(pictures), _BLOCK)]
    rows = [embed_aligned_faces(align_generated_faces(block, template=template)) for block in blocks]
    return np.concatenate(rows) if rows else np.zeros((0, 128), np.float32)


def generate_for_selection(
    selection: Selection, draw: Callable[[Sequence[GeneratorInput]], Pictures], *, named: bool = False
) -> Pictures:
    """Draw one face for every voice of a selection, in its order; ``named`` tells whose voice it is."""
    corpus = selection.corpus
    owners = corpus.column("voices", "person").astype(str)
    parts = []
    for first in range(0, len(selection.voices), _BLOCK):
        some = selection.voices[first : first + _BLOCK].tolist()
        cues = [GeneratorInput(wave=corpus.wave(k), person=str(owners[k]) if named else "") for k in some]
        parts.append(draw(cues))
    if not parts:
        raise InputError(corpus.path, "holds no voice to draw a face from", "prepare some")
    return np.concatenate(parts)


def embed_generated_and_real(
    pictures: Pictures, selection: Selection, *, template: str, centre: npt.ArrayLike
) -> tuple[Rows, Rows]:
    """Drawn and real faces as comparable rows of length 1: descriptors less ``centre``, brought to length 1.

    This is what `Run.embed` of a recipe that draws faces returns, so that every protocol (matching,
    verification, retrieval) takes the drawn face as its probe.

    Args:
        pictures: a drawn face for every voice of ``selection``.
        selection: whose real faces are the gallery.
        template: of the pictures.
        centre: (128,) mean descriptor of the *training* people's faces.

    Returns:
        (voices, 128) and (faces, 128) float32.
    """
    middle = np.asarray(centre, dtype=np.float32)
    drawn = embed_generated_faces(pictures, template=template) - middle
    real = face_embeddings(selection.corpus)[selection.faces] - middle
    return _unit(drawn), _unit(real)


def _unit(rows: Rows) -> Rows:
    placed: Rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return placed.astype(np.float32)
