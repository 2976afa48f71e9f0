"""Measures how a face recogniser's embedding answers to the coefficients of a face model."""

from __future__ import annotations

import torch
from torch import Tensor

from voiceface.models.face_model import FaceModel
from voiceface.models.generated_faces import embed_generated_faces

_BLOCK = 50
_RIDGE = 0.1


def fit_recogniser_response(
    model: FaceModel, coefficients: Tensor, styles: Tensor, *, count: int, seed: int
) -> None:
    """Render random faces, embed them with dlib's recogniser, and regress the embedding on the coefficients.

    Args:
        model: whose ``response`` (width, 128) is filled.
        coefficients: (n, width) of real faces, between which random ones lie.
        styles: (n,) their hair styles.
        count: number of random faces.
        seed: random seed.
    """
    random = torch.Generator().manual_seed(seed)
    centre = coefficients.mean(0)
    first, second = torch.randint(len(coefficients), (2, count), generator=random)
    mix = torch.rand(count, 1, generator=random)
    mixed = mix * (coefficients[first] - centre) + (1 - mix.square()).sqrt() * (coefficients[second] - centre)
    faces = centre + mixed * (0.5 + 0.6 * torch.rand(count, 1, generator=random))
    wall = 158 + 25 * torch.randn(count, 1, 1, 1, generator=random)
    embedded = []
    for some in torch.split(torch.arange(count), _BLOCK):
        pictures = model.net.render(faces[some], styles[first][some], wall[some].expand(-1, 3, 4, 4))
        pixels = pictures.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        embedded.append(torch.from_numpy(embed_generated_faces(pixels, template=model.face_template)))
    answers = torch.cat(embedded)
    away = faces - faces.mean(0)
    gram = away.T @ away / count + _RIDGE * torch.eye(away.shape[1])
    response = torch.linalg.solve(gram, away.T @ (answers - answers.mean(0)) / count)
    model.get_buffer("response").copy_(response)
