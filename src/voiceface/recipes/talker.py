"""Makes a photograph talk: speech predicts the motion of the face mesh, the mesh warps the picture.

Paper     ours; principal components of mesh motion as in active appearance models (Cootes, Edwards, Taylor
          1998), driven by speech as in Voice Puppetry (Brand 1999)
Data      talking clips with sound, faces from the front; mesh points of a teacher (tools/mesh_teacher.py)
Command   voiceface train talker --corpus CORPUS --points mesh.npz
Cost      1,500 steps of 16 windows: two minutes on a processor
Reported  nothing comparable
Differs   no generated pixels but the inside of the mouth; a network of 93,000 weights on log-mels of altered
          voices; closures of the lips weigh four times as much as other frames
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from voiceface.corpus.clip_splits import split_clips
from voiceface.corpus.splits import Selection
from voiceface.metrics.sync_confidence import correlation
from voiceface.models.clip_motion import KeptMeshes, talking_motion
from voiceface.models.face_crops import read_mesh_points
from voiceface.models.fit_shading import fit_shading
from voiceface.models.once_per_selection import OncePerSelection
from voiceface.models.talker import TalkerModel, TalkingMotion, canonical_points, mean_rest
from voiceface.models.talking_windows import TalkingWindows
from voiceface.models.triangulate import triangulate
from voiceface.nn.face.mesh_animation import mouth_opening
from voiceface.records import SAMPLE_RATE
from voiceface.training.option_help import CLIP_OPTIONS, option_help
from voiceface.training.run import Facts, Optimiser, Run

Motions = Callable[[Selection], list[TalkingMotion]]


@option_help(CLIP_OPTIONS)
def recipe(
    *,
    points: str = "",
    components: int = 12,
    width: int = 64,
    frames: int = 64,
    closure: float = 3.0,
    gain: float = 1.1,
    idle: float = 1.0,
    shading: bool = True,
    batch_size: int = 16,
    lr: float = 2e-3,
    weight_decay: float = 0.05,
    steps: int = 1_500,
    every: int = 250,
    validation: float = 0.1,
    test: float = 0.15,
    leave_out: str = "",
    seed: int = 0,
) -> Run[TalkerModel]:
    """The run.

    Args:
        points: npz file of mesh points (tools/mesh_teacher.py --clips); without it face-mesh finds them
        components: principal components of the motion
        width: channels of the network
        frames: frames of a training window
        closure: extra weight of frames in which a speaking mouth closes
        gain: factor on the motion that is shown; warped pictures show it smaller than it is
        idle: strength of blinks, brows and head motion; 0 for none
        shading: whether the light on the face changes with its motion
        batch_size: windows per step
    """
    return _run(dict(locals()))


def smoke() -> Run[TalkerModel]:
    """The same in seconds."""
    return recipe(components=3, width=4, frames=16, batch_size=4, steps=4, every=2, validation=0.3, test=0.0)


def _run(arguments: dict[str, Any]) -> Run[TalkerModel]:
    meshes = KeptMeshes(partial(_teacher, arguments["points"]))
    motions = OncePerSelection(partial(talking_motion, meshes=meshes))
    shares = {name: arguments[name] for name in ("validation", "test", "leave_out", "seed")}
    return Run(
        recipe="talker",
        arguments=arguments,
        split=partial(split_clips, **shares),
        facts=partial(_facts, motions, arguments),
        build=lambda facts: TalkerModel(
            triangles=facts["triangles"],
            # Weights trained before there was shading have no such fact.
            shading=bool(facts.get("shading", False)),
            **{name: arguments[name] for name in ("components", "width", "gain", "idle")},
        ),
        start=partial(_start, motions, meshes),
        data=lambda selection, facts: TalkingWindows(
            motions(selection),
            **{name: arguments[name] for name in ("frames", "batch_size", "closure", "seed")},
        ),
        optimisers={
            "motion": Optimiser(
                lr=arguments["lr"],
                weight_decay=arguments["weight_decay"],
                schedule="cosine",
                warmup=arguments["steps"] // 10,
                clip=1.0,
            )
        },
        steps=arguments["steps"],
        seed=arguments["seed"],
        every=arguments["every"],
        validate=partial(_validate, motions),
        select="opening",
        ema=0.99,
        contract={"rate": SAMPLE_RATE, "fps": TalkerModel.fps, "face": "picture", "clips": True},
        licence="Apache-2.0",
        people="clips",
    )


def _teacher(points: str) -> dict[str, npt.NDArray[np.float64]]:
    return read_mesh_points(points) if points else {}


def _triangles(clips: Sequence[TalkingMotion]) -> torch.Tensor:
    points = canonical_points(mean_rest(clips).double().numpy())
    return triangulate(torch.from_numpy(points))


def _facts(motions: Motions, arguments: dict[str, Any], selection: Selection) -> Facts:
    return {"triangles": len(_triangles(motions(selection))), "shading": arguments["shading"]}


def _start(
    motions: Motions, meshes: KeptMeshes, model: TalkerModel, selection: Selection, facts: Facts
) -> None:
    clips = motions(selection)
    model.start(clips, _triangles(clips))
    if model.shading:
        light = fit_shading(
            selection,
            meshes,
            coefficients=model.coefficients_of,
            canonical=model.canonical(),
            triangles=model.get_buffer("triangles"),
        )
        model.get_buffer("light").copy_(light)
    meshes.forget()


def _validate(motions: Motions, model: TalkerModel, selection: Selection, facts: Facts) -> dict[str, float]:
    """How the predicted opening of the mouth follows the true one: correlation, mean over clips."""
    together = []
    for clip in motions(selection):
        made = mouth_opening((clip.rest + model.motion(clip.mels)).double().numpy())
        together.append(correlation(clip.opening.numpy(), made))
    return {"opening": float(np.nan_to_num(together).mean())}
