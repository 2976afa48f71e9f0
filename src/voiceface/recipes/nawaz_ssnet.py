"""One network for faces and voices, trained on people's names alone: no pairs, no triplets (SSNet).

Paper     Nawaz, Janjua, Gallo, Mahmood, Calefati 2019, Deep Latent Space Learning for Cross-modal Mapping
          of Audio and Visual Signals (equations 1 and 2, sections III and IV-C)
Data      faces (256 pixels) and 3 s of speech of the training people, each modality on its own
Command   voiceface train nawaz_ssnet --corpus CORPUS [--backbone small --size 96 --width 0.5]
Cost      the small network of `voiceface tables ssnet --quick`: 2,500 steps in 5 minutes of one core
Reported  unknown people AUC 78.8, EER 29.5 (λ = 0: 72.6, 33.6); known people 91.1, 17.2 (81.2, 26.3)
Differs   both sums of equation (2) are divided by the items of the batch, so that a rate serves every batch
          size; its sum over items of a whole person's spread is taken once a person (nn/loss/centre.py)
          `--batch people` samples people with several items each instead of 45 items of anybody; as hardly
          anybody is twice among those, the same λ then weighs ten times as much and more: take --pull 0.1
          a spectrogram is resized to the picture's size and repeated in three channels
          Adam at 1e-3 by default: see RESULTS.md for the printed 0.05; its "decay 5e-5" is taken
          for a weight decay; the rate falls by a cosine over 100,000 steps, where the paper says 100 epochs
          half of the training faces are mirrored, and a tested face's embedding is the mean of its own and
          its mirror image's: the paper says neither
          --face-network starts the backbone from a published face network, which the paper does not say
          selection by AUC on validation people (or recordings), which the paper does not describe
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.corpus.splits import Selection, Split, split_known, split_people
from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.models.face_encoders.facenet import read_network
from voiceface.models.single_stream import WINDOW, Backbone, SingleStream
from voiceface.models.step_seed import numpy_generator
from voiceface.models.voice_encoder import as_wave
from voiceface.records import SAMPLE_RATE
from voiceface.training.encoder_pairs import exchange, validation_auc
from voiceface.training.option_help import option_help
from voiceface.training.run import Facts, Optimiser, Run

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

Indices = npt.NDArray[np.int64]
_KINDS = ("faces", "voices")


@option_help()
def recipe(
    *,
    backbone: Backbone = "inception_resnet_v1",
    size: int = 256,
    width: float = 1.0,
    dim: int = 128,
    face_network: str = "",
    pull: float = 1.0,
    centres: Literal["batch", "running"] = "batch",
    log_magnitude: bool = False,
    lr: float = 1e-3,
    weight_decay: float = 5e-5,
    batch: Literal["anybody", "people"] = "anybody",
    people: int = 15,
    items: int = 3,
    steps: int = 100_000,
    every: int = 1000,
    known: bool = False,
    validation: float = 0.1,
    test: float = 0.1,
    wrong_labels: bool = False,
    seed: int = 0,
) -> Run[SingleStream]:
    """The run.

    Args:
        backbone: the network: the paper's, or a small one for processors
        size: side of its pictures in pixels
        width: factor on the network's channels
        face_network: FaceNet's weights, whose trunk the backbone starts from (docs/encoders.md)
        pull: weight of the centre loss (the paper's λ)
        centres: centres of the batch, as SSNet writes, or running ones, as Wen et al. 2016
        log_magnitude: take the logarithm of the spectrogram, which the paper does not
        lr: Adam's learning rate, falling to 0 by a cosine
        weight_decay: Adam's weight decay (L2)
        batch: items of anybody at random (the paper), or of a few people with several items each
        people: people in a batch
        items: faces and recordings of each; a batch of anybody has people times items of them
        known: split the recordings of known people (seen-heard) instead of the people (unseen-unheard)
        validation: share of the people, or recordings, held out to select the best step on
        test: the same share held out for evaluation
    """
    return _run(dict(locals()))


def smoke() -> Run[SingleStream]:
    """The same in seconds."""
    return recipe(backbone="small", size=32, width=0.25, dim=8, people=3, items=2, steps=3, validation=0.3)


def _run(arguments: dict[str, Any]) -> Run[SingleStream]:
    optimiser = Optimiser(
        name="adam", lr=arguments["lr"], weight_decay=arguments["weight_decay"], schedule="cosine"
    )
    weights = arguments["face_network"]
    if weights and arguments["backbone"] != "inception_resnet_v1":
        fault = f"holds the trunk of another backbone than {arguments['backbone']}"
        raise InputError("--face-network", fault, "leave --backbone out")
    shares = {name: arguments[name] for name in ("known", "seed", "validation", "test")}
    names = ("backbone", "size", "width", "dim", "pull", "centres")
    sizes = {name: arguments[name] for name in names}
    return Run(
        recipe="nawaz_ssnet",
        arguments=arguments,
        people="known" if shares["known"] else "unknown",
        split=partial(_split, **shares),
        facts=_facts,
        build=lambda facts: SingleStream(classes=facts["classes"], log=arguments["log_magnitude"], **sizes),
        start=partial(_start, weights=weights) if weights else None,
        data=partial(_batches, arguments),
        optimisers={"stream": optimiser},
        steps=arguments["steps"],
        seed=arguments["seed"],
        validate=_validate,
        every=arguments["every"],
        half=True,
        contract={
            "rate": SAMPLE_RATE,
            "seconds": 3,
            "features": "magnitude",
            "size": arguments["size"],
            "template": SingleStream.face_template,
        },
        licence="Apache-2.0",
    )


def _start(model: SingleStream, selection: Selection, facts: Facts, *, weights: str) -> None:
    """Fill the backbone with the trunk of a published face network; its last layer stays as it is."""
    network, path = read_network(weights)
    trunk, own = network.trunk.state_dict(), model.network.state_dict()
    other = [name for name, tensor in trunk.items() if own[name].shape != tensor.shape]
    if other:
        fault = f"has other sizes than the backbone, {other[0]} for one"
        raise InputError(path, fault, "give --width what the file has")
    model.network.load_state_dict(own | trunk)


def _split(corpus: Corpus, *, known: bool, seed: int, validation: float, test: float) -> Split:
    if known:
        validation, test = max(validation, 0.15), max(test, 0.15)
        return split_known(corpus, by="session", seed=seed, validation=validation, test=test)
    return split_people(corpus, seed=seed, validation=validation, test=test)


def _batches(arguments: dict[str, Any], selection: Selection, facts: Facts) -> MixedBatches:
    names = ("people", "items", "size", "seed", "wrong_labels")
    given = {name: arguments[name] for name in names}
    return MixedBatches(selection, grouped=arguments["batch"] == "people", **given)


class MixedBatches:
    """Batches of faces and recordings, sampled independently at each step.

    Args:
        selection: training items.
        grouped: True samples people and then items of each; False samples ``people * items`` items of
            anybody, none twice, each as likely as any other.
        people: people a batch, fewer if there are fewer.
        items: faces and recordings of each person, at least one of either kind.
        size: side of the faces in pixels.
        seed: random seed.
        wrong_labels: everybody gets the faces of somebody else.
    """

    def __init__(
        self,
        selection: Selection,
        *,
        grouped: bool,
        people: int,
        items: int,
        size: int,
        seed: int,
        wrong_labels: bool,
    ) -> None:
        corpus = selection.corpus
        self.corpus, self.seed = corpus, seed
        self.faces = face_view(corpus, size=size, template=SingleStream.face_template)
        owners = {kind: corpus.person_of(kind) for kind in _KINDS}
        self.names = _names(selection)
        indices = {kind: _by_person(owners[kind], getattr(selection, kind), self.names) for kind in _KINDS}
        if wrong_labels:
            indices["faces"] = [indices["faces"][other] for other in exchange(len(self.names), seed)]
        self.indices, self.grouped = indices, grouped
        self.count = people * items
        self.people, self.items = min(people, len(self.names)), max(2, items)
        self.all = [
            (kind, person, index)
            for kind in _KINDS
            for person, own in enumerate(indices[kind])
            for index in own.tolist()
        ]

    def batch(self, step: int) -> dict[str, Tensor]:
        """Faces, waves and the class numbers of both, as `SingleStream.error` takes them."""
        random = numpy_generator(self.seed, step)
        chosen = self._sample_people(random) if self.grouped else self._sample_items(random)
        waves = np.zeros((len(chosen["voices"]), WINDOW), np.float32)
        for row, (_, index) in zip(waves, chosen["voices"], strict=True):
            wave = as_wave(self.corpus.wave(index)).numpy()
            start = int(random.integers(max(1, len(wave) - WINDOW + 1)))
            row[:] = np.resize(wave[start : start + WINDOW], WINDOW)
        faces = self.faces[[index for _, index in chosen["faces"]]]
        mirrored = random.random(len(faces)) < 0.5
        faces = np.where(mirrored[:, None, None, None], faces[:, :, ::-1], faces)
        return {
            "faces": torch.from_numpy(np.ascontiguousarray(faces)).permute(0, 3, 1, 2),
            "waves": torch.from_numpy(waves),
            "face_people": torch.tensor([person for person, _ in chosen["faces"]], dtype=torch.long),
            "voice_people": torch.tensor([person for person, _ in chosen["voices"]], dtype=torch.long),
        }

    def _sample_people(self, random: np.random.Generator) -> dict[str, list[tuple[int, int]]]:
        chosen: dict[str, list[tuple[int, int]]] = {kind: [] for kind in _KINDS}
        for person in random.permutation(len(self.names))[: self.people].tolist():
            own = {kind: self.indices[kind][person] for kind in _KINDS}
            # One of each kind where there is one, the rest of either.
            kinds = [kind for kind in _KINDS if len(own[kind])]
            kinds += random.choice(kinds, self.items - len(kinds)).tolist()
            for kind in kinds:
                chosen[kind].append((person, int(random.choice(own[kind]))))
        return chosen

    def _sample_items(self, random: np.random.Generator) -> dict[str, list[tuple[int, int]]]:
        chosen: dict[str, list[tuple[int, int]]] = {kind: [] for kind in _KINDS}
        for row in random.permutation(len(self.all))[: self.count].tolist():
            kind, person, index = self.all[row]
            chosen[kind].append((person, index))
        return chosen


def _names(selection: Selection) -> list[str]:
    if len(selection.people) < 2:
        fault = f"has {len(selection.people)} training people, too few to classify"
        raise InputError(selection.corpus.path, fault, "prepare more people")
    return [p for p in selection.people if p]


def _by_person(owners: npt.NDArray[np.str_], indices: Indices, names: list[str]) -> list[Indices]:
    people = owners[indices]
    return [indices[people == name] for name in names]


def _facts(selection: Selection) -> Facts:
    return {"classes": len(_names(selection))}


def _validate(model: SingleStream, selection: Selection, facts: Facts) -> dict[str, float]:
    return validation_auc(model, selection)
