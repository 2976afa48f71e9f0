"""A statistical model of faces: canonical shape, principal components of shape and texture, hair styles.

Paper     ours; active appearance models (Cootes, Edwards, Taylor 1998), normalised faces as in the decoder of
          Speech2Face (Oh et al. 2019, section 3; Cole et al. 2017)
Data      frontal faces; grey ones teach luminance. Masks of the person from a teacher (tools/person_masks.py)
Command   voiceface train face_model --corpus CORPUS --masks masks.npz
Cost      closed form; 10 minutes for 10,000 faces on two processor cores
Reported  nothing comparable
Differs   no network: hair is an average of people whose outlines are alike, neck and clothes are plain
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from voiceface.corpus.splits import Selection
from voiceface.errors import InputError
from voiceface.face.align import template_points
from voiceface.face.mesh import EYE_CORNERS_AND_NOSE
from voiceface.face.mesh_mirror import MIRRORED_POINTS
from voiceface.models.corpus_face_set import FaceSet, corpus_face_set, read_person_masks
from voiceface.models.face_model import OUTLINES, TEMPLATE, FaceModel, FaceModelShape
from voiceface.models.face_surroundings import hair_colours, label_surroundings
from voiceface.models.fit_face_model import CanonicalFrame, canonical_frame, fit_bases, fit_frame, fit_glasses
from voiceface.models.fit_hair_styles import fit_hair_reader, fit_hair_styles, fit_style_shares
from voiceface.models.fit_recogniser_response import fit_recogniser_response
from voiceface.models.once_per_selection import OncePerSelection
from voiceface.nn.face.face_model import SIZE
from voiceface.recipes._face_model import FITTED_TO_HAIR, read_face_model
from voiceface.recipes._paired_people import split_paired
from voiceface.recipes.face_mesh import corpus_meshes
from voiceface.training.option_help import option_help
from voiceface.training.run import Facts, NoBatches, Run


@option_help()
def recipe(
    *,
    points: str = "",
    masks: str = "",
    bases: str = "",
    shape: int = 40,
    luminance: int = 140,
    chroma: int = 40,
    styles: int = 12,
    clusters: int = 16,
    outlines: int = OUTLINES,
    responses: int = 2400,
    validation: float = 0.07,
    test: float = 0.2,
    seed: int = 0,
) -> Run[FaceModel]:
    """The run.

    Args:
        points: npz file of mesh points (tools/mesh_teacher.py); without it the shipped network finds them
        masks: npz file of tools/person_masks.py; without it whole pictures count as person
        bases: weights of `face_model` or `imaginer` whose shape and texture are kept: only hair is fitted
        shape: principal components of the mesh
        luminance: principal components of the texture's luminance
        chroma: principal components of its colours
        styles: number of hair styles
        clusters: groups of outlines from which the styles are chosen
        outlines: numbers by which hair varies within a style: components of hairline and outline, its length
        responses: random faces in which the face recogniser's response to the coefficients is measured
    """
    return _run(dict(locals()))


def smoke() -> Run[FaceModel]:
    """The same in seconds."""
    return recipe(shape=4, luminance=6, chroma=3, styles=2, clusters=2, responses=6, validation=0.3, test=0.0)


def _run(arguments: dict[str, Any]) -> Run[FaceModel]:
    meshes = OncePerSelection(partial(_face_set, **{name: arguments[name] for name in ("points", "masks")}))
    return Run(
        recipe="face_model",
        arguments=arguments,
        split=partial(split_paired, **{name: arguments[name] for name in ("validation", "test", "seed")}),
        facts=partial(_facts, meshes, arguments),
        build=partial(_build, arguments=arguments),
        start=partial(_start, meshes, arguments),
        data=NoBatches,
        optimisers={},
        steps=0,
        seed=arguments["seed"],
        validate=partial(_validate, meshes),
        select="explained",
        contract={"size": SIZE, "template": TEMPLATE, "points": 478},
        licence="Apache-2.0",
    )


def _face_set(selection: Selection, *, points: str, masks: str) -> FaceSet:
    """The faces of a selection, aligned."""
    person = read_person_masks(masks) if masks else None
    return corpus_face_set(selection.corpus, selection.faces, corpus_meshes(selection, points), person)


def _frame(faces: FaceSet) -> CanonicalFrame:
    return canonical_frame(faces.points, torch.as_tensor(MIRRORED_POINTS))


def _facts(
    meshes: Callable[[Selection], FaceSet], arguments: Mapping[str, Any], selection: Selection
) -> Facts:
    # Weights from before outlines varied have no such fact.
    hair = {"outlines": arguments["outlines"]}
    if arguments["bases"]:
        sizes = read_face_model(arguments["bases"])[1]
        return hair | {name: sizes[name] for name in ("triangles", "pixels", "small_pixels", "components")}
    frame = _frame(meshes(selection))
    return hair | {
        "triangles": len(frame.triangles),
        "pixels": int(frame.inside.sum()),
        "small_pixels": int(frame.inside_small.sum()),
    }


def _build(facts: Facts, arguments: Mapping[str, Any]) -> FaceModel:
    components = {name: arguments[name] for name in ("shape", "luminance", "chroma")}
    sizes = {"components": components | {"tone": 4, "hair": 3}, **facts}
    return FaceModel(FaceModelShape(**sizes, styles=arguments["styles"]))


def _start(
    meshes: Callable[[Selection], FaceSet],
    arguments: Mapping[str, Any],
    model: FaceModel,
    selection: Selection,
    facts: Facts,
) -> None:
    faces = meshes(selection)
    if arguments["bases"]:
        _keep_bases(model, arguments["bases"])
    else:
        five = torch.tensor(EYE_CORNERS_AND_NOSE)
        template = torch.from_numpy(template_points(TEMPLATE, SIZE)).float()
        fit_frame(model, _frame(faces), five=five, template=template)
        fit_glasses(model, faces)
    measures = model.measure(faces.pictures, faces.points)
    grey = _grey(faces.pictures)
    seen = ~faces.person.isnan().flatten(1).any(1) & ~grey
    if not bool(seen.any()):  # no masks: whole pictures are person
        faces = faces._replace(person=torch.ones_like(faces.person))
        seen = ~grey
    if not bool(seen.any()):
        raise InputError(selection.corpus.path, "has no face in colour", "give some")
    around = label_surroundings(model, faces, torch.nonzero(seen)[:, 0])
    hair = hair_colours(around, len(grey))
    clean = None if arguments["bases"] else fit_bases(model, measures, hair, grey=grey)
    fit_hair_reader(model, measures, hair)
    coefficients = model.encode(measures)
    worn = fit_hair_styles(
        model, around, measures, coefficients, clusters=arguments["clusters"], seed=arguments["seed"]
    )
    fit_style_shares(model, coefficients, worn)
    if clean is not None:  # the recogniser sees little of the hair
        usable = clean & (worn.sum(1) > 0)
        fit_recogniser_response(
            model,
            coefficients[usable],
            worn[usable].argmax(1),
            count=arguments["responses"],
            seed=arguments["seed"],
        )


def _keep_bases(model: FaceModel, name: str) -> None:
    """Take over all that is not fitted to hair."""
    own = model.state_dict()
    for key, value in read_face_model(name)[0].items():
        if not key.startswith(FITTED_TO_HAIR):
            own[key].copy_(value)


def _validate(
    meshes: Callable[[Selection], FaceSet], model: FaceModel, selection: Selection, facts: Facts
) -> dict[str, float]:
    """Share of the luminance inside the faces of unknown people that the components explain."""
    faces = meshes(selection)
    measures = model.measure(faces.pictures, faces.points)
    numbers = model.neutral_measures(measures)["luminance"]
    away = numbers - model.net.get_buffer("luminance_mean")
    left = numbers - model.net.decode(model.encode(measures))["luminance"]
    return {"explained": float(1 - left.square().sum() / away.square().sum().clamp_min(1e-9))}


def _grey(pictures: Tensor) -> Tensor:
    """Whether each picture (n, 3, h, w) is without colour."""
    small = pictures[:, :, ::4, ::4].float()
    return (small.amax(1) - small.amin(1)).mean((1, 2)) < 1.5
