"""Faces from voices with a GAN whose discriminator shares its trunk with a classifier of people.

Paper     Wen, Singh, Raj 2019, Face Reconstruction from Voice using GANs (Algorithm 1, Table 2)
Data      voices and faces of the same people; nobody of the test split is trained or selected on
Command   voiceface train wen_voice2face --corpus CORPUS [--voice-network runs/wen_speaker/weights]
Cost      see docs/papers/wen.md
Reported  matching 76.07 %, same gender 59.69 % (Table 3), gender 96.45 %, known people 61.7 % (top-5 82.3 %)
Differs   the voice network is by default our shipped encoder, its 256 dimensions reduced to 64 by a map
          computed from the training people; --voice-network names a training of wen_speaker for the paper's
          kernel "paper" is as printed: 3x3, an output padding of 1 where pictures double, a leaky ReLU at the
          trunk's end; "code" is as in the authors' program: 4x4 and no ReLU there
          discriminator and classifier are updated in one turn, as in the authors' program
          voices of people without a face are left out, faces of people without a voice are kept
          faces are aligned by five landmarks to a window fitted to ten published faces ("wen"), as their own
          alignment is not stated; half are mirrored, as in the program
          one batch's crops share a length; recordings shorter than it are repeated
          the program's noise of 0.05 on the embedding, which the paper does not mention
          Adam at 2e-4 for 100,000 steps as printed, of which validation people select one; the authors'
          program stops at 50,000
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.corpus.splits import Selection, Split, split_known, split_people
from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.models.corpus_embeddings import as_tensor, face_embeddings, voice_embeddings
from voiceface.models.encoders import student
from voiceface.models.logmels import Logmels, corpus_logmels
from voiceface.models.step_seed import torch_generator
from voiceface.models.voice_encoder import WindowEncoder
from voiceface.models.voice_features import EncoderFeatures, LogmelFeatures, Space
from voiceface.models.wen_gan import WenVoice2Face
from voiceface.nn.face.wen_gan import SIZE, Kernel
from voiceface.nn.voice.recurrent_voice import RecurrentVoice
from voiceface.recipes._weights import find_weights_folder
from voiceface.records import SAMPLE_RATE
from voiceface.training.encoder_pairs import exchange, selection_auc
from voiceface.training.option_help import option_help
from voiceface.training.run import Facts, Optimiser, Run
from voiceface.training.weights import read_run, read_weights

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

_DIM = 64
_CONTRACT = {"rate": SAMPLE_RATE, "size": SIZE, "values": "(x - 127.5) / 127.5"}
People = Literal["unknown", "known"]
Indices = npt.NDArray[np.int64]


@option_help()
def recipe(
    *,
    voice_network: str = "student",
    space: Space = "speaker",
    kernel: Kernel = "paper",
    width: int = 1024,
    noise: float = 0.05,
    template: str = "wen",
    mirror: bool = True,
    people: People = "unknown",
    lr: float = 2e-4,
    batch_size: int = 128,
    steps: int = 100_000,
    every: int = 1000,
    ema: float = 0.0,
    validation: float = 0.1,
    test: float = 0.2,
    wrong_labels: bool = False,
    seed: int = 0,
) -> Run[WenVoice2Face]:
    """The run.

    Args:
        voice_network: student, or a weights folder of voice_student or wen_speaker
        space: the student's 64 dimensions: those in which voices differ most (speaker), or those that \
predict faces best (face)
        kernel: kernels as the paper prints them (paper: 3x3) or as in the authors' program (code: 4x4)
        width: channels of the generator's first layer, a multiple of 32
        noise: deviation of the noise added to the normalised voice embedding
        mirror: mirror half of the faces
        people: train on some people (unknown), or on everybody and test on other recordings (known)
        batch_size: voices, and faces, a step
        validation: share of the people (of recordings, if known) to select the best step on
        test: share of the people (of recordings, if known) that nothing is trained or selected on
        wrong_labels: give every voice another person's face: a control that must end at chance
    """
    arguments: dict[str, Any] = dict(locals())
    names = ("voice_network", "template", "batch_size", "mirror", "wrong_labels", "seed")
    sampling = {name: arguments[name] for name in names}
    adam = Optimiser(name="adam", lr=lr, betas=(0.5, 0.999))
    return Run(
        recipe="wen_voice2face",
        arguments=arguments,
        people=people,
        split=partial(_split, people=people, validation=validation, test=test, seed=seed),
        facts=partial(_facts, voice_network=voice_network),
        build=partial(_build, width=width, kernel=kernel, noise=noise, template=template),
        start=partial(_start, voice_network=voice_network, space=space),
        data=partial(UnpairedBatches, **sampling),
        optimisers={"discriminator": adam, "generator": adam},
        steps=steps,
        seed=seed,
        validate=_validate,
        every=every,
        ema=ema or None,
        contract=_CONTRACT | {"template": template},
        licence="Apache-2.0",
    )


def smoke() -> Run[WenVoice2Face]:
    """The same in seconds."""
    return recipe(width=32, batch_size=4, steps=4, every=2, validation=0.2)


class UnpairedBatches:
    """Voices and faces sampled independently of each other; only their people's indices join them.

    A voice whose person has no face is left out.

    The options are the recipe's.
    """

    def __init__(
        self,
        selection: Selection,
        facts: Facts,
        *,
        voice_network: str,
        template: str,
        batch_size: int,
        mirror: bool,
        wrong_labels: bool,
        seed: int,
    ) -> None:
        self.batch_size, self.mirror, self.seed = batch_size, mirror, seed
        corpus, index = selection.corpus, {person: k for k, person in enumerate(facts["people"])}
        speakers, owners = selection.person_of("voices"), selection.person_of("faces")
        kept = np.isin(speakers, np.array(facts["people"]))
        self.voices = selection.voices[kept]
        voice_people = np.array([index[person] for person in speakers[kept].tolist()], dtype=np.int64)
        if wrong_labels:
            present, people = np.unique(voice_people, return_inverse=True)
            voice_people = present[exchange(len(present), seed)][people]
        face_people = [index[person] for person in owners.tolist()]
        self.voice_people, self.face_people = torch.from_numpy(voice_people), torch.tensor(face_people)
        view = face_view(corpus, size=SIZE, template=template)
        self.faces = torch.from_numpy(np.ascontiguousarray(view[selection.faces].transpose(0, 3, 1, 2)))
        self.features: Logmels | Tensor
        if _is_speaker(voice_network):
            self.features = corpus_logmels(corpus)
        else:
            self.features = as_tensor(voice_embeddings(corpus, _encoder(voice_network)))

    def batch(self, step: int) -> dict[str, Tensor]:
        """``voices``, ``voice_people`` (n,), ``faces`` (n, 3, 64, 64) uint8, ``face_people`` (n,)."""
        random = torch_generator(self.seed, step)
        voice = torch.randint(len(self.voice_people), (self.batch_size,), generator=random)
        face = torch.randint(len(self.face_people), (self.batch_size,), generator=random)
        faces = self.faces[face]
        if self.mirror:
            mirrored = torch.rand(self.batch_size, generator=random) < 0.5
            faces[mirrored] = faces[mirrored].flip(3)
        indices = self.voices[voice.numpy()]
        if isinstance(self.features, Logmels):
            voices = self.features.crops(indices, random)
        else:
            voices = self.features[torch.from_numpy(indices)]
        return {
            "voices": voices,
            "voice_people": self.voice_people[voice],
            "faces": faces,
            "face_people": self.face_people[face],
        }


def _split(corpus: Corpus, *, people: People, validation: float, test: float, seed: int) -> Split:
    if people == "known":
        return split_known(corpus, by="session", validation=validation, test=test, seed=seed)
    if people != "unknown":
        raise InputError("people", f"is {people!r}", "give 'unknown' or 'known'")
    return split_people(corpus, seed=seed, validation=validation, test=test)


def _facts(selection: Selection, *, voice_network: str) -> Facts:
    corpus = selection.corpus
    owners = np.unique(selection.person_of("faces"))
    speakers = np.unique(selection.person_of("voices"))
    both = np.intersect1d(owners, speakers)
    if len(both) < 2:
        fault = f"has {len(both)} training people with both a voice and a face"
        raise InputError(corpus.path, fault, "prepare more people with both")
    return {
        "people": owners.tolist(),
        "without_face": len(speakers) - len(both),
        "without_voice": len(owners) - len(both),
        "descriptor_mean": [float(x) for x in face_embeddings(corpus)[selection.faces].mean(0)],
        "voice": _voice_facts(voice_network),
    }


def _voice_facts(voice_network: str) -> dict[str, Any]:
    """Kind and sizes of the voice network, so that weights are built without its folder."""
    if _is_speaker(voice_network):
        tensors, _ = read_weights(find_weights_folder(voice_network))
        width, last = tensors["voice.model.0.weight"], tensors["voice.model.12.weight"]
        return {"kind": "logmel", "width": len(width), "dim": len(last)}
    encoder = _encoder(voice_network)
    network = encoder.network
    assert isinstance(network, RecurrentVoice)
    sizes = {
        "bands": len(network.scale),
        "hidden": network.linear.in_features,
        "layers": len(network.layers),
        "width": encoder.dim,
        "dim": _DIM,
    }
    return {"kind": "encoded", "fingerprint": encoder.fingerprint, **sizes}


def _build(facts: Facts, *, width: int, kernel: Kernel, noise: float, template: str) -> WenVoice2Face:
    voice = facts["voice"]
    sizes = {name: value for name, value in voice.items() if name not in ("kind", "fingerprint")}
    model = WenVoice2Face(
        voice=LogmelFeatures(**sizes) if voice["kind"] == "logmel" else EncoderFeatures(**sizes),
        voice_fingerprint=voice.get("fingerprint", ""),
        classes=len(facts["people"]),
        width=width,
        kernel=kernel,
        noise=noise,
        face_template=template,
        face_embedding_mean=facts["descriptor_mean"],
    )
    model.absent = tuple(facts.get("absent", ()))
    return model


def _is_speaker(voice_network: str) -> bool:
    """Whether a folder holds ``wen_speaker``.

    Raises:
        InputError: the weights of another recipe, which are no voice network.
    """
    if not Path(voice_network).is_dir():
        return False
    card = read_run(find_weights_folder(voice_network))
    if card["recipe"] not in ("wen_speaker", "voice_student"):
        fault = f"holds weights of {card['recipe']}, not of a voice network"
        raise InputError(voice_network, fault, "give a folder of wen_speaker or voice_student")
    return bool(card["recipe"] == "wen_speaker")


def _encoder(voice_network: str) -> WindowEncoder:
    if voice_network == "student":
        return student.load()
    if not Path(voice_network).is_dir():
        fault = "is neither 'student' nor a weights folder"
        raise InputError(voice_network, fault, "train wen_speaker and give its weights folder")
    return student.load(find_weights_folder(voice_network))


def _start(
    model: WenVoice2Face, selection: Selection, facts: Facts, *, voice_network: str, space: Space
) -> None:
    """Fill the voice network, so that the weights contain all that inference needs."""
    voice = model.voice
    if isinstance(voice, LogmelFeatures):
        tensors, _ = read_weights(find_weights_folder(voice_network))
        own = {n.removeprefix("voice."): t for n, t in tensors.items() if n.startswith("voice.")}
        voice.network.load_state_dict(own)
        return
    assert isinstance(voice, EncoderFeatures)
    encoder = _encoder(voice_network)
    voice.encoder.load_state_dict(encoder.network.state_dict())
    corpus = selection.corpus
    owners, speakers = selection.person_of("faces"), selection.person_of("voices")
    # Each voice with its person's mean face.
    kept = np.isin(speakers, owners)
    faces = face_embeddings(corpus)[selection.faces]
    means = {person: faces[owners == person].mean(0) for person in np.unique(speakers[kept]).tolist()}
    voices = voice_embeddings(corpus, encoder)[selection.voices[kept]]
    targets = np.stack([means[person] for person in speakers[kept].tolist()])
    voice.fit_map(as_tensor(voices), as_tensor(targets), space=space)


def _validate(model: WenVoice2Face, selection: Selection, facts: Facts) -> dict[str, float]:
    """AUC of verification between generated and real faces of the validation people, by dlib's embeddings."""
    return {"auc": selection_auc(model, selection)}
