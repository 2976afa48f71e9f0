"""A face for anybody's voice: a descriptor predicted in closed form, painted by a network.

Paper     ours; canonical ridge (models/matching.py), linear faces (Turk and Pentland 1991), a judge of
          patches (Isola et al. 2017) behind differentiable augmentation (Zhao et al. 2020)
Data      voices and faces of the same people; faces without a voice teach the painter too
Command   voiceface train imaginer --corpus CORPUS
Cost      see RESULTS.md
Reported  Wen et al. 2019: 76.07 % 1:2 matching with the drawn face, unknown people
Differs   nothing to differ from
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.corpus.splits import Selection, Split
from voiceface.errors import InputError
from voiceface.metrics.image import sharpness
from voiceface.models.corpus_embeddings import as_tensor, face_embeddings, voice_embeddings
from voiceface.models.corpus_faces import aligned_faces, frontal
from voiceface.models.dlib_recogniser import load_dlib_recogniser
from voiceface.models.generated_faces import embed_generated_and_real, generate_for_selection
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.imaginer import TEMPLATE, ImaginerModel, Weights, to_aligned_faces
from voiceface.models.model import Model
from voiceface.recipes.matcher import load_encoder
from voiceface.training.run import Facts, Optimiser, Pictures, Run

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = ["paired_items", "recipe", "smoke", "split_paired"]

_BLOCK = 32


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
) -> Run:
    """The run; ``amplify``, ``variety``, ``light`` and ``grain`` are those of `FaceVariation`.

    ``wrong_labels`` gives every training person's voice somebody else's face: a control that must end at
    chance.
    """
    arguments: dict[str, Any] = dict(locals())
    control = seed if wrong_labels else None
    far = FaceVariation(amplify=amplify, variety=variety, light=light, grain=grain)
    return Run(
        recipe="imaginer",
        arguments=arguments,
        split=lambda corpus: split_paired(corpus, seed=seed, validation=validation, test=test),
        facts=lambda selection: _facts(selection, voice_encoder),
        build=lambda facts: _build(facts, arguments),
        start=lambda model, selection, facts: _start(model, selection, voice_encoder, size, control),
        data=lambda selection, facts: Photographs(
            selection, voice_encoder=voice_encoder, size=size, batch_size=batch_size, seed=seed
        ),
        optimisers=_optimisers(lr),
        steps=steps,
        seed=seed,
        validate=lambda model, selection, facts: _validate(model, selection, voice_encoder, far),
        select="score",
        imagine=lambda model, cues, facts, seed: _imagine(model, cues, voice_encoder, seed, far),
        embed=lambda model, selection, facts: _embed(model, selection, facts, voice_encoder, seed, far),
        every=every,
        ema=0.995,
        half=True,
        contract=_contract(voice_encoder, size),
        licence="Apache-2.0",
    )


def _build(facts: Facts, arguments: dict[str, Any]) -> ImaginerModel:
    painter, judge = arguments["channels"], arguments["judge"]
    return ImaginerModel(
        voice_width=facts["voice_width"],
        codes=arguments["codes"],
        nuisances=arguments["nuisances"],
        size=arguments["size"],
        channels=(4 * painter, 12 * painter // 5, painter),
        judge=(judge, 2 * judge, 4 * judge, 4 * judge),
        weights=Weights(
            colour=arguments["colour"],
            features=arguments["features"],
            identity=arguments["identity"],
            judge=arguments["adversarial"],
            steep=arguments["steep"],
        ),
    )


def _optimisers(lr: float) -> dict[str, Optimiser]:
    betas = (0.0, 0.99)
    return {
        "judge": Optimiser(name="adam", lr=lr, betas=betas, schedule="cosine", final=0.2),
        "paint": Optimiser(name="adam", lr=lr, betas=betas, clip=10.0, schedule="cosine", final=0.1),
    }


def _contract(voice_encoder: str, size: int) -> dict[str, Any]:
    told = {"rate": 16_000, "size": size, "template": TEMPLATE, "voice": voice_encoder, "draws": "cue"}
    return told | {"typical": {"variety": 0.0, "light": 0.0, "grain": 0.0}}


def split_paired(corpus: Corpus, *, seed: int, validation: float, test: float) -> Split:
    """People with a voice and a face are dealt out; those with faces alone all teach the painter.

    Half of the people of known gender are tested on, where they are few: what is drawn for them must
    show it.
    """
    whole = Selection.everything(corpus)
    owners = [np.unique(corpus.column(t, "person").astype(str)) for t in ("voices", "faces")]
    paired = set(np.intersect1d(owners[0], owners[1]).tolist())
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


class FaceVariation(NamedTuple):
    """How far drawn faces go from the one typical of such a voice; all but ``amplify`` at random."""

    amplify: float
    """The face's distance from the mean face, in units of real faces' mean distance."""
    variety: float
    """Share of what a voice does not tell of a face."""
    light: float
    """Share of what makes photographs of one face differ: light, turn, expression, surroundings."""
    grain: float
    """Strength of the painter's noise: strands of hair, folds, what lies behind."""


class Photographs:
    """Batches of real faces with their descriptors, and of voices and descriptors to draw from.

    Args:
        selection: whose.
        voice_encoder: whose rows.
        size: pixels a side.
        batch_size: real faces, half of which are to be painted again.
        seed: of every draw.
    """

    def __init__(
        self, selection: Selection, *, voice_encoder: str, size: int, batch_size: int, seed: int
    ) -> None:
        corpus = selection.corpus
        faces = frontal(corpus, selection.faces)
        self.pictures = torch.from_numpy(aligned_faces(corpus, faces, size)).permute(0, 3, 1, 2)
        self.rows = as_tensor(face_embeddings(corpus)[faces])
        self.voices = as_tensor(voice_embeddings(corpus, load_encoder(voice_encoder))[selection.voices])
        self.size, self.seed = batch_size, seed

    def batch(self, step: int) -> dict[str, Tensor]:
        """``pictures`` (n, 3, size, size) uint8, ``known`` (n/2, 128), ``others`` and ``voices``."""
        digest = hashlib.blake2b(f"{self.seed}/{step}".encode(), digest_size=8).digest()
        random = np.random.default_rng(int.from_bytes(digest, "big"))
        half = max(1, self.size // 2)
        picked = torch.from_numpy(
            random.choice(len(self.rows), self.size, replace=len(self.rows) < self.size)
        )
        flipped = torch.from_numpy(random.random(self.size) < 0.5)
        pictures = self.pictures[picked]
        pictures = torch.where(flipped[:, None, None, None], pictures.flip(3), pictures)
        others = torch.from_numpy(random.integers(len(self.rows), size=max(1, half // 3)))
        voices = torch.from_numpy(random.integers(len(self.voices), size=max(1, half - half // 3)))
        return {
            "pictures": pictures,
            "known": self.rows[picked[:half]],
            "others": self.rows[others],
            "voices": self.voices[voices],
        }


def _facts(selection: Selection, voice_encoder: str) -> Facts:
    encoder = load_encoder(voice_encoder)
    mean = face_embeddings(selection.corpus)[selection.faces].mean(0)
    return {
        "voice_width": encoder.dim,
        "voice_fingerprint": encoder.fingerprint,
        "descriptor_mean": [round(float(value), 6) for value in mean],
    }


def paired_items(
    selection: Selection, *, wrong_labels: int | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Voices and faces of one person each, by their places in the corpus; the shorter list is repeated.

    ``wrong_labels`` seeds the control in which nobody has the own faces; None: everybody has.

    Raises:
        InputError: fewer than two people have both.
    """
    corpus = selection.corpus
    owners = [
        corpus.column(table, "person")[rows].astype(str)
        for table, rows in (("voices", selection.voices), ("faces", selection.faces))
    ]
    people = np.intersect1d(owners[0], owners[1])
    if len(people) < 2:
        fault = f"has {len(people)} people with both a voice and a face to learn from"
        raise InputError(corpus.path, fault, "prepare more people with both")
    others = people
    if wrong_labels is not None:
        # In a shuffled round everybody gets the faces of the next one: nobody keeps the own.
        round_ = np.random.default_rng(wrong_labels).permutation(len(people))
        others = people.copy()
        others[round_] = people[np.roll(round_, 1)]
    left, right = [], []
    for own, other in zip(people, others, strict=True):
        voices, faces = selection.voices[owners[0] == own], selection.faces[owners[1] == other]
        count = max(len(voices), len(faces))
        left.append(np.resize(voices, count))
        right.append(np.resize(faces, count))
    return np.concatenate(left), np.concatenate(right)


def _start(
    model: Model, selection: Selection, voice_encoder: str, size: int, wrong_labels: int | None
) -> None:
    corpus = selection.corpus
    left, right = paired_items(selection, wrong_labels=wrong_labels)
    faces = face_embeddings(corpus)
    pictures = torch.from_numpy(aligned_faces(corpus, selection.faces, size)).permute(0, 3, 1, 2)
    small = F.avg_pool2d(pictures.float() / 127.5 - 1, 2)
    # A face and its mirror have one descriptor: what is left and right of a face is nuisance.
    cast(ImaginerModel, model).start(
        as_tensor(voice_embeddings(corpus, load_encoder(voice_encoder))[left]),
        as_tensor(faces[right]),
        rows=as_tensor(faces[selection.faces]).repeat(2, 1),
        pictures=torch.cat([small, small.flip(3)]),
    )


def _draw(model: ImaginerModel, rows: Tensor, seeds: Sequence[int], far: FaceVariation) -> Pictures:
    """Faces for voice rows (n, width), each from a seed of its own: (n, size, size, 3) uint8."""
    found = []
    width = model.get_buffer("nuisance_scale").shape[0]
    for first in range(0, len(rows), _BLOCK):
        makers = [torch.Generator().manual_seed(one) for one in seeds[first : first + _BLOCK]]
        codes = model.codes(model.wanted(rows[first : first + _BLOCK], amplify=far.amplify))
        drift = torch.cat([model.deviations(1, generator=maker) for maker in makers])
        nuisances = torch.stack([torch.randn(width, generator=maker) for maker in makers]).to(codes.device)
        noise = [torch.randn(1, model.small, model.small, generator=maker) for maker in makers]
        grain = torch.stack(noise).to(codes.device) * far.grain
        faces = model.paint(codes + far.variety * drift, far.light * nuisances, noise=grain)
        found.append(((faces.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu())
    return cast(Pictures, torch.cat(found).numpy())


def _imagine(
    model: Model, cues: Sequence[GeneratorInput], voice_encoder: str, seed: int, far: FaceVariation
) -> Pictures:
    imagining = cast(ImaginerModel, model)
    for place, cue in enumerate(cues):
        if cue.wave is None:
            raise InputError(f"cue {place}", "has no voice", "give the Imaginer a recording to draw from")
    if not cues:
        return np.zeros((0, imagining.size, imagining.size, 3), np.uint8)
    waves = {id(cue.wave): cue.wave for cue in cues if cue.wave is not None}  # faces of one voice share it
    order = {key: place for place, key in enumerate(waves)}
    heard = as_tensor(load_encoder(voice_encoder).embed(list(waves.values())))
    rows = heard[[order[id(cue.wave)] for cue in cues]].to(imagining.get_buffer("voice_mean").device)
    seeds = [_seed(seed, place if cue.draw is None else cue.draw) for place, cue in enumerate(cues)]
    with torch.no_grad():
        return _draw(imagining, rows, seeds, far)


def _embed(
    model: Model, selection: Selection, facts: Facts, voice_encoder: str, seed: int, far: FaceVariation
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The drawn faces of the selection's voices and its real faces, described."""
    # The place among all, not among a block's: no two voices share their chance.
    places = iter(range(len(selection.voices)))

    def draw(cues: Sequence[GeneratorInput]) -> Pictures:
        numbered = [replace(cue, draw=next(places)) for cue in cues]
        return _imagine(model, numbered, voice_encoder, seed, far)

    drawn = generate_for_selection(selection, draw)
    return embed_generated_and_real(drawn, selection, template=TEMPLATE, centre=facts["descriptor_mean"])


def _seed(*parts: int) -> int:
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _validate(model: Model, selection: Selection, voice_encoder: str, far: FaceVariation) -> dict[str, float]:
    """1:2 matching with the drawn face as probe, sharpness and spread as shares of real faces'."""
    imagining, corpus = cast(ImaginerModel, model), selection.corpus
    mean = imagining.get_buffer("face_mean").cpu()
    rows = as_tensor(voice_embeddings(corpus, load_encoder(voice_encoder))[selection.voices])
    seeds = [_seed(0, place) for place in range(len(rows))]
    drawn = _draw(imagining, rows.to(imagining.get_buffer("voice_mean").device), seeds, far)
    network = load_dlib_recogniser().to(mean.device)
    faces = torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 127.5 - 1
    seen = torch.cat([network(to_aligned_faces(some)) for some in torch.split(faces, _BLOCK)])
    real = as_tensor(face_embeddings(corpus)[selection.faces])
    score = F.normalize(seen - mean, dim=1) @ F.normalize(real - mean, dim=1).T
    owners = [
        corpus.column(table, "person")[places].astype(str)
        for table, places in (("voices", selection.voices), ("faces", selection.faces))
    ]
    wins = []
    for line, owner in zip(score.numpy(), owners[0], strict=True):
        own, other = line[owners[1] == owner], line[owners[1] != owner]
        if len(own) and len(other):
            wins.append(float((own[:, None] > other).mean()))
    matched = float(np.mean(wins)) if wins else 0.5
    real_sharpness = sharpness(aligned_faces(corpus, selection.faces, imagining.size), scale=255).mean()
    sharp = float(sharpness(drawn, scale=255).mean() / max(real_sharpness, 1e-12))
    return {
        "matching": matched,
        "sharpness": sharp,
        "spread": float(torch.pdist(seen).mean() / torch.pdist(real).mean().clamp_min(1e-12)),
        "score": matched + 0.2 * min(sharp, 0.6),
    }


def smoke() -> Run:
    """The same in seconds."""
    return recipe(
        voice_encoder="student",
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
