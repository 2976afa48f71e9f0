"""Photographs of a corpus beside drawn faces: cut alike, with the edge repeated, and those from the front."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from voiceface.face.align import align, similarity, template_points
from voiceface.models.imaginer import TEMPLATE

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = ["aligned_faces", "frontal"]

Pictures = npt.NDArray[np.uint8]

_ASKEW = 0.025
"""Mean distance of a face's points from the template's, in sides of the picture; profiles lie above."""


def aligned_faces(
    corpus: Corpus, rows: npt.NDArray[np.int64], size: int, *, template: str = TEMPLATE
) -> Pictures:
    """Faces of a corpus cut to the template, (rows, size, size, 3); the border repeats the edge.

    A black border, as `Corpus.view` has it, is a sharp line that no drawn face has.
    """
    cut = [
        align(
            np.asarray(corpus.picture(int(row))),
            np.asarray(corpus.faces[int(row)].landmarks),
            size=size,
            template=template,
            border="edge",
        )
        for row in rows
    ]
    return np.stack(cut)


def frontal(corpus: Corpus, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The faces seen from the front: their points lie on the template's once turned upright."""
    wanted = template_points(TEMPLATE, 1)
    apart = []
    for row in rows:
        points = np.asarray(corpus.faces[int(row)].landmarks, dtype=np.float64)
        matrix = similarity(points, wanted)
        placed = points @ matrix[:, :2].T + matrix[:, 2]
        apart.append(np.linalg.norm(placed - wanted, axis=1).mean())
    kept = rows[np.array(apart) < _ASKEW]
    return kept if 2 * len(kept) >= len(rows) else rows
