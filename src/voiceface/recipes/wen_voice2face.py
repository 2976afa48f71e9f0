"""Draws faces from voices with a GAN whose judge shares its trunk with a classifier of people.

Paper     Wen, Singh, Raj 2019, Face Reconstruction from Voice using GANs (Algorithm 1, Table 2)
Data      voices and faces of the same people; nobody of the test split is trained or selected on
Command   voiceface train wen_voice2face --corpus CORPUS [--voice-network runs/wen_speaker/weights]
Cost      see docs/papers/wen.md
Reported  matching 76.07 %, same gender 59.69 % (Table 3), gender 96.45 %, known people 61.7 % (top-5 82.3 %)
Differs   the voice network is by default our shipped encoder, its 256 numbers brought to 64 by a linear map
          computed from the training people; --voice-network names a training of wen_speaker for the paper's
          kernel "paper" is as printed: 3x3, an output padding of 1 where pictures double, a leaky ReLU at the
          trunk's end; "code" is as in the authors' program: 4x4 and no ReLU there
          judge and classifier are updated in one turn, as in the authors' program
          voices of people without a face are left out, faces of people without a voice are kept
          faces are cut by five landmarks, the paper's by more; half are mirrored, as in the program
          one batch's crops share a length; recordings shorter than it are repeated
          the program's noise of 0.05 on the embedding, which the paper does not mention
          selection on validation people, where the paper stops after 100,000 steps
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.corpus.splits import Selection, Split, split_known, split_people
from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.metrics.roc import auc
from voiceface.models.corpus_embeddings import as_tensor, face_embeddings, voice_embeddings
from voiceface.models.encoders import student
from voiceface.models.generated_faces import embed_generated_and_real
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.logmels import Logmels, corpus_logmels
from voiceface.models.model import Model
from voiceface.models.voice_features import EncoderFeatures, LogmelFeatures, Space
from voiceface.models.wen_gan import WenVoice2Face
from voiceface.nn.face.wen_gan import SIZE, Kernel
from voiceface.nn.voice.recurrent_voice import RecurrentVoice
from voiceface.protocols.pair_verification import pair_trials
from voiceface.recipes._weights import find_weights_folder
from voiceface.training.run import Facts, Optimiser, Pictures, Run
from voiceface.training.weights import read_run, read_weights

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = ["conditioning_embeddings", "generate_for_voices", "recipe", "smoke"]

_DIM = 64
People = Literal["unknown", "known"]


def recipe(
    *,
    voice_network: str = "student",
    space: Space = "speaker",
    kernel: Kernel = "paper",
    width: int = 1024,
    noise: float = 0.05,
    template: str = "dlib",
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
) -> Run:
    """The run.

    ``voice_network`` is ``student`` or a weights folder of ``voice_student`` or ``wen_speaker``; ``space``
    says by what the former's numbers are chosen (`EncoderFeatures.spread`); ``people`` which split is made
    (``known``: everybody trains, other recordings test); ``ema`` 0 means none. ``wrong_labels`` gives every
    voice somebody else's face: a control that must end at chance.
    """
    arguments: dict[str, Any] = dict(locals())
    adam = Optimiser(name="adam", lr=lr, betas=(0.5, 0.999))
    return Run(
        recipe="wen_voice2face",
        arguments=arguments,
        split=lambda corpus: _split(corpus, people, validation=validation, test=test, seed=seed),
        facts=lambda selection: _facts(selection, voice_network),
        build=lambda facts: _build(facts, width=width, kernel=kernel, noise=noise),
        start=lambda model, selection, facts: _start(model, selection, voice_network, space),
        data=lambda selection, facts: UnpairedBatches(
            _of(selection.corpus, voice_network),
            _whose(selection, facts["people"], seed if wrong_labels else None),
            face_view(selection.corpus, size=SIZE, template=template),
            batch_size=batch_size,
            mirror=mirror,
            seed=seed,
        ),
        optimisers={"judge": adam, "generator": adam},
        steps=steps,
        seed=seed,
        validate=lambda model, selection, facts: _validate(model, selection, facts, template),
        embed=lambda model, selection, facts: _embed(model, selection, facts, template),
        imagine=_imagine,
        every=every,
        ema=ema or None,
        contract={"rate": 16_000, "size": SIZE, "template": template, "values": "(x - 127.5) / 127.5"},
        licence="Apache-2.0",
    )


def smoke() -> Run:
    """The same in seconds."""
    return recipe(width=32, batch_size=4, steps=4, every=2, validation=0.2)


class UnpairedBatches:
    """Voices and faces drawn independently of each other; only their people's numbers join them.

    Args:
        voices: of the corpus: log-mels to be cropped, or an encoder's rows.
        whose: voices' places and people, faces' places and people.
        faces: (faces of the corpus, 64, 64, 3) uint8.
        batch_size: of both.
        mirror: turn half of the faces round.
        seed: of every draw.
    """

    def __init__(
        self,
        voices: Logmels | Tensor,
        whose: tuple[tuple[Rows, Rows], tuple[Rows, Rows]],
        faces: npt.NDArray[np.uint8],
        *,
        batch_size: int,
        mirror: bool,
        seed: int,
    ) -> None:
        self.voices, self.size, self.mirror, self.seed = voices, batch_size, mirror, seed
        (self.voice_embeddings, speakers), (face_embeddings, owners) = whose
        self.speakers, self.owners = torch.from_numpy(speakers), torch.from_numpy(owners)
        self.faces = torch.from_numpy(np.ascontiguousarray(faces[face_embeddings].transpose(0, 3, 1, 2)))

    def batch(self, step: int) -> dict[str, Tensor]:
        """``voices``, ``voice_people`` (n,), ``faces`` (n, 3, 64, 64) uint8, ``face_people`` (n,)."""
        digest = hashlib.blake2b(f"{self.seed}/{step}".encode(), digest_size=8).digest()
        random = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
        heard = torch.randint(len(self.speakers), (self.size,), generator=random)
        seen = torch.randint(len(self.owners), (self.size,), generator=random)
        faces = self.faces[seen]
        if self.mirror:
            turned = torch.rand(self.size, generator=random) < 0.5
            faces[turned] = faces[turned].flip(3)
        rows = self.voice_embeddings[heard.numpy()]
        if isinstance(self.voices, Logmels):
            voices = self.voices.crops(rows, random)
        else:
            voices = self.voices[torch.from_numpy(rows)]
        return {
            "voices": voices,
            "voice_people": self.speakers[heard],
            "faces": faces,
            "face_people": self.owners[seen],
        }


Rows = npt.NDArray[np.int64]


def conditioning_embeddings(model: WenVoice2Face, selection: Selection, facts: Facts) -> Tensor:
    """What the frozen voice network makes of every voice, (voices, 64), from what is cached."""
    hearing, corpus = model.voice, selection.corpus
    if isinstance(hearing, EncoderFeatures):
        encoder = hearing.window_encoder(facts["voice"]["fingerprint"])
        rows = as_tensor(voice_embeddings(corpus, encoder))[torch.from_numpy(selection.voices)]
        return hearing(rows.to(hearing.get_buffer("mean").device))  # type: ignore[no-any-return]
    assert isinstance(hearing, LogmelFeatures)
    logmels = corpus_logmels(corpus)
    return hearing.whole([logmels.bare(row) for row in selection.voices.tolist()])


def generate_for_voices(model: WenVoice2Face, selection: Selection, facts: Facts) -> Pictures:
    """A face for every voice of a selection, in its order, without noise: (voices, 64, 64, 3)."""
    if not len(selection.voices):
        raise InputError(selection.corpus.path, "holds no voice to draw a face from", "prepare some")
    return model.draw(conditioning_embeddings(model, selection, facts))


def _split(corpus: Corpus, people: People, *, validation: float, test: float, seed: int) -> Split:
    if people == "known":
        return split_known(corpus, validation=validation, test=test, seed=seed)
    if people != "unknown":
        raise InputError("people", f"is {people!r}", "give 'unknown' or 'known'")
    return split_people(corpus, seed=seed, validation=validation, test=test)


def _facts(selection: Selection, voice_network: str) -> Facts:
    corpus = selection.corpus
    owners = np.unique(corpus.column("faces", "person")[selection.faces].astype(str))
    speakers = np.unique(corpus.column("voices", "person")[selection.voices].astype(str))
    both = np.intersect1d(owners, speakers)
    if len(both) < 2:
        fault = f"has {len(both)} training people with both a voice and a face"
        raise InputError(corpus.path, fault, "prepare more people with both")
    return {
        "people": owners.tolist(),
        "without_face": len(speakers) - len(both),
        "without_voice": len(owners) - len(both),
        "descriptor_mean": [float(x) for x in face_embeddings(corpus)[selection.faces].mean(0)],
        "voice": _kind(voice_network),
    }


def _kind(voice_network: str) -> dict[str, Any]:
    """What the voice network is and its sizes, so that weights are built without the folder."""
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


def _build(facts: Facts, *, width: int, kernel: Kernel, noise: float) -> WenVoice2Face:
    return WenVoice2Face(
        voice=_hearing(facts["voice"]),
        classes=len(facts["people"]),
        width=width,
        kernel=kernel,
        noise=noise,
        absent=facts.get("absent", ()),
    )


def _hearing(told: dict[str, Any]) -> LogmelFeatures | EncoderFeatures:
    sizes = {name: value for name, value in told.items() if name not in ("kind", "fingerprint")}
    return LogmelFeatures(**sizes) if told["kind"] == "logmel" else EncoderFeatures(**sizes)


def _is_speaker(voice_network: str) -> bool:
    """Whether a folder holds ``wen_speaker``.

    Raises:
        InputError: the weights of another recipe, which hear nothing.
    """
    if not Path(voice_network).is_dir():
        return False
    card = read_run(find_weights_folder(voice_network))
    if card["recipe"] not in ("wen_speaker", "voice_student"):
        fault = f"holds weights of {card['recipe']}, not of a voice network"
        raise InputError(voice_network, fault, "give a folder of wen_speaker or voice_student")
    return bool(card["recipe"] == "wen_speaker")


def _encoder(voice_network: str) -> Any:  # noqa: ANN401 - a WindowEncoder
    if voice_network == "student":
        return student.load()
    if not Path(voice_network).is_dir():
        fault = "is neither 'student' nor a weights folder"
        raise InputError(voice_network, fault, "train wen_speaker and give its weights folder")
    return student.load(find_weights_folder(voice_network))


def _of(corpus: Corpus, voice_network: str) -> Logmels | Tensor:
    if _is_speaker(voice_network):
        return corpus_logmels(corpus)
    return as_tensor(voice_embeddings(corpus, _encoder(voice_network)))


def _whose(
    selection: Selection, people: Sequence[str], wrong_labels: int | None
) -> tuple[tuple[Rows, Rows], tuple[Rows, Rows]]:
    """Places and people of the voices and of the faces; a voice whose person has no face is left out.

    ``wrong_labels`` seeds the control in which no voice has its person's face; None: all have.
    """
    corpus, number = selection.corpus, {person: index for index, person in enumerate(people)}
    owners = corpus.column("faces", "person")[selection.faces].astype(str)
    speakers = corpus.column("voices", "person")[selection.voices].astype(str)
    kept = np.isin(speakers, np.array(people))
    heard = np.array([number[person] for person in speakers[kept].tolist()], dtype=np.int64)
    if wrong_labels is not None:
        # In a shuffled round of those who speak, everybody gets the next one's face: nobody keeps the own.
        round_ = np.random.default_rng(wrong_labels).permutation(np.unique(heard))
        other = np.zeros(len(people), dtype=np.int64)
        other[round_] = np.roll(round_, 1)
        heard = other[heard]
    seen = np.array([number[person] for person in owners.tolist()], dtype=np.int64)
    return (selection.voices[kept], heard), (selection.faces, seen)


def _start(model: Model, selection: Selection, voice_network: str, space: Space) -> None:
    """Fill the voice network, so that one folder holds all that drawing needs."""
    assert isinstance(model, WenVoice2Face)
    hearing = model.voice
    if isinstance(hearing, LogmelFeatures):
        tensors, _ = read_weights(find_weights_folder(voice_network))
        own = {n.removeprefix("voice."): t for n, t in tensors.items() if n.startswith("voice.")}
        hearing.network.load_state_dict(own)
        return
    assert isinstance(hearing, EncoderFeatures)
    encoder = _encoder(voice_network)
    hearing.encoder.load_state_dict(encoder.network.state_dict())
    corpus = selection.corpus
    owners, speakers = (
        corpus.column(table, "person")[rows].astype(str)
        for table, rows in (("faces", selection.faces), ("voices", selection.voices))
    )
    # Each voice beside its person's mean face.
    kept = np.isin(speakers, owners)
    faces, means = face_embeddings(corpus)[selection.faces], {}
    for person in np.unique(speakers[kept]).tolist():
        means[person] = faces[owners == person].mean(0)
    rows = voice_embeddings(corpus, encoder)[selection.voices[kept]]
    hearing.spread(
        as_tensor(rows), as_tensor(np.stack([means[p] for p in speakers[kept].tolist()])), space=space
    )


def _imagine(model: Model, cues: Sequence[GeneratorInput], facts: Facts, seed: int) -> Pictures:
    """A face a cue, with the training's noise: equal cues give faces that differ a little."""
    assert isinstance(model, WenVoice2Face)
    waves = [cue.wave for cue in cues if cue.wave is not None]
    if len(waves) < len(cues):
        raise InputError("wen_voice2face", "draws from a voice, and a cue has none", "give recordings")
    noise = []
    for place in range(len(cues)):
        digest = hashlib.blake2b(f"{seed}/{place}".encode(), digest_size=8).digest()
        random = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
        noise.append(torch.randn(model.voice.dim, generator=random))
    rows = model.voice.hear(waves)
    return model.draw(rows, noise=torch.stack(noise) if noise else None)


def _embed(model: Model, selection: Selection, facts: Facts, template: str) -> tuple[Any, Any]:
    assert isinstance(model, WenVoice2Face)
    drawn = generate_for_voices(model, selection, facts)
    return embed_generated_and_real(drawn, selection, template=template, centre=facts["descriptor_mean"])


def _validate(model: Model, selection: Selection, facts: Facts, template: str) -> dict[str, float]:
    """AUC of drawn against real faces of the validation people, by the recogniser's descriptors."""
    drawn, real = _embed(model, selection, facts, template)
    tables = (("voices", selection.voices), ("faces", selection.faces))
    people = [selection.corpus.column(table, "person")[rows].astype(str) for table, rows in tables]
    trials = pair_trials(drawn.astype(np.float64) @ real.T, people=(people[0], people[1]))
    if trials.labels.all() or not trials.labels.any():
        fault = "the validation people give no pairs of one person, or none of two"
        raise InputError("validation", fault, "give it a larger share, or prepare more people with both")
    return {"auc": float(auc(trials.scores, trials.labels))}
