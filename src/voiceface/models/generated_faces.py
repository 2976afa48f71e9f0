"""Generated faces embedded like photographs, beside the real faces of the same people."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from voiceface.corpus.splits import Selection
from voiceface.corpus.views import BOX_TEMPLATE
from voiceface.errors import InputError
from voiceface.face.align import align, template_points
from voiceface.models.corpus_embeddings import DLIB_DIM, embed_aligned_faces, face_embeddings
from voiceface.models.corpus_faces import aligned_faces
from voiceface.models.face_generator import BLOCK, FaceGenerator
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.model import Embeddings, Model, Pictures

_DLIB_SIZE = 150

BOX_POINTS = np.array(
    [(0.7687, 0.3126), (0.6138, 0.3164), (0.2250, 0.3177), (0.3801, 0.3186), (0.4999, 0.6087)]
)
"""Where dlib's five points lie on average in the box of its detector, in units of the box: the mean of 874
photographs of 756 people, with deviations of 0.05 to 0.07, for a box is not turned with its face."""


def align_generated_faces(pictures: Pictures, *, template: str) -> Pictures:
    """Cut generated faces as dlib's recogniser takes them, by the landmarks of their template (`BOX_POINTS`).

    Args:
        pictures: (n, size, size, 3) uint8, generated in ``template``.
        template: a name of `voiceface.face.align.TEMPLATES`, or ``"box"``: the detector's, made square.

    Returns:
        (n, 150, 150, 3) uint8.
    """
    if pictures.ndim != 4 or pictures.shape[1] != pictures.shape[2] or pictures.shape[3] != 3:
        raise InputError("generated faces", f"have the shape {pictures.shape}", "give (n, size, size, 3)")
    if not len(pictures):
        return np.zeros((0, _DLIB_SIZE, _DLIB_SIZE, 3), np.uint8)
    side = pictures.shape[1]
    points = BOX_POINTS * side if template == BOX_TEMPLATE else template_points(template, side)
    points = points - 0.5  # `align` adds the half pixel between a pixel's index and its centre
    return np.stack([align(one, points, size=_DLIB_SIZE, template="dlib", border="edge") for one in pictures])


def embed_generated_faces(pictures: Pictures, *, template: str) -> Embeddings:
    """Embed generated faces as `embed_aligned_faces` does real ones: (n, 128)."""
    blocks = [pictures[first : first + BLOCK] for first in range(0, len(pictures), BLOCK)]
    found = [embed_aligned_faces(align_generated_faces(block, template=template)) for block in blocks]
    return np.concatenate(found) if found else np.zeros((0, DLIB_DIM), np.float32)


def generate_for_selection(
    model: Model,
    selection: Selection,
    *,
    seed: int = 0,
    typical: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Pictures:
    """One generated face for every voice of a selection, in its order: (voices, size, size, 3) uint8.

    Raises:
        InputError: it has no voice, or the model generates from names alone.
    """
    corpus, voices = selection.corpus, selection.voices
    if not model.takes_voices:
        raise InputError(type(model).__name__, "generates from names alone", "use a model that takes voices")
    if not len(voices):
        raise InputError(corpus.path, "has no voice to generate a face from", "prepare some")
    pictures: list[Pictures] = []
    conditions = iter(model.corpus_conditions(selection)) if isinstance(model, FaceGenerator) else None
    people = corpus.person_of("voices")
    with torch.no_grad():
        for first in range(0, len(voices), BLOCK):
            # A voice's random numbers follow its index among all, not in its block.
            samples = range(first, min(first + BLOCK, len(voices)))
            if isinstance(model, FaceGenerator) and conditions is not None:
                made = model.generate_from(next(conditions), samples, seed=seed, typical=typical)
            else:
                inputs = [
                    GeneratorInput(wave=corpus.wave(k), person=str(people[k]), sample=sample)
                    for k, sample in zip(voices[first : first + BLOCK].tolist(), samples, strict=True)
                ]
                made = model.generate(inputs, seed=seed, typical=typical)
            pictures.append(made)
            if progress is not None:
                progress(samples.stop, len(voices))
    return np.concatenate(pictures)


def generated_above_real(model: Model, selection: Selection, *, most: int = 8) -> Pictures | None:
    """One picture of faces generated from the first voices of a few people, their first real faces below.

    The people, evenly spaced among all who have both, and the random numbers are the same at every call.

    Args:
        model: one that generates faces.
        selection: whose voices and faces.
        most: people.

    Returns:
        (2 * size, people * size, 3) uint8; None if the model generates none from voices, or nobody has both.
    """
    if not (model.can("generate") and model.takes_voices):
        return None
    speaks, shows = (_first_of_each(selection, table) for table in ("voices", "faces"))
    people = sorted(speaks.keys() & shows.keys(), key=speaks.__getitem__)
    if not people:
        return None
    spaced = np.linspace(0, len(people) - 1, min(most, len(people))).round().astype(int)
    voices, faces = (np.array([found[people[k]] for k in spaced]) for found in (speaks, shows))
    few = Selection(selection.corpus, voices, selection.faces, selection.clips)
    typical = isinstance(model, FaceGenerator) and model.evaluated_typical
    generated = generate_for_selection(model, few, typical=typical)
    real = aligned_faces(selection.corpus, faces, model.face_size, template=model.face_template)
    return np.concatenate([np.concatenate(list(row), axis=1) for row in (generated, real)])


def _first_of_each(selection: Selection, table: str) -> dict[str, int]:
    """Everybody's first row of a table."""
    people, places = np.unique(selection.person_of(table), return_index=True)
    return dict(zip(people.tolist(), getattr(selection, table)[places].tolist(), strict=True))


def embed_generated_and_real(model: Model, selection: Selection) -> tuple[Embeddings, Embeddings]:
    """A generated face for every voice and the real faces of a selection, as embeddings to compare.

    They are dlib's less the training faces' mean embedding, brought to length 1, so that every protocol
    (matching, verification, retrieval) takes a voice's generated face as its probe.

    Returns:
        (voices, 128) and (faces, 128) float32.

    Raises:
        InputError: no voice, or the model generates from names alone.
    """
    typical = isinstance(model, FaceGenerator) and model.evaluated_typical
    pictures = generate_for_selection(model, selection, typical=typical)
    generated = embed_generated_faces(pictures, template=model.face_template)
    real = face_embeddings(selection.corpus)[selection.faces]
    assert model.face_embedding_mean is not None
    mean = np.asarray(model.face_embedding_mean, dtype=np.float32)
    return _unit(generated - mean), _unit(real - mean)


def _unit(rows: npt.NDArray[np.float32]) -> Embeddings:
    unit: Embeddings = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit.astype(np.float32)
