"""Finds the 478 points of the face mesh: a small student of MediaPipe's FaceMesh.

Paper     Kartynnik et al. 2019, Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs (the
          mesh); shapes as a mean plus principal components: Cootes et al. 1995
Data      faces, and a teacher's mesh points of them (tools/mesh_teacher.py)
Command   voiceface train face_mesh --corpus CORPUS --points mesh.npz
Cost      5,700 steps of 64 faces: 2 h on a processor that other work shares
Reported  nothing comparable
Differs   96 grey pixels, depthwise separable convolutions, 259,000 weights; no depth; a probability that an
          upright face is shown and an expected error, so that pictures can be refused
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from voiceface.corpus.face_landmarks import shipped_mesh_network
from voiceface.corpus.splits import Selection, split_people
from voiceface.face.mesh import find_mesh
from voiceface.models.face_crops import FaceCrops, Points, place_windows, read_mesh_points
from voiceface.models.face_mesh import FaceMeshModel, eye_distance
from voiceface.models.step_seed import torch_generator
from voiceface.nn.face.landmark_net import LandmarkNet
from voiceface.training.run import Facts, Optimiser, Run


def recipe(
    *,
    points: str = "",
    components: int = 80,
    channels: int = 16,
    hidden: int = 160,
    colour: float = 3.0,
    shapes: int = 12_000,
    lr: float = 2e-3,
    batch_size: int = 64,
    steps: int = 5700,
    every: int = 500,
    validation: float = 0.05,
    test: float = 0.1,
    seed: int = 0,
) -> Run[FaceMeshModel]:
    """Train the network on a teacher's points.

    Args:
        points: npz file of tools/mesh_teacher.py; without it the shipped network is the teacher
        components: components of the shape basis
        channels: channels of the first layer; the others grow with it
        hidden: width of the last layer
        colour: how many times as often as a grey face one in colour is sampled
        shapes: augmented faces from which the shape basis is computed
        lr: highest learning rate; it falls along a cosine
        batch_size: faces per step
        steps: training steps
        every: steps between validations
        validation: share of the people used for validation
        test: share of the people left out as test set
        seed: random seed
    """
    return Run(
        recipe="face_mesh",
        arguments=dict(locals()),
        split=lambda corpus: split_people(corpus, seed=seed, validation=validation, test=test),
        facts=lambda selection: {},
        build=lambda facts: FaceMeshModel(
            components=components,
            channels=(channels, 3 * channels, 5 * channels, 8 * channels),
            hidden=hidden,
        ),
        start=partial(_start, points=points, colour=colour, shapes=shapes, seed=seed),
        data=lambda selection, facts: FaceCrops(
            selection, corpus_meshes(selection, points), batch_size=batch_size, colour=colour, seed=seed
        ),
        optimisers={"find": Optimiser(lr=lr, weight_decay=1e-4, clip=5.0, schedule="cosine", warmup=200)},
        steps=steps,
        seed=seed,
        every=every,
        validate=partial(_validate, points=points),
        select="-error",
        ema=0.995,
        half=True,
        contract={"size": LandmarkNet.size, "template": "head", "points": 478, "colours": "grey"},
        licence="Apache-2.0",
    )


def smoke() -> Run[FaceMeshModel]:
    """The same in seconds."""
    return recipe(
        components=4,
        channels=4,
        hidden=8,
        shapes=20,
        batch_size=4,
        steps=4,
        every=2,
        validation=0.3,
        test=0.0,
    )


def corpus_meshes(selection: Selection, points: str) -> dict[str, Points]:
    """The teacher's meshes of a selection's faces; of the shipped network those that may be trusted."""
    if points:
        return read_mesh_points(points)
    corpus, found = selection.corpus, {}
    for index in selection.faces.tolist():
        face = corpus.faces[index]
        five = np.asarray(face.landmarks, np.float64).reshape(5, 2)
        mesh = find_mesh(np.asarray(corpus.picture(index)), five, shipped_mesh_network())
        if not mesh.fault:
            found[face.id] = mesh.points.astype(np.float64)
    return found


def _start(
    model: FaceMeshModel,
    selection: Selection,
    facts: Facts,
    *,
    points: str,
    colour: float,
    shapes: int,
    seed: int,
) -> None:
    faces = FaceCrops(selection, corpus_meshes(selection, points), colour=colour, seed=seed)
    model.start(faces.mirrored_points(shapes))


@torch.no_grad()
def _validate(model: FaceMeshModel, selection: Selection, facts: Facts, *, points: str) -> dict[str, float]:
    """Mean error of a point in distances between the eyes, at windows placed as in training."""
    faces = FaceCrops(selection, corpus_meshes(selection, points))
    rows = torch.arange(len(faces.crops))
    crops, target = faces.cut(rows, place_windows(len(rows), torch_generator("validation")))
    found = torch.cat([model.network(some).points for some in torch.split(crops, 64)])
    return {"error": float(((found - target).norm(dim=2).mean(1) / eye_distance(target)).mean())}
