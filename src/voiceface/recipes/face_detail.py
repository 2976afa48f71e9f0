"""Detail for the faces of `imaginer`: a network that sharpens rendered portraits, learnt from photographs.

Paper     ours; blind restoration of faces (Wang et al. 2021, GFPGAN, section 3) with a patch discriminator
          (Isola et al. 2017)
Data      frontal faces in colour, sharp ones; masks of the person from a teacher (tools/person_masks.py)
Command   voiceface train face_detail --corpus CORPUS --masks masks.npz
Cost      1,600 steps: 20 minutes on two processor cores with bf16
Reported  nothing comparable
Differs   no pretrained generator and no face recogniser's loss
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from voiceface.corpus.splits import Selection
from voiceface.models.corpus_face_set import corpus_face_set, read_person_masks
from voiceface.models.detail_faces import DetailFaces, SharpFaces, sharp_faces
from voiceface.models.face_detail import DetailWeights, FaceDetail
from voiceface.models.face_model import TEMPLATE
from voiceface.models.once_per_selection import OncePerSelection
from voiceface.nn.face.box_filters import blur
from voiceface.nn.face.detail_net import detail_channels
from voiceface.nn.face.face_model import SIZE
from voiceface.recipes._paired_people import split_paired
from voiceface.recipes.face_mesh import corpus_meshes
from voiceface.recipes.imaginer import load_imaginer
from voiceface.training.option_help import option_help
from voiceface.training.run import Facts, Optimiser, Run

_VALIDATED, _BLOCK = 32, 8
_BANDS = (3, 5, 9, 17, 33)


@option_help()
def recipe(
    *,
    imaginer: str = "imaginer",
    points: str = "",
    masks: str = "",
    keep: float = 0.25,
    width: int = 16,
    discriminator_width: int = 48,
    limit: float = 0.16,
    adversarial: float = 1.0,
    pixels: float = 1.5,
    matching: float = 2.0,
    lr: float = 4e-4,
    batch_size: int = 4,
    crop: int = 192,
    ema: float = 0.995,
    steps: int = 1_600,
    every: int = 200,
    validation: float = 0.07,
    test: float = 0.2,
    seed: int = 0,
) -> Run[FaceDetail]:
    """The run.

    Args:
        imaginer: weights of `imaginer` with the face model
        points: npz file of mesh points (tools/mesh_teacher.py); without it the shipped network finds them
        masks: npz file of tools/person_masks.py; without it whole pictures count as person
        keep: share of the faces, the sharpest, that teach detail
        width: channels of the generator at full size; more at smaller sizes
        discriminator_width: channels of the discriminator's first layer
        limit: largest change of luminance within a face, of a range of 2
        adversarial: weight of the discriminator's answer
        pixels: weight of the distance from the sharp face, where it is known
        matching: weight of the distance of the discriminator's maps of the two
        lr: learning rate of both networks (Adam)
        batch_size: photographs a step
        crop: side of the window of them that a step sees, in pixels; 32 divides it
    """
    return _run(dict(locals()))


def smoke() -> Run[FaceDetail]:
    """The same in seconds."""
    return recipe(
        keep=1.0,
        width=4,
        discriminator_width=4,
        batch_size=1,
        steps=2,
        every=2,
        validation=0.3,
        test=0.0,
    )


def _run(arguments: dict[str, Any]) -> Run[FaceDetail]:
    sharp = OncePerSelection(partial(_sharp, arguments=arguments))
    adam = Optimiser(name="adam", lr=arguments["lr"], betas=(0.5, 0.99), schedule="linear", final=0.2)
    return Run(
        recipe="face_detail",
        arguments=arguments,
        split=partial(split_paired, **{name: arguments[name] for name in ("validation", "test", "seed")}),
        facts=lambda selection: {},
        build=partial(_build, arguments=arguments),
        data=lambda selection, facts: DetailFaces(
            sharp(selection),
            batch_size=arguments["batch_size"],
            crop=arguments["crop"],
            seed=arguments["seed"],
        ),
        optimisers={"discriminator": adam, "generator": adam},
        steps=arguments["steps"],
        seed=arguments["seed"],
        validate=partial(_validate, sharp),
        every=arguments["every"],
        select="-spectrum",
        ema=arguments["ema"] or None,
        contract={"size": SIZE, "template": TEMPLATE},
        licence="Apache-2.0",
        half=True,
    )


def _build(facts: Facts, arguments: dict[str, Any]) -> FaceDetail:
    first = arguments["discriminator_width"]
    return FaceDetail(
        channels=detail_channels(arguments["width"]),
        discriminator_channels=(first, 2 * first, 4 * first, 5 * first),
        limit=arguments["limit"],
        weights=DetailWeights(**{name: arguments[name] for name in DetailWeights._fields}),
    )


def _sharp(selection: Selection, *, arguments: dict[str, Any]) -> SharpFaces:
    model = load_imaginer(arguments["imaginer"]).faces
    person = read_person_masks(arguments["masks"]) if arguments["masks"] else None
    meshes = corpus_meshes(selection, arguments["points"])
    faces = corpus_face_set(selection.corpus, selection.faces, meshes, person)
    asymmetry = model.measure(faces.pictures, faces.points).asymmetry
    return sharp_faces(model, faces, asymmetry, keep=arguments["keep"])


def _validate(
    sharp: OncePerSelection[[], SharpFaces], model: FaceDetail, selection: Selection, facts: Facts
) -> dict[str, float]:
    """Distance of the contrast of unknown people's sharpened faces from their own, five scales, decades."""
    faces = sharp(selection)
    rows = torch.arange(min(_VALIDATED, len(faces.pictures)))
    pairs = DetailFaces(faces, batch_size=1, seed=0).pairs(rows, torch.Generator().manual_seed(0))
    device = next(model.parameters()).device
    found = []
    for some in torch.split(rows, _BLOCK):
        parts = (pairs[name][some].to(device) for name in ("smooth", "face", "grain"))
        found.append(model.net(*parts).cpu())
    distance = _contrasts(torch.cat(found)) - _contrasts(pairs["sharp"])
    return {"spectrum": float(distance.abs().mean())}


def _contrasts(pictures: Tensor) -> Tensor:
    """Decades of the mean contrast of luminance (5,) between neighbouring scales."""
    levels = [pictures.mean(1, keepdim=True)]
    levels += [blur(levels[0], width) for width in _BANDS]
    bands = [(fine - coarse).square().mean().sqrt() for fine, coarse in zip(levels, levels[1:], strict=False)]
    return torch.stack(bands).clamp_min(1e-6).log10()
