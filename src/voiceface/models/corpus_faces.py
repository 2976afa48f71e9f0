"""Photographs of a corpus, aligned like generated faces to be compared with them; and the frontal ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from voiceface.corpus.views import face_view
from voiceface.face.align import TEMPLATES, align, fit_similarity_transform, template_points
from voiceface.models.model import Pictures

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

Indices = npt.NDArray[np.int64]

_MAX_DISTANCE = 0.025
"""Mean distance of a face's landmarks from the template's, in sides of the picture; profiles lie above."""


def aligned_faces(corpus: Corpus, faces: Indices, size: int, *, template: str) -> Pictures:
    """Faces of a corpus in a template, (faces, size, size, 3); the border of aligned ones repeats the edge.

    A black border, as `voiceface.corpus.views.face_view` has it, is a sharp line that no generated face has.
    """
    if template not in TEMPLATES:
        return np.asarray(face_view(corpus, size=size, template=template)[faces])
    return np.stack(
        [
            align(
                np.asarray(corpus.picture(int(index))),
                np.asarray(corpus.faces[int(index)].landmarks),
                size=size,
                template=template,
                border="edge",
            )
            for index in faces
        ]
    )


def frontal_faces(corpus: Corpus, faces: Indices, *, template: str) -> Indices:
    """The frontal faces, whose landmarks lie on the template's once aligned; all if fewer than half are."""
    target = template_points(template, 1)
    distances = []
    for index in faces:
        points = np.asarray(corpus.faces[int(index)].landmarks, dtype=np.float64)
        matrix = fit_similarity_transform(points, target)
        aligned = points @ matrix[:, :2].T + matrix[:, 2]
        distances.append(np.linalg.norm(aligned - target, axis=1).mean())
    kept = faces[np.array(distances) < _MAX_DISTANCE]
    return kept if 2 * len(kept) >= len(faces) else faces
