"""A face for any voice: coefficients of a face model, predicted in closed form.

Paper     ours; ridge regression of an active appearance model (Cootes, Edwards, Taylor 1998)
Data      voices and faces of the same people
Command   voiceface train imaginer --corpus CORPUS
Cost      closed form; 3 minutes for 750 people on two processor cores
Reported  Wen et al. 2019: 76.07 % 1:2 matching with the generated face, unknown people
Differs   no paper to differ from
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.corpus.splits import Selection
from voiceface.errors import InputError
from voiceface.metrics.image import sharpness
from voiceface.models.corpus_embeddings import as_tensor, face_embeddings, voice_embeddings
from voiceface.models.corpus_face_set import corpus_face_set
from voiceface.models.corpus_faces import aligned_faces
from voiceface.models.encoder_loading import load_voice_encoder
from voiceface.models.face_model import TEMPLATE, FaceModel, FaceModelShape
from voiceface.models.generated_faces import embed_generated_faces, generate_for_selection
from voiceface.models.imaginer import FaceVariation, ImaginerModel, PairedFaces
from voiceface.models.pretrained import PretrainedEncoders
from voiceface.nn.face.detail_net import DetailNet, detail_channels
from voiceface.recipes._face_model import read_face_model
from voiceface.recipes._paired_people import paired_indices, split_paired
from voiceface.recipes._weights import find_weights_folder, open_weights
from voiceface.recipes.face_mesh import corpus_meshes
from voiceface.records import SAMPLE_RATE
from voiceface.training.option_help import option_help
from voiceface.training.run import Facts, NoBatches, Run
from voiceface.training.weights import read_weights

_DETAIL = "detail."


@option_help()
def recipe(
    *,
    voice_encoder: str = "student",
    face_model: str = "imaginer",
    detail: str = "imaginer",
    points: str = "",
    direct: float = 1.0,
    identity: float = 3.0,
    colours: float = 0.4,
    variety: float = 0.35,
    light: float = 0.35,
    hair: float = 0.8,
    outline: float = 0.7,
    ridge: float = 3.0,
    validation: float = 0.07,
    test: float = 0.2,
    wrong_labels: bool = False,
    seed: int = 0,
) -> Run[ImaginerModel]:
    """The run.

    Args:
        face_model: weights of `face_model` or of `imaginer` that hold the face model to use
        detail: weights of `face_detail`, or of `imaginer` that hold such a network; empty for smooth faces
        points: npz file of mesh points (tools/mesh_teacher.py); without it the shipped network finds them
        direct: length of the coefficients predicted from the voice, in units of the regression's
        identity: length of those that give the predicted face embedding, in units of the regression's
        colours: factor on both for skin tone and hair colour
        variety: share of what a voice does not predict of shape and texture that is sampled at random
        light: the same for skin tone
        hair: the same for hair colour
        outline: share of how hairline, outline and length of hair differ within a style that is sampled
        ridge: regularisation of the regressions, in units of a dimension's mean variance
    """
    return _run(dict(locals()))


def smoke() -> Run[ImaginerModel]:
    """The same in seconds."""
    return recipe(validation=0.3, test=0.0)


def _run(arguments: dict[str, Any]) -> Run[ImaginerModel]:
    seed = arguments["seed"]
    return Run(
        recipe="imaginer",
        arguments=arguments,
        split=partial(split_paired, **{name: arguments[name] for name in ("validation", "test", "seed")}),
        facts=partial(_facts, arguments=arguments),
        build=partial(_build, arguments=arguments),
        start=partial(_start, arguments=arguments),
        data=NoBatches,
        optimisers={},
        steps=0,
        seed=seed,
        validate=_validate,
        select="matching",
        half=True,
        contract={
            "rate": SAMPLE_RATE,
            "size": FaceModel.face_size,
            "template": TEMPLATE,
            "voice": arguments["voice_encoder"],
        },
        licence="Apache-2.0",
    )


def _detail(name: str) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Tensors of a detail network and its sizes, as `DetailNet` takes them; None where there is none."""
    if not name:
        return {}, None
    tensors, card = read_weights(find_weights_folder(name))
    if card["recipe"] == "imaginer":
        sizes = card["facts"].get("detail")
        own = {key.removeprefix(_DETAIL): value for key, value in tensors.items() if key.startswith(_DETAIL)}
        return own, sizes
    if card["recipe"] != "face_detail":
        fault = f"holds weights of {card['recipe']}"
        raise InputError(name, fault, "give weights of face_detail or of imaginer")
    own = {key.removeprefix("net."): value for key, value in tensors.items()}
    given = card["arguments"]
    return own, {"channels": detail_channels(given["width"]), "limit": given["limit"]}


def _facts(selection: Selection, arguments: dict[str, Any]) -> Facts:
    encoder = load_voice_encoder(arguments["voice_encoder"])
    mean = face_embeddings(selection.corpus)[selection.faces].mean(0)
    return {
        "voice_width": encoder.dim,
        "voice_fingerprint": encoder.fingerprint,
        "descriptor_mean": [round(float(value), 6) for value in mean],
        "face_model": read_face_model(arguments["face_model"])[1],
        "detail": _detail(arguments["detail"])[1],
    }


def _build(facts: Facts, arguments: dict[str, Any]) -> ImaginerModel:
    if "face_model" not in facts:
        fault = "are of the generator of version 0.1, which this version no longer has"
        raise InputError("weights of imaginer", fault, "train them again: voiceface train imaginer")
    detail = facts.get("detail")
    return ImaginerModel(
        FaceModelShape(**facts["face_model"]),
        voice_width=facts["voice_width"],
        variation=FaceVariation(
            **{name: arguments[name] for name in FaceVariation._fields if name in arguments}
        ),
        encoders=PretrainedEncoders(
            voice=arguments["voice_encoder"], voice_fingerprint=facts["voice_fingerprint"]
        ),
        face_embedding_mean=facts["descriptor_mean"],
        detail=DetailNet(**detail) if detail else None,
    )


def load_imaginer(name: str) -> ImaginerModel:
    """The model of weights of `imaginer`, for recipes that build on it.

    Raises:
        InputError: no such weights, or of another recipe.
    """
    tensors, card = open_weights(name, recipe="imaginer")
    model = _build(card["facts"], card["arguments"])
    model.load_weights(tensors, source=name)
    model.eval()
    return model


def _start(model: ImaginerModel, selection: Selection, facts: Facts, *, arguments: dict[str, Any]) -> None:
    model.faces.load_weights(read_face_model(arguments["face_model"])[0], source=arguments["face_model"])
    if model.detail is not None:
        model.detail.load_state_dict(_detail(arguments["detail"])[0])
    corpus = selection.corpus
    wrong = arguments["seed"] if arguments["wrong_labels"] else None
    voices, faces = paired_indices(selection, wrong_labels=wrong)
    measured = corpus_face_set(corpus, np.unique(faces), corpus_meshes(selection, arguments["points"]))
    measures = model.faces.measure(measured.pictures, measured.points)
    place = {index: row for row, index in enumerate(measured.faces.tolist())}
    kept = np.array([row for row, face in enumerate(faces.tolist()) if face in place])
    rows = torch.tensor([place[face] for face in faces[kept].tolist()])
    people = corpus.person_of("voices")[voices[kept]]
    model.start(
        PairedFaces(
            voices=as_tensor(voice_embeddings(corpus, model.encoders.voice())[voices[kept]]),
            coefficients=model.faces.encode(measures)[rows],
            embeddings=as_tensor(face_embeddings(corpus)[faces[kept]]),
            people=torch.from_numpy(np.unique(people, return_inverse=True)[1]),
        ),
        ridge=arguments["ridge"],
    )


def _validate(model: ImaginerModel, selection: Selection, facts: Facts) -> dict[str, float]:
    """1:2 matching with the generated face as probe; sharpness and spread as shares of real faces'."""
    corpus = selection.corpus
    mean = torch.tensor(model.face_embedding_mean)
    pictures = generate_for_selection(model, selection)
    generated = as_tensor(embed_generated_faces(pictures, template=TEMPLATE))
    real = as_tensor(face_embeddings(corpus)[selection.faces])
    scores = F.normalize(generated - mean, dim=1) @ F.normalize(real - mean, dim=1).T
    speakers, owners = selection.person_of("voices"), selection.person_of("faces")
    wins = []
    for row, speaker in zip(scores.numpy(), speakers, strict=True):
        own, other = row[owners == speaker], row[owners != speaker]
        if len(own) and len(other):
            wins.append(float((own[:, None] > other).mean()))
    matching = float(np.mean(wins)) if wins else 0.5
    photographs = aligned_faces(corpus, selection.faces, model.face_size, template=TEMPLATE)
    real_sharpness = sharpness(photographs, scale=255).mean()
    sharp = float(sharpness(pictures, scale=255).mean() / max(real_sharpness, 1e-12))
    return {
        "matching": matching,
        "sharpness": sharp,
        "spread": float(torch.pdist(generated).mean() / torch.pdist(real).mean().clamp_min(1e-12)),
    }
