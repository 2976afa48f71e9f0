"""A face for any voice: a face embedding predicted in closed form, and a network that generates its picture.

Paper     ours; canonical ridge (models/matching.py), linear faces (Turk and Pentland 1991), a discriminator
          of patches (Isola et al. 2017) with differentiable augmentation (Zhao et al. 2020)
Data      voices and faces of the same people; faces without a voice train the refiner too
Command   voiceface train imaginer --corpus CORPUS
Cost      see RESULTS.md
Reported  Wen et al. 2019: 76.07 % 1:2 matching with the generated face, unknown people
Differs   no paper to differ from
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.corpus.splits import Selection, Split
from voiceface.metrics.image import sharpness
from voiceface.models.align_for_dlib import align_for_dlib
from voiceface.models.corpus_embeddings import as_tensor, face_embeddings, voice_embeddings
from voiceface.models.corpus_faces import aligned_faces, frontal_faces
from voiceface.models.dlib_recogniser import load_dlib_recogniser
from voiceface.models.encoder_loading import load_voice_encoder
from voiceface.models.generated_faces import generate_for_selection
from voiceface.models.imaginer import TEMPLATE, FaceVariation, ImaginerModel, ImaginerShape, LossWeights
from voiceface.models.pretrained import PretrainedEncoders
from voiceface.models.step_seed import numpy_generator
from voiceface.recipes._encoder_pairs import paired_items
from voiceface.records import SAMPLE_RATE
from voiceface.training.option_help import option_help
from voiceface.training.run import Facts, Optimiser, Run

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = ["paired_indices", "recipe", "smoke", "split_paired"]

_BLOCK = 32


@option_help()
def recipe(
    *,
    voice_encoder: str = "student",
    codes: int = 64,
    nuisances: int = 48,
    size: int = 128,
    channels: int = 40,
    judge: int = 64,
    colour: float = 10.0,
    features: float = 4.0,
    identity: float = 2.0,
    adversarial: float = 1.0,
    steep: float = 10.0,
    amplify: float = 0.9,
    variety: float = 0.5,
    light: float = 0.5,
    grain: float = 1.0,
    lr: float = 4e-4,
    batch_size: int = 8,
    steps: int = 2400,
    every: int = 300,
    validation: float = 0.07,
    test: float = 0.2,
    wrong_labels: bool = False,
    seed: int = 0,
) -> Run[ImaginerModel]:
    """The run.

    Args:
        codes: dimensions of the whitened face embedding
        nuisances: dimensions of all else that makes a picture: light, pose, surroundings
        size: side of the faces in pixels, a multiple of 8
        channels: channels of the refiner at half the size
        judge: channels of the discriminator's first layer
        colour: loss weight of the difference to the known photograph, pixel by pixel
        features: loss weight of that difference in the face recogniser's maps
        identity: loss weight of the distance to the requested face embedding
        adversarial: loss weight of the discriminator
        steep: weight of the discriminator's gradient penalty (R1)
        amplify: distance of generated faces from the mean face, in units of real faces' mean distance
        variety: share of what a voice does not tell of a face that is sampled at random, 0 to 1
        light: share of the variation between photographs of one person that is sampled, 0 to 1
        grain: strength of the refiner's noise, 0 to 1
        batch_size: real faces a step, of which half are generated again
    """
    return _run(dict(locals()))


def smoke() -> Run[ImaginerModel]:
    """The same in seconds."""
    return recipe(
        codes=8,
        nuisances=4,
        size=32,
        channels=5,
        judge=4,
        batch_size=4,
        steps=4,
        every=2,
        validation=0.3,
        test=0.0,
    )


def _run(arguments: dict[str, Any]) -> Run[ImaginerModel]:
    seed, size, voice_encoder = (arguments[name] for name in ("seed", "size", "voice_encoder"))
    sampling = {name: arguments[name] for name in ("voice_encoder", "size", "batch_size", "seed")}
    return Run(
        recipe="imaginer",
        arguments=arguments,
        split=partial(split_paired, **{name: arguments[name] for name in ("validation", "test", "seed")}),
        facts=partial(_facts, voice_encoder=voice_encoder),
        build=partial(_build, arguments=arguments),
        start=partial(_start, wrong_labels=seed if arguments["wrong_labels"] else None),
        data=partial(PhotographBatches, **sampling),
        optimisers=_optimisers(arguments["lr"]),
        steps=arguments["steps"],
        seed=seed,
        validate=_validate,
        select="score",
        every=arguments["every"],
        ema=0.995,
        half=True,
        contract={"rate": SAMPLE_RATE, "size": size, "template": TEMPLATE, "voice": voice_encoder},
        licence="Apache-2.0",
    )


def _build(facts: Facts, arguments: dict[str, Any]) -> ImaginerModel:
    channels, discriminator = arguments["channels"], arguments["judge"]
    return ImaginerModel(
        ImaginerShape(
            voice_width=facts["voice_width"],
            codes=arguments["codes"],
            nuisances=arguments["nuisances"],
            size=arguments["size"],
            channels=(4 * channels, 12 * channels // 5, channels),
            discriminator=(discriminator, 2 * discriminator, 4 * discriminator, 4 * discriminator),
        ),
        weights=LossWeights(
            colour=arguments["colour"],
            features=arguments["features"],
            identity=arguments["identity"],
            adversarial=arguments["adversarial"],
            r1=arguments["steep"],
        ),
        variation=FaceVariation(**{name: arguments[name] for name in FaceVariation._fields}),
        encoders=PretrainedEncoders(
            voice=arguments["voice_encoder"], voice_fingerprint=facts["voice_fingerprint"]
        ),
        face_embedding_mean=facts["descriptor_mean"],
    )


def _optimisers(lr: float) -> dict[str, Optimiser]:
    betas = (0.0, 0.99)
    return {
        "discriminator": Optimiser(name="adam", lr=lr, betas=betas, schedule="cosine", final=0.2),
        "generator": Optimiser(name="adam", lr=lr, betas=betas, clip=10.0, schedule="cosine", final=0.1),
    }


def split_paired(corpus: Corpus, *, seed: int, validation: float, test: float) -> Split:
    """Split people with a voice and a face; people with faces alone are all trained on.

    Half of the people of known gender are in the test part where they are few: the gender of generated
    faces is measured on them.
    """
    whole = Selection.everything(corpus)
    paired = set(np.intersect1d(corpus.person_of("voices"), corpus.person_of("faces")).tolist())
    gender = {person.id: person.gender for person in corpus.people}
    known = sum(bool(gender.get(id)) for id in paired)
    parts: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    strata: dict[str, list[str]] = {}
    for id in sorted(set(whole.people)):
        if id not in paired:
            parts["train"].append(id)
        else:
            strata.setdefault(gender.get(id, ""), []).append(id)
    for name, people in sorted(strata.items()):
        share = min(0.5, max(test, 30 / known)) if name and test else test
        row = sorted(people, key=lambda id: hashlib.sha256(f"{seed}\n{id}".encode()).digest())
        ends = round(share * len(row)), round((share + validation) * len(row))
        parts["test"] += row[: ends[0]]
        parts["validation"] += row[ends[0] : ends[1]]
        parts["train"] += row[ends[1] :]
    return Split(*(whole.restrict(parts[part]) for part in ("train", "validation", "test")))


class PhotographBatches:
    """Batches of real faces with their embeddings, and of embeddings and voices to generate others from.

    Args:
        selection: the training items.
        facts: of the run.
        voice_encoder: name or path of the voice encoder.
        size: pixels a side.
        batch_size: real faces a step, of which half are generated again.
        seed: random seed.
    """

    def __init__(
        self,
        selection: Selection,
        facts: Facts,
        *,
        voice_encoder: str,
        size: int,
        batch_size: int,
        seed: int,
    ) -> None:
        corpus = selection.corpus
        faces = frontal_faces(corpus, selection.faces, template=TEMPLATE)
        self.pictures = _pictures(corpus, faces, size)
        self.embeddings = as_tensor(face_embeddings(corpus)[faces])
        encoder = load_voice_encoder(voice_encoder)
        self.voices = as_tensor(voice_embeddings(corpus, encoder)[selection.voices])
        self.batch_size, self.seed = batch_size, seed

    def batch(self, step: int) -> dict[str, Tensor]:
        """``pictures`` (n, 3, size, size) uint8, ``known`` (n/2, 128), ``others`` and ``voices``."""
        random = numpy_generator(self.seed, step)
        count, half = len(self.embeddings), max(1, self.batch_size // 2)
        chosen = torch.from_numpy(random.choice(count, self.batch_size, replace=count < self.batch_size))
        flipped = torch.from_numpy(random.random(self.batch_size) < 0.5)
        pictures = self.pictures[chosen]
        pictures = torch.where(flipped[:, None, None, None], pictures.flip(3), pictures)
        others = torch.from_numpy(random.integers(count, size=max(1, half // 3)))
        voices = torch.from_numpy(random.integers(len(self.voices), size=max(1, half - half // 3)))
        return {
            "pictures": pictures,
            "known": self.embeddings[chosen[:half]],
            "others": self.embeddings[others],
            "voices": self.voices[voices],
        }


def _pictures(corpus: Corpus, faces: npt.NDArray[np.int64], size: int) -> Tensor:
    return torch.from_numpy(aligned_faces(corpus, faces, size, template=TEMPLATE)).permute(0, 3, 1, 2)


def _facts(selection: Selection, voice_encoder: str) -> Facts:
    encoder = load_voice_encoder(voice_encoder)
    mean = face_embeddings(selection.corpus)[selection.faces].mean(0)
    return {
        "voice_width": encoder.dim,
        "voice_fingerprint": encoder.fingerprint,
        "descriptor_mean": [round(float(value), 6) for value in mean],
    }


def paired_indices(
    selection: Selection, *, wrong_labels: int | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Indices of a voice and a face of one person each (`paired_items`); a shorter list is repeated."""
    voices, faces = [], []
    for own_voices, own_faces in paired_items(selection, wrong_labels=wrong_labels):
        count = max(len(own_voices), len(own_faces))
        voices.append(np.resize(own_voices, count))
        faces.append(np.resize(own_faces, count))
    return np.concatenate(voices), np.concatenate(faces)


def _start(model: ImaginerModel, selection: Selection, facts: Facts, *, wrong_labels: int | None) -> None:
    corpus = selection.corpus
    voices, faces = paired_indices(selection, wrong_labels=wrong_labels)
    embeddings = face_embeddings(corpus)
    small = F.avg_pool2d(_pictures(corpus, selection.faces, model.face_size).float() / 127.5 - 1, 2)
    # A face and its mirror image have one embedding: what is left and right of a face is nuisance.
    model.start(
        as_tensor(voice_embeddings(corpus, model.encoders.voice())[voices]),
        as_tensor(embeddings[faces]),
        embeddings=as_tensor(embeddings[selection.faces]).repeat(2, 1),
        pictures=torch.cat([small, small.flip(3)]),
    )


def _validate(model: ImaginerModel, selection: Selection, facts: Facts) -> dict[str, float]:
    """1:2 matching with the generated face as probe; sharpness and spread as shares of real faces'."""
    corpus = selection.corpus
    mean = model.get_buffer("face_mean").cpu()
    pictures = generate_for_selection(model, selection)
    network = load_dlib_recogniser().to(mean.device)
    faces = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    generated = torch.cat(
        [network(align_for_dlib(some, template=TEMPLATE)) for some in torch.split(faces, _BLOCK)]
    )
    real = as_tensor(face_embeddings(corpus)[selection.faces])
    scores = F.normalize(generated - mean, dim=1) @ F.normalize(real - mean, dim=1).T
    speakers, owners = (
        corpus.person_of("voices")[selection.voices],
        corpus.person_of("faces")[selection.faces],
    )
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
        "score": matching + 0.2 * min(sharp, 0.6),
    }
