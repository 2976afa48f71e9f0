"""A model that projects the embeddings of frozen encoders into the space that voices and faces share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from voiceface.models.model import Embeddings, Model, Pictures, Scores, Wave
from voiceface.models.pretrained import PretrainedEncoders


class ProjectionModel(Model):
    """Waves and faces through `encoders`, then through `voices` and `faces`, which a subclass defines."""

    encoders: PretrainedEncoders
    """The pretrained encoders below; whoever builds the model names them."""
    dim: int
    """Width of an embedding."""

    def __init__(self, encoders: PretrainedEncoders | None = None) -> None:
        super().__init__()
        self.encoders = encoders or PretrainedEncoders()

    def voices(self, embeddings: Tensor) -> Tensor:
        """The voice encoder's embeddings ``(n, voice width)`` projected: ``(n, dim)``, of length 1."""
        raise NotImplementedError

    def faces(self, embeddings: Tensor) -> Tensor:
        """The face encoder's embeddings ``(n, face width)`` projected: ``(n, dim)``, of length 1."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return next(self.buffers()).device

    @property
    def face_size(self) -> int:  # type: ignore[override]
        """Pixels a side of the face encoder's input."""
        return self.encoders.face(self.device).size

    @property
    def face_template(self) -> str:  # type: ignore[override]
        """How the face encoder's input is aligned."""
        return self.encoders.face(self.device).template

    @torch.no_grad()
    def project_voices(self, embeddings: Embeddings) -> Embeddings:
        """`voices` of arrays."""
        return _as_array(self.voices(self.to_device(embeddings)))

    @torch.no_grad()
    def project_faces(self, embeddings: Embeddings) -> Embeddings:
        """`faces` of arrays."""
        return _as_array(self.faces(self.to_device(embeddings)))

    def embed_voices(self, waves: Sequence[Wave]) -> Embeddings:
        """As `Model.embed_voices`."""
        return self.project_voices(self.encoders.voice(self.device).embed(waves))

    def embed_faces(self, faces: Pictures) -> Embeddings:
        """As `Model.embed_faces`."""
        return self.project_faces(self.encoders.face(self.device).embed(faces))

    def score_embeddings(self, voices: Embeddings, faces: Embeddings) -> Scores:
        """`Model.score` of the encoders' embeddings, of a model that judges pairs."""
        raise NotImplementedError

    def to_device(self, embeddings: Embeddings) -> Tensor:
        """Embeddings as a tensor of their own memory beside the model."""
        return torch.from_numpy(np.array(embeddings, dtype=np.float32)).to(self.device)


def _as_array(rows: Tensor) -> Embeddings:
    found: Embeddings = rows.float().cpu().numpy()
    return found
