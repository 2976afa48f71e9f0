"""Faces from voices by a variational autoencoder, a conditional GAN, or one kept near a target face.

Paper     Agarwal, Poddar, Hazarika, Rahaman 2019, Learning to synthesize faces using voice clips for
          Cross-Modal biometric matching (III-C, IV-B, Figures 7 to 9)
Data      voices of known people, one face of each: known people, new recordings, the split of the
          classifier; with --no-known unknown people, an extension (then --voice-encoder student)
Command   voiceface train agarwal_voice2face --corpus CORPUS --voice-classifier FOLDER --variant rcgan
Cost      see docs/papers/agarwal.md; the paper's 5,000 epochs of 9 people are some 200,000 steps
Reported  accuracy VAE 72.61 %, C-GAN 68.09 %, RC-GAN 84.52 % (Table I); PSNR 28.276, 11.543, 16.639
          (Table II)
Differs   sizes that only the figures show (kernels, strides, channels) are ours: see nn/face/agarwal.py
          VAE: mean and log variance have a layer each after the two of the encoder; normal pixels of
          variance 1, the divergence has weight 1
          discriminator: a hidden layer after the concatenation, or it could not compare face and voice
          generator: the form of its loss that does not saturate; Adam's first beta 0.5, not stated
          RC-GAN: the weight of its L1 term is not stated, 100 as Isola et al. 2017
          a recording's embedding is the mean of its non-silent patches'
          faces are divided by 255 ("min-max normalised" is not explained)
          Adam at the printed 2e-4 and 1e-4 (VAE 1e-3), but for 2,000 steps
          the step whose validation faces lie nearest to their own people is kept
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.corpus.splits import Selection, split_known, split_people
from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.models.corpus_embeddings import as_tensor, face_embeddings, voice_embeddings
from voiceface.models.encoder_loading import load_voice_encoder
from voiceface.models.generated_faces import (
    embed_generated_faces,
    generate_for_selection,
)
from voiceface.models.model import Pictures
from voiceface.models.pretrained import PretrainedEncoders
from voiceface.models.step_seed import numpy_generator
from voiceface.models.voice_classifier import PatchEncoder
from voiceface.models.voice_encoder import VoiceEncoder
from voiceface.models.voice_to_face import (
    FACE_TEMPLATE,
    Variant,
    VoiceToFace,
    VoiceToFaceGan,
    VoiceToFaceVae,
)
from voiceface.models.weights_fingerprint import weights_fingerprint
from voiceface.nn.face.agarwal import SIDE
from voiceface.nn.voice.patch_voice import PatchVoice
from voiceface.recipes._weights import open_weights
from voiceface.recipes.agarwal_voice_classifier import CONTRACT
from voiceface.records import SAMPLE_RATE
from voiceface.training.option_help import option_help
from voiceface.training.run import Facts, Optimiser, Run
from voiceface.training.training_folder import people_fingerprint, selection_fingerprint

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.corpus.splits import Split

_MAX_VALIDATED = 32
"""Validation recordings whose faces are generated at each validation: enough to choose a step by."""


@option_help()
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
) -> Run[VoiceToFace]:
    """The run.

    Args:
        variant: vae, cgan or rcgan
        voice_classifier: weights folder of agarwal_voice_classifier; becomes part of the weights
        voice_encoder: voice encoder to use instead: its name (student, ge2e) or path
        known: train on everybody and test on other recordings, as the paper; no: test on unknown people
        l1_weight: loss weight of the L1 distance to the target (rcgan)
        kl_weight: loss weight of the divergence of the latent (vae)
        width: channels of the 32-pixel layers of discriminator and generator, doubled at each halving
        vae_lr: Adam's learning rate of the vae
        judge_lr: Adam's learning rate of the discriminator
        generator_lr: Adam's learning rate of the generator
        beta1: Adam's first beta of discriminator and generator
        batch_size: recordings a step
        minimum: people with fewer recordings are left out (with known people)
        validation: share of everybody's recordings (of the people, if unknown) to select the best step on
        test: share of them that nothing is trained or selected on
        wrong_labels: shuffle the targets over the training recordings: a control that must end at chance
    """
    return _run(dict(locals()))


def smoke() -> Run[VoiceToFace]:
    """The same in seconds, with the shipped encoder, so that no classifier need be trained."""
    return recipe(
        voice_encoder="student", width=4, batch_size=4, steps=4, every=2, minimum=3, validation=0.3, test=0.3
    )


def _run(arguments: dict[str, Any]) -> Run[VoiceToFace]:
    """The run of a recipe's arguments."""
    betas = (arguments["beta1"], 0.999)
    gan = {
        "discriminator": Optimiser(name="adam", lr=arguments["judge_lr"], betas=betas),
        "generator": Optimiser(name="adam", lr=arguments["generator_lr"], betas=betas),
    }
    vae = {"generator": Optimiser(name="adam", lr=arguments["vae_lr"])}
    voice = arguments["voice_encoder"] or CONTRACT
    return Run(
        recipe="agarwal_voice2face",
        arguments=arguments,
        people="known" if arguments["known"] else "unknown",
        split=partial(_split, arguments=arguments),
        facts=partial(_facts, arguments=arguments),
        build=partial(_build, arguments=arguments),
        start=partial(_start, voice_classifier=arguments["voice_classifier"]),
        data=partial(_data, arguments=arguments),
        optimisers=vae if arguments["variant"] == "vae" else gan,
        steps=arguments["steps"],
        seed=arguments["seed"],
        validate=_validate,
        every=arguments["every"],
        select="margin",
        contract={"rate": SAMPLE_RATE, "voice": voice, "size": SIDE, "template": FACE_TEMPLATE},
        licence="Apache-2.0",
    )


def _split(corpus: Corpus, *, arguments: dict[str, Any]) -> Split:
    shares = {name: arguments[name] for name in ("seed", "validation", "test")}
    if arguments["known"]:
        return split_known(corpus, by="session", minimum=arguments["minimum"], **shares)
    return split_people(corpus, **shares)


def _build(facts: Facts, *, arguments: dict[str, Any]) -> VoiceToFace:
    shared: dict[str, Any] = {
        "voice_dim": facts["voice_dim"],
        "face_embedding_mean": facts["descriptor_mean"],
        "encoders": None
        if facts["listens"]
        else PretrainedEncoders(
            voice=arguments["voice_encoder"], voice_fingerprint=facts["voice_fingerprint"]
        ),
    }
    if arguments["variant"] == "vae":
        return VoiceToFaceVae(kl_weight=arguments["kl_weight"], **shared)
    l1_weight = arguments["l1_weight"] if arguments["variant"] == "rcgan" else 0.0
    return VoiceToFaceGan(l1_weight=l1_weight, width=arguments["width"], **shared)


def _data(selection: Selection, facts: Facts, *, arguments: dict[str, Any]) -> TargetFaceBatches:
    return TargetFaceBatches(
        selection,
        facts,
        _load_voice_encoder(arguments),
        batch_size=arguments["batch_size"],
        wrong_labels=arguments["wrong_labels"],
        seed=arguments["seed"],
    )


class TargetFaceBatches:
    """Batches of random recordings, each with the target face of its speaker.

    The options are the recipe's.
    """

    def __init__(
        self,
        selection: Selection,
        facts: Facts,
        encoder: VoiceEncoder,
        *,
        batch_size: int,
        wrong_labels: bool,
        seed: int,
    ) -> None:
        corpus, self.batch_size, self.seed = selection.corpus, batch_size, seed
        index = {person: k for k, person in enumerate(facts["people"])}
        owners = selection.person_of("voices")
        kept = np.isin(owners, facts["people"])
        self.voices = as_tensor(voice_embeddings(corpus, encoder)[selection.voices[kept]])
        targets = np.array([index[owner] for owner in owners[kept].tolist()])
        if wrong_labels:
            targets = np.random.default_rng(seed).permutation(targets)
        self.targets = torch.from_numpy(targets)
        self.faces = torch.from_numpy(_target_pictures(selection, facts))

    def batch(self, step: int) -> dict[str, Tensor]:
        """``voices`` (batch, dim) and ``faces`` (batch, 64, 64, 3) uint8."""
        random = numpy_generator(self.seed, step)
        chosen = torch.from_numpy(random.integers(len(self.voices), size=self.batch_size))
        return {"voices": self.voices[chosen], "faces": self.faces[self.targets[chosen]]}


def target_face_indices(selection: Selection, facts: Facts) -> npt.NDArray[np.int64]:
    """Each person's target face by its index in the corpus, in the order of the facts.

    Raises:
        InputError: a target is not in this corpus.
    """
    index = {str(one): k for k, one in enumerate(selection.corpus.column("faces", "id").tolist())}
    lost = [one for one in facts["targets"] if one not in index]
    if lost:
        fault = f"does not hold {len(lost)} target faces ({lost[0]} for one)"
        raise InputError(selection.corpus.path, fault, "give the corpus that the weights were trained on")
    return np.array([index[one] for one in facts["targets"]], dtype=np.int64)


def _target_pictures(selection: Selection, facts: Facts) -> Pictures:
    """The target faces, (people, 64, 64, 3) uint8."""
    view = face_view(selection.corpus, size=SIDE, template=FACE_TEMPLATE)
    return np.ascontiguousarray(view[target_face_indices(selection, facts)])


def _load_voice_encoder(arguments: dict[str, Any]) -> VoiceEncoder:
    classifier, encoder = arguments["voice_classifier"], arguments["voice_encoder"]
    if bool(classifier) == bool(encoder):
        fault = "are both given" if encoder else "are missing"
        remedy = "train agarwal_voice_classifier and give its folder, or --voice-encoder student"
        raise InputError("--voice-classifier and --voice-encoder", fault, remedy)
    if encoder:
        return load_voice_encoder(encoder)
    network, _ = _read_classifier(classifier)
    return PatchEncoder(network, fingerprint=weights_fingerprint(network.state_dict()))


def _read_classifier(folder: str | Path) -> tuple[PatchVoice, dict[str, Any]]:
    """The classifier of a weights folder without its last layer, and the folder's ``run.json``.

    Raises:
        InputError: it holds the weights of another recipe, or of other features.
    """
    tensors, card = open_weights(folder, recipe="agarwal_voice_classifier")
    if card.get("contract") != CONTRACT:
        raise InputError(folder, "has other features than this version's classifier", "train it again")
    network = PatchVoice(classes=0)
    own = {n.removeprefix("network."): t for n, t in tensors.items() if not n.startswith("network.last.")}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        raise InputError(folder, "does not fit the classifier of this version", "train it again") from error
    return network.eval(), card


def _facts(selection: Selection, *, arguments: dict[str, Any]) -> Facts:
    # Whether embeddings are cached or computed now must not change the model's initial weights.
    with torch.random.fork_rng(devices=[]):
        return _training_facts(selection, arguments)


def _training_facts(selection: Selection, arguments: dict[str, Any]) -> Facts:
    """Everybody's target, and statistics of the voices' and the faces' embeddings."""
    encoder = _load_voice_encoder(arguments)
    corpus, own = selection.corpus, isinstance(encoder, PatchEncoder)
    if own:
        _check_classifier_split(selection, arguments)
    speakers, owners = selection.person_of("voices"), selection.person_of("faces")
    people = np.intersect1d(speakers, owners)
    if len(people) < 2:
        fault = f"has {len(people)} people with both a voice and a face to learn from"
        raise InputError(corpus.path, fault, "prepare more people with both")
    random = np.random.default_rng(arguments["seed"])
    ids = corpus.column("faces", "id")
    targets = [str(ids[random.choice(selection.faces[owners == person])]) for person in people]
    voices = voice_embeddings(corpus, encoder)[selection.voices[np.isin(speakers, people)]]
    width = voices.shape[1]
    # The classifier's embeddings are used as they are; an encoder's are concentrated around one direction.
    mean = np.zeros(width) if own else voices.mean(0)
    deviation = np.ones(width) if own else voices.std(0).clip(1e-4)
    return {
        "people": people.tolist(),
        "targets": targets,
        "voice_dim": width,
        "voice_fingerprint": encoder.fingerprint,
        "voice_mean": [round(float(value), 7) for value in mean],
        "voice_deviation": [round(float(value), 7) for value in deviation],
        "listens": own,
        "descriptor_mean": [float(value) for value in face_embeddings(corpus)[selection.faces].mean(0)],
    }


def _check_classifier_split(selection: Selection, arguments: dict[str, Any]) -> None:
    """Refuse a classifier that was trained on recordings which are held back here."""
    folder = arguments["voice_classifier"]
    _, card = _read_classifier(folder)
    if card["corpus"] != selection.corpus.fingerprint:
        return
    same = all(card["arguments"][n] == arguments[n] for n in ("seed", "minimum", "validation", "test"))
    trained = (card.get("split") or {}).get("trained")
    same = same and (trained is None or trained == selection_fingerprint(selection))
    if not same or card["people"]["fingerprint"] != people_fingerprint(selection.people):
        fault = "was trained on recordings or people that are held back here"
        remedy = "train it with the same split, seed, minimum, validation and test; for unknown people give "
        raise InputError(folder, fault, f"{remedy}--voice-encoder instead")


def _start(model: VoiceToFace, selection: Selection, facts: Facts, *, voice_classifier: str) -> None:
    with torch.no_grad():
        model.get_buffer("voice_mean").copy_(torch.tensor(facts["voice_mean"]))
        model.get_buffer("voice_deviation").copy_(torch.tensor(facts["voice_deviation"]))
    if model.listener is not None:
        model.listener.load_state_dict(_read_classifier(voice_classifier)[0].state_dict())


def _validate(model: VoiceToFace, selection: Selection, facts: Facts) -> dict[str, float]:
    """How much nearer generated faces lie to their own people's faces than to others', and the L1 distance.

    A person's face is the target of a known person, and the first of the selection's faces of an unknown one.
    """
    corpus = selection.corpus
    owners = selection.person_of("faces")
    real = dict(zip(owners[::-1].tolist(), selection.faces[::-1].tolist(), strict=True))
    speakers = selection.person_of("voices")
    if set(speakers.tolist()) & set(facts["people"]):
        real = dict(zip(facts["people"], target_face_indices(selection, facts).tolist(), strict=True))
    kept = np.flatnonzero(np.isin(speakers, list(real)))
    kept = kept[:: max(1, len(kept) // _MAX_VALIDATED)]
    speakers, voices = speakers[kept], selection.voices[kept]
    people, own = np.unique(speakers, return_inverse=True)
    if len(people) < 2:
        fault = f"has {len(people)} validation people with both a voice and a face"
        raise InputError(corpus.path, fault, "give --validation a larger share, or prepare more people")
    pictures = generate_for_selection(model, Selection(corpus, voices, selection.faces, selection.clips))
    generated = embed_generated_faces(pictures, template=FACE_TEMPLATE)
    references = face_embeddings(corpus)[[real[person] for person in people.tolist()]]
    distances = np.linalg.norm(generated[:, None] - references[None], axis=2)
    own_distances = distances[np.arange(len(own)), own]
    others = (distances.sum(1) - own_distances) / (len(people) - 1)
    view = face_view(corpus, size=SIDE, template=FACE_TEMPLATE)
    faces = view[[real[person] for person in speakers.tolist()]]
    return {
        "margin": float((others - own_distances).mean()),
        "distance": float(own_distances.mean()),
        "l1": float(np.abs(pictures.astype(np.float32) - faces).mean() / 255),
    }
