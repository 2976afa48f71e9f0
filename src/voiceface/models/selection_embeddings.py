"""Voices and faces of a corpus selection compared by a model: as embeddings, or as scores of all pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.models.corpus_embeddings import face_embeddings, voice_embeddings
from voiceface.models.generated_faces import embed_generated_and_real
from voiceface.models.model import Embeddings, Model
from voiceface.models.projection_model import ProjectionModel

if TYPE_CHECKING:
    from voiceface.corpus.splits import Selection

Indices = npt.NDArray[np.int64]
_BLOCK = 64


def embeds_selections(model: Model) -> bool:
    """Whether `embed_selection` can embed voices and faces with the model."""
    return model.can("embed") or (model.can("generate") and model.face_embedding_mean is not None)


def embed_selection(model: Model, selection: Selection) -> tuple[Embeddings, Embeddings]:
    """The selection's voices ``(voices, dim)`` and faces ``(faces, dim)`` in the space they share.

    What pretrained encoders make of the corpus is computed once and kept beside it; any other model is given
    waves and aligned faces in blocks. A model that generates faces is compared by them: its voices are the
    generated faces' dlib embeddings (seed 0), its faces those of the real ones, both less the training mean.

    Raises:
        InputError: the model embeds nothing.
    """
    if not embeds_selections(model):
        raise InputError(type(model).__name__, "does not embed voices and faces", "take a model that does")
    if isinstance(model, ProjectionModel):
        voices, faces = _encoder_embeddings(model, selection)
        return model.project_voices(voices), model.project_faces(faces)
    if not model.can("embed"):
        return embed_generated_and_real(model, selection)
    corpus = selection.corpus
    waves = [[corpus.wave(k) for k in some.tolist()] for some in _blocks(selection.voices)]
    view = face_view(corpus, size=model.face_size, template=model.face_template)
    embedded = [model.embed_voices(block) for block in waves]
    return np.concatenate(embedded), np.concatenate(
        [model.embed_faces(np.array(view[some])) for some in _blocks(selection.faces)]
    )


def score_selection(model: Model, selection: Selection) -> npt.NDArray[np.float64]:
    """Scores of every voice with every face, ``(voices, faces)``: dot products, or the model's own.

    Raises:
        InputError: the model compares no voices with faces.
    """
    if not model.can("score"):
        voices, faces = embed_selection(model, selection)
        return voices.astype(np.float64) @ faces.T
    if isinstance(model, ProjectionModel):
        return model.score_embeddings(*_encoder_embeddings(model, selection)).astype(np.float64)
    corpus = selection.corpus
    view = face_view(corpus, size=model.face_size, template=model.face_template)
    waves = [corpus.wave(k) for k in selection.voices.tolist()]
    return model.score(waves, np.array(view[selection.faces])).astype(np.float64)


def _encoder_embeddings(model: ProjectionModel, selection: Selection) -> tuple[Embeddings, Embeddings]:
    corpus, encoders, device = selection.corpus, model.encoders, model.device
    voices = voice_embeddings(corpus, encoders.voice(device))[selection.voices]
    return voices, face_embeddings(corpus, encoders.face(device))[selection.faces]


def _blocks(indices: Indices) -> Iterator[Indices]:
    """Blocks of the indices; an empty one where there are none, so that the width is known all the same."""
    for first in range(0, max(1, len(indices)), _BLOCK):
        yield indices[first : first + _BLOCK]
