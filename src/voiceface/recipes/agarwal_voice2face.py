"""Faces from voices by a variational network, a conditional GAN, or one kept near a target face.

Paper     Agarwal, Poddar, Hazarika, Rahaman 2019, Learning to synthesize faces using voice clips for
          Cross-Modal biometric matching (III-C, IV-B, Figures 7 to 9)
Data      voices of known people, one face of each: known people, new recordings, the split of the
          classifier; with --no-known unknown people, an extension (then --voice-encoder student)
Command   voiceface train agarwal_voice2face --corpus CORPUS --voice-classifier FOLDER --variant rcgan
Cost      see docs/papers/agarwal.md; the paper's 5,000 epochs of 9 people are some 200,000 steps
Reported  accuracy VAE 72.61 %, C-GAN 68.09 %, RC-GAN 84.52 % (Table I); PSNR 28.276, 11.543, 16.639
          (Table II)
Differs   sizes that only the figures hold (kernels, strides, channels) are ours: see nn/face/agarwal.py
          VAE: mean and log variance have a layer each behind the two of the encoder; normal pixels of
          variance 1, the divergence weighs 1
          judge: a hidden layer behind the concatenation, or it could not compare face and voice
          generator: the form of its loss that does not saturate; Adam's first beta 0.5, not stated
          RC-GAN: the weight of its L1 term is not stated, 100 as Isola et al. 2017
          a recording's embedding is the mean of its audible patches'
          faces are divided by 255 ("min-max normalised" is not explained)
          far fewer steps; the validation step whose faces lie best towards their own people is kept
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.corpus.splits import Selection, split_known, split_people
from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.models.corpus_embeddings import face_embeddings, voice_embeddings
from voiceface.models.generated_faces import (
    Pictures,
    embed_generated_and_real,
    embed_generated_faces,
    generate_for_selection,
)
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.model import Model
from voiceface.models.voice_classifier import PatchEncoder, fingerprint_of
from voiceface.models.voice_encoder import VoiceEncoder
from voiceface.models.voice_to_face import Variant, VoiceToFace, make
from voiceface.nn.face.agarwal import SIDE
from voiceface.nn.voice.patch_voice import PatchVoice
from voiceface.recipes._weights import open_weights
from voiceface.recipes.agarwal_voice_classifier import CONTRACT
from voiceface.recipes.matcher import load_encoder
from voiceface.training.run import Facts, Optimiser, Run
from voiceface.training.training_folder import people_fingerprint

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.corpus.splits import Split

__all__ = ["recipe", "smoke"]

_TEMPLATE = "dlib"
_MAX_VALIDATED = 32
"""Validation recordings whose faces are described at each validation: enough to choose a step by."""


def recipe(
    *,
    variant: Variant = "rcgan",
    voice_classifier: str = "",
    voice_encoder: str = "",
    known: bool = True,
    l1_weight: float = 100.0,
    kl_weight: float = 1.0,
    width: int = 32,
    vae_lr: float = 1e-3,
    judge_lr: float = 2e-4,
    generator_lr: float = 1e-4,
    beta1: float = 0.5,
    batch_size: int = 32,
    steps: int = 2000,
    every: int = 250,
    minimum: int = 20,
    validation: float = 0.15,
    test: float = 0.15,
    wrong_labels: bool = False,
    seed: int = 0,
) -> Run:
    """The run.

    Args:
        variant: vae, cgan or rcgan
        voice_classifier: weights folder of agarwal_voice_classifier; becomes part of the weights
        voice_encoder: instead of it: student, ge2e, or a weights folder of voice_student
        known: known people and new recordings, as the paper; no: unknown people
        l1_weight: times the L1 distance to the target in the generator's loss (rcgan alone)
        kl_weight: times the divergence of the latent (vae alone)
        width: channels of the 32-pixel layers of generator and judge, doubled at each halving
        vae_lr: Adam's rate of the vae
        judge_lr: Adam's rate of the judge
        generator_lr: Adam's rate of the generator
        beta1: Adam's first beta of judge and generator
        batch_size: recordings a step
        steps: steps of training
        every: steps between validations
        minimum: people with fewer recordings are left out (known people alone)
        validation: share of everybody's recordings (of the people, if unknown) to select on
        test: the same, that nothing is trained or selected on
        wrong_labels: the training recordings' targets are dealt anew: a control that must end at chance
        seed: of split, targets, start and draws
    """
    return _run(dict(locals()))


def _run(given: dict[str, Any]) -> Run:
    """The run of a recipe's arguments."""
    hearing, seed = (given["voice_classifier"], given["voice_encoder"]), given["seed"]
    encoder = given["voice_encoder"]
    vae = {"draw": Optimiser(name="adam", lr=given["vae_lr"])}
    betas = (given["beta1"], 0.999)
    gan = {
        "judge": Optimiser(name="adam", lr=given["judge_lr"], betas=betas),
        "draw": Optimiser(name="adam", lr=given["generator_lr"], betas=betas),
    }
    return Run(
        recipe="agarwal_voice2face",
        arguments=given,
        split=lambda corpus: _split(corpus, given),
        facts=lambda selection: _facts(selection, given),
        build=lambda facts: make(
            given["variant"],
            voice_dim=facts["voice_dim"],
            listens=facts["listens"],
            **{name: given[name] for name in ("l1_weight", "kl_weight", "width")},
        ),
        start=lambda model, selection, facts: _start(model, facts, given["voice_classifier"]),
        data=lambda selection, facts: TargetFaceBatches(
            selection,
            facts,
            _hearing(*hearing),
            batch_size=given["batch_size"],
            wrong_labels=seed if given["wrong_labels"] else None,
            seed=seed,
        ),
        optimisers=vae if given["variant"] == "vae" else gan,
        steps=given["steps"],
        seed=seed,
        validate=lambda model, selection, facts: _validate(model, selection, facts, encoder),
        embed=lambda model, selection, facts: embed_generated_and_real(
            generate_for_selection(selection, lambda cues: _imagine(model, cues, facts, encoder, seed)),
            selection,
            template=_TEMPLATE,
            centre=facts["descriptor_mean"],
        ),
        imagine=lambda model, cues, facts, seed: _imagine(model, cues, facts, encoder, seed),
        every=given["every"],
        select="margin",
        contract={"rate": 16_000, "voice": encoder or CONTRACT, "size": SIDE, "template": _TEMPLATE},
        licence="Apache-2.0",
    )


def _split(corpus: Corpus, given: dict[str, Any]) -> Split:
    shares = {name: given[name] for name in ("seed", "validation", "test")}
    if given["known"]:
        return split_known(corpus, minimum=given["minimum"], **shares)
    return split_people(corpus, **shares)


def smoke() -> Run:
    """The same in seconds; it hears through the shipped encoder, so that nothing else need be trained."""
    return recipe(
        voice_encoder="student", width=4, batch_size=4, steps=4, every=2, minimum=3, validation=0.3, test=0.3
    )


class TargetFaceBatches:
    """Batches of recordings drawn at random, each beside the target face of its speaker.

    Args:
        selection: the training items; recordings of people without a target are left out.
        facts: of the run: who has which target.
        encoder: whose rows the voices are.
        batch_size: recordings a step; there may be fewer.
        wrong_labels: seed of the control in which recordings get anybody's target; None: the own.
        seed: of every draw.
    """

    def __init__(
        self,
        selection: Selection,
        facts: Facts,
        encoder: VoiceEncoder,
        *,
        batch_size: int,
        wrong_labels: int | None,
        seed: int,
    ) -> None:
        corpus, self.size, self.seed = selection.corpus, batch_size, seed
        place = {person: number for number, person in enumerate(facts["people"])}
        owners = corpus.column("voices", "person")[selection.voices].astype(str)
        kept = np.isin(owners, facts["people"])
        self.voices = torch.from_numpy(voice_embeddings(corpus, encoder)[selection.voices[kept]])
        numbers = np.array([place[owner] for owner in owners[kept].tolist()])
        if wrong_labels is not None:
            numbers = np.random.default_rng(wrong_labels).permutation(numbers)
        self.numbers = torch.from_numpy(numbers)
        self.faces = torch.from_numpy(target_pictures(selection, facts))

    def batch(self, step: int) -> dict[str, Tensor]:
        """``voices`` (batch, dim) and ``faces`` (batch, 64, 64, 3) uint8."""
        digest = hashlib.blake2b(f"{self.seed}/{step}".encode(), digest_size=8).digest()
        random = np.random.default_rng(int.from_bytes(digest, "big"))
        picked = torch.from_numpy(random.integers(len(self.voices), size=self.size))
        return {"voices": self.voices[picked], "faces": self.faces[self.numbers[picked]]}


def target_rows(selection: Selection, facts: Facts) -> npt.NDArray[np.int64]:
    """Each person's target face by its number in the corpus, in the order of the facts.

    Raises:
        InputError: a target is not in this corpus.
    """
    number = {str(one): row for row, one in enumerate(selection.corpus.column("faces", "id").tolist())}
    lost = [one for one in facts["targets"] if one not in number]
    if lost:
        fault = f"does not hold {len(lost)} target faces ({lost[0]} for one)"
        raise InputError(selection.corpus.path, fault, "give the corpus that the weights were trained on")
    return np.array([number[one] for one in facts["targets"]], dtype=np.int64)


def target_pictures(selection: Selection, facts: Facts) -> Pictures:
    """The target faces, (people, 64, 64, 3) uint8."""
    view = face_view(selection.corpus, size=SIDE, template=_TEMPLATE)
    return np.ascontiguousarray(view[target_rows(selection, facts)])


def _hearing(voice_classifier: str, voice_encoder: str) -> VoiceEncoder:
    if bool(voice_classifier) == bool(voice_encoder):
        fault = "are both given" if voice_encoder else "are missing"
        remedy = "train agarwal_voice_classifier and give its folder, or --voice-encoder student"
        raise InputError("--voice-classifier and --voice-encoder", fault, remedy)
    if voice_encoder:
        return load_encoder(voice_encoder)
    network, _ = read_classifier(voice_classifier)
    return PatchEncoder(network, fingerprint=fingerprint_of(network.state_dict()))


def read_classifier(folder: str | Path) -> tuple[PatchVoice, dict[str, Any]]:
    """The classifier of a weights folder without its last layer, and the folder's ``run.json``.

    Raises:
        InputError: it holds the weights of another recipe, or such as hear something else.
    """
    tensors, card = open_weights(folder, recipe="agarwal_voice_classifier")
    if card.get("contract") != CONTRACT:
        raise InputError(folder, "hears other features than this version's classifier", "train it again")
    network = PatchVoice(classes=0)
    own = {n.removeprefix("network."): t for n, t in tensors.items() if not n.startswith("network.last.")}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        raise InputError(folder, "does not fit the classifier of this version", "train it again") from error
    return network.eval(), card


def _facts(selection: Selection, arguments: dict[str, Any]) -> Facts:
    # Whether rows are kept already, or made now, must not change how the model starts.
    with torch.random.fork_rng(devices=[]):
        return _training_facts(selection, arguments)


def _training_facts(selection: Selection, arguments: dict[str, Any]) -> Facts:
    """Who has which target, what the voices and the faces' descriptors are like."""
    encoder = _hearing(arguments["voice_classifier"], arguments["voice_encoder"])
    corpus, listens = selection.corpus, isinstance(encoder, PatchEncoder)
    if listens:
        _check_classifier_split(selection, arguments)
    voiced = corpus.column("voices", "person")[selection.voices].astype(str)
    owners = corpus.column("faces", "person")[selection.faces].astype(str)
    people = np.intersect1d(voiced, owners)
    if len(people) < 2:
        fault = f"has {len(people)} people with both a voice and a face to learn from"
        raise InputError(corpus.path, fault, "prepare more people with both")
    random = np.random.default_rng(arguments["seed"])
    ids = corpus.column("faces", "id")
    targets = [str(ids[random.choice(selection.faces[owners == person])]) for person in people]
    rows = voice_embeddings(corpus, encoder)[selection.voices[np.isin(voiced, people)]]
    width = rows.shape[1]
    # The classifier's embeddings go in as they are; an encoder's rows crowd round one direction.
    mean = np.zeros(width) if listens else rows.mean(0)
    deviation = np.ones(width) if listens else rows.std(0).clip(1e-4)
    return {
        "people": people.tolist(),
        "targets": targets,
        "voice_dim": width,
        "voice_fingerprint": encoder.fingerprint,
        "voice_mean": [round(float(value), 7) for value in mean],
        "voice_deviation": [round(float(value), 7) for value in deviation],
        "listens": listens,
        "descriptor_mean": [float(value) for value in face_embeddings(corpus)[selection.faces].mean(0)],
    }


def _check_classifier_split(selection: Selection, arguments: dict[str, Any]) -> None:
    """Refuse a classifier that has learnt from recordings which are held back here."""
    folder = arguments["voice_classifier"]
    _, card = read_classifier(folder)
    if card["corpus"] != selection.corpus.fingerprint:
        return
    same = all(card["arguments"][n] == arguments[n] for n in ("seed", "minimum", "validation", "test"))
    if not same or card["people"]["fingerprint"] != people_fingerprint(selection.people):
        fault = "has learnt from recordings or people that are held back here"
        remedy = "train it with the same seed, minimum, validation and test; for unknown people give "
        raise InputError(folder, fault, f"{remedy}--voice-encoder instead")


def _start(model: Model, facts: Facts, voice_classifier: str) -> None:
    face = cast(VoiceToFace, model)
    with torch.no_grad():
        face.get_buffer("voice_mean").copy_(torch.tensor(facts["voice_mean"]))
        face.get_buffer("voice_deviation").copy_(torch.tensor(facts["voice_deviation"]))
    if face.listener is not None:
        face.listener.load_state_dict(read_classifier(voice_classifier)[0].state_dict())


def _listening(model: VoiceToFace, facts: Facts, voice_encoder: str) -> VoiceEncoder:
    """What these weights hear with: their own network, or the encoder that they were trained on.

    Raises:
        InputError: the encoder has other weights now.
    """
    if model.listener is not None:
        return PatchEncoder(model.listener, fingerprint=facts["voice_fingerprint"])
    encoder = load_encoder(voice_encoder)
    if encoder.fingerprint != facts["voice_fingerprint"]:
        fault = "is not the encoder that these weights were trained on"
        raise InputError(voice_encoder, fault, "give the same encoder, or train again")
    return encoder


def _imagine(
    model: Model, cues: Sequence[GeneratorInput], facts: Facts, voice_encoder: str, seed: int
) -> Pictures:
    waves = []
    for place, cue in enumerate(cues):
        if cue.wave is None:
            raise InputError(f"cue {place}", "holds no voice", "give a recording: this recipe draws from it")
        waves.append(cue.wave)
    face = cast(VoiceToFace, model)
    return _drawn(face, _listening(face, facts, voice_encoder).embed(waves), seed)


def _drawn(face: VoiceToFace, rows: npt.NDArray[np.float32], seed: int) -> Pictures:
    """Faces (n, 64, 64, 3) uint8 of embeddings."""
    device = face.get_buffer("voice_mean").device
    random = torch.Generator().manual_seed(seed)
    # Drawn row by row: a cue's noise is its place's, however many follow.
    noises = torch.stack([torch.randn(face.latent, generator=random) for _ in rows])
    training = face.training
    face.eval()
    with torch.no_grad():
        faces = face.draw(torch.from_numpy(rows).to(device), noises.to(device)).float()
    face.train(training)
    pictures: Pictures = (faces.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return pictures


def _validate(model: Model, selection: Selection, facts: Facts, voice_encoder: str) -> dict[str, float]:
    """How much nearer drawn faces lie to their own people's faces than to others', and the L1 distance.

    The own face is a known person's target; of unknown people the first of the selection's faces.
    """
    face, corpus = cast(VoiceToFace, model), selection.corpus
    owned = corpus.column("faces", "person").astype(str)
    real = dict(zip(owned[selection.faces[::-1]].tolist(), selection.faces[::-1].tolist(), strict=True))
    speakers = corpus.column("voices", "person")[selection.voices].astype(str)
    if set(speakers.tolist()) & set(facts["people"]):
        rows_of = target_rows(selection, facts).tolist()
        real = dict(zip(facts["people"], rows_of, strict=True))
    heard = [(int(v), p) for v, p in zip(selection.voices, speakers.tolist(), strict=True) if p in real]
    step = max(1, len(heard) // _MAX_VALIDATED)
    heard = heard[::step]
    people = sorted({person for _, person in heard})
    if len(people) < 2:
        fault = f"has {len(people)} validation people with both a voice and a face"
        raise InputError(corpus.path, fault, "give --validation a larger share, or prepare more people")
    rows = voice_embeddings(corpus, _listening(face, facts, voice_encoder))[[voice for voice, _ in heard]]
    pictures = _drawn(face, rows, 0)
    described = embed_generated_faces(pictures, template=_TEMPLATE)
    wanted = face_embeddings(corpus)[[real[person] for person in people]]
    apart = np.linalg.norm(described[:, None] - wanted[None], axis=2)
    own = np.array([people.index(person) for _, person in heard])
    mine = apart[np.arange(len(own)), own]
    others = (apart.sum(1) - mine) / (len(people) - 1)
    faces = face_view(corpus, size=SIDE, template=_TEMPLATE)[[real[person] for _, person in heard]]
    return {
        "margin": float((others - mine).mean()),
        "distance": float(mine.mean()),
        "l1": float(np.abs(pictures.astype(np.float32) - faces).mean() / 255),
    }
