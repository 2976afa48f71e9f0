"""Makes a photograph talk: speech predicts the motion of the face mesh, the mesh warps the picture.

Paper     ours; principal components of mesh motion as in active appearance models (Cootes, Edwards, Taylor
          1998), driven by speech as in Voice Puppetry (Brand 1999)
Data      talking clips with sound, faces from the front; mesh points of a teacher (tools/mesh_teacher.py)
Command   voiceface train talker --corpus CORPUS --points mesh.npz
Cost      closed form; a minute for 200 clips of three seconds
Reported  nothing comparable
Differs   no network: nothing of the picture is generated but the inside of the mouth
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from voiceface.corpus.clip_splits import split_clips
from voiceface.corpus.splits import Selection
from voiceface.models.clip_motion import talking_motion
from voiceface.models.face_crops import read_mesh_points
from voiceface.models.talker import TalkerModel, TalkingMotion, canonical_points
from voiceface.models.triangulate import triangulate
from voiceface.nn.face.mesh_animation import mouth_opening
from voiceface.records import SAMPLE_RATE
from voiceface.training.option_help import CLIP_OPTIONS, option_help
from voiceface.training.run import Facts, NoBatches, Run


@option_help(CLIP_OPTIONS)
def recipe(
    *,
    points: str = "",
    components: int = 12,
    ridge: float = 0.3,
    gain: float = 1.5,
    idle: float = 1.0,
    validation: float = 0.1,
    test: float = 0.15,
    leave_out: str = "",
    seed: int = 0,
) -> Run[TalkerModel]:
    """The run.

    Args:
        points: npz file of mesh points (tools/mesh_teacher.py --clips); without it face-mesh finds them
        components: principal components of the motion
        ridge: penalty of the regression, in units of a sound dimension's mean variance
        gain: factor on the predicted motion, which a regression makes too small
        idle: strength of blinks and head motion; 0 for none
    """
    return _run(dict(locals()))


def smoke() -> Run[TalkerModel]:
    """The same in seconds."""
    return recipe(components=3, validation=0.3, test=0.0)


def _run(arguments: dict[str, Any]) -> Run[TalkerModel]:
    motions = _Motions(arguments["points"])
    shares = {name: arguments[name] for name in ("validation", "test", "leave_out", "seed")}
    return Run(
        recipe="talker",
        arguments=arguments,
        split=partial(split_clips, **shares),
        facts=partial(_facts, motions),
        build=lambda facts: TalkerModel(
            triangles=facts["triangles"], components=arguments["components"], idle=arguments["idle"]
        ),
        start=partial(_start, motions, arguments),
        data=NoBatches,
        optimisers={},
        steps=0,
        seed=arguments["seed"],
        validate=partial(_validate, motions),
        select="opening",
        contract={"rate": SAMPLE_RATE, "fps": TalkerModel.fps, "face": "picture", "clips": True},
        licence="Apache-2.0",
        people="clips",
    )


class _Motions:
    """The motion of a selection's clips, measured once: both the facts and the start of a run need it."""

    def __init__(self, points: str) -> None:
        self._points = points
        self._made: dict[bytes, TalkingMotion] = {}

    def __call__(self, selection: Selection) -> TalkingMotion:
        key = selection.clips.tobytes()
        if key not in self._made:
            teacher = read_mesh_points(self._points) if self._points else {}
            self._made = {key: talking_motion(selection, teacher)}
        return self._made[key]


def _triangles(clips: TalkingMotion) -> torch.Tensor:
    points = canonical_points(clips.rest.double().numpy())
    return triangulate(torch.from_numpy(points))


def _facts(motions: Callable[[Selection], TalkingMotion], selection: Selection) -> Facts:
    return {"triangles": len(_triangles(motions(selection)))}


def _start(
    motions: Callable[[Selection], TalkingMotion],
    arguments: Mapping[str, Any],
    model: TalkerModel,
    selection: Selection,
    facts: Facts,
) -> None:
    clips = motions(selection)
    model.start(clips, _triangles(clips), ridge=arguments["ridge"], gain=arguments["gain"])


def _validate(
    motions: Callable[[Selection], TalkingMotion], model: TalkerModel, selection: Selection, facts: Facts
) -> dict[str, float]:
    """Correlation of the predicted opening of the mouth with the true one, over all frames."""
    clips = motions(selection)
    rest = model.get_buffer("rest")
    true, made = (
        mouth_opening((rest + motion).double().numpy())
        for motion in (clips.motion, model.motion(clips.sound))
    )
    if true.std() == 0 or made.std() == 0:
        return {"opening": 0.0}
    return {"opening": float(np.corrcoef(true, made)[0, 1])}
