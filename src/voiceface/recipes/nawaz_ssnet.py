"""One network for faces and voices, trained on people's names alone: no pairs, no triplets (SSNet).

Paper     Nawaz, Janjua, Gallo, Mahmood, Calefati 2019, Deep Latent Space Learning for Cross-modal Mapping
          of Audio and Visual Signals (equations 1 and 2, sections III and IV-C)
Data      faces (256 pixels) and 3 s of speech of the training people, each modality on its own
Command   voiceface train nawaz_ssnet --corpus CORPUS [--backbone small --size 96 --width 0.5]
Cost      the small network of `voiceface tables ssnet --quick`: 2,500 steps in 5 minutes of one core
Reported  unknown people AUC 78.8, EER 29.5 (λ = 0: 72.6, 33.6); known people 91.1, 17.2 (81.2, 26.3)
Differs   both sums of equation (2) are divided by the items of the batch, so that a rate serves every batch
          size; its sum over items of a whole person's spread is taken once a person (nn/loss/centre.py)
          `--batch people` draws people with several items each instead of 45 items of anybody; as hardly
          anybody is twice among those, the same λ then pulls ten times as hard and more: take --pull 0.1
          a spectrogram is resized to the picture's size and repeated in three channels
          Adam at 1e-3 by default: see RESULTS.md for the printed 0.05; its "decay 5e-5" is taken
          for a weight decay
          selection by AUC on validation people (or recordings), which the paper does not describe
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.corpus.splits import Selection, Split, split_known, split_people
from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.metrics.roc import auc
from voiceface.models.model import Model
from voiceface.models.single_stream import Backbone, SingleStream
from voiceface.models.voice_encoder import as_wave
from voiceface.protocols.pair_verification import pair_trials
from voiceface.training.run import Facts, Optimiser, Run

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = ["Mixed", "recipe", "smoke"]

Rows = npt.NDArray[np.int64]
_KINDS = ("faces", "voices")
_SAMPLES = 48_000
_AT_ONCE = 32


def recipe(
    *,
    backbone: Backbone = "inception_resnet_v1",
    size: int = 256,
    width: float = 1.0,
    dim: int = 128,
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
) -> Run:
    """The run; ``pull`` is λ.

    A ``batch`` holds ``people`` times ``items`` faces and recordings: of ``anybody`` at random, as the paper
    has it, or that many people with that many items each, which makes the same λ pull many times harder.
    ``known`` splits the recordings of known people (seen-heard) instead of the people (unseen-unheard).
    ``wrong_labels`` gives every training person somebody else's faces: a control that must end at chance.
    """
    arguments: dict[str, Any] = dict(locals())
    grouped = batch == "people"
    drawn = {name: arguments[name] for name in ("people", "items", "size", "seed", "wrong_labels")}

    return Run(
        recipe="nawaz_ssnet",
        arguments=arguments,
        split=lambda corpus: _split(corpus, known=known, seed=seed, validation=validation, test=test),
        facts=_facts,
        build=lambda facts: SingleStream(
            classes=facts["classes"],
            backbone=backbone,
            size=size,
            width=width,
            dim=dim,
            pull=pull,
            centres=centres,
            log=log_magnitude,
        ),
        data=lambda selection, facts: Mixed(selection, grouped=grouped, **drawn),
        optimisers={"stream": Optimiser(name="adam", lr=lr, weight_decay=weight_decay, schedule="cosine")},
        steps=steps,
        seed=seed,
        validate=lambda model, selection, facts: _validate(model, selection),
        embed=lambda model, selection, facts: _embed(model, selection),
        every=every,
        half=True,
        contract={"rate": 16_000, "seconds": 3, "features": "magnitude", "size": size, "template": "dlib"},
        licence="Apache-2.0",
    )


def smoke() -> Run:
    """The same in seconds."""
    return recipe(backbone="small", size=32, width=0.25, dim=8, people=3, items=2, steps=3, validation=0.3)


def _split(corpus: Corpus, *, known: bool, seed: int, validation: float, test: float) -> Split:
    if known:
        return split_known(corpus, seed=seed, validation=max(validation, 0.15), test=max(test, 0.15))
    return split_people(corpus, seed=seed, validation=validation, test=test)


class Mixed:
    """Batches of faces and recordings drawn anew each step.

    Args:
        selection: training items.
        grouped: True draws people and then items of each; False draws ``people * items`` items of anybody,
            none twice, each as likely as any other.
        people: people a batch, fewer if there are fewer.
        items: faces and recordings of each, as many of either kind as the person's draw gives; at least one.
        size: side of the faces in pixels.
        seed: of every draw.
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
        self.faces = face_view(corpus, size=size, template="dlib")
        owners = {name: corpus.column(name, "person").astype(str) for name in ("voices", "faces")}
        self.names = _names(selection)
        places = {name: _by_person(owners[name], getattr(selection, name), self.names) for name in owners}
        if wrong_labels:
            round_ = np.random.default_rng(seed).permutation(len(self.names))
            given = list(places["faces"])
            for own, other in zip(round_, np.roll(round_, 1), strict=True):
                places["faces"][own] = given[other]
        self.places, self.grouped = places, grouped
        self.count = people * items
        self.people, self.items = min(people, len(self.names)), max(2, items)
        self.all = [
            (kind, person, place)
            for kind in _KINDS
            for person, rows in enumerate(places[kind])
            for place in rows.tolist()
        ]

    def batch(self, step: int) -> dict[str, Tensor]:
        """Faces, waves and the class numbers of both, as `SingleStream.error` takes them."""
        digest = hashlib.blake2b(f"{self.seed}/{step}".encode(), digest_size=8).digest()
        random = np.random.default_rng(int.from_bytes(digest, "big"))
        chosen = self._of_people(random) if self.grouped else self._of_anybody(random)
        waves = np.zeros((len(chosen["voices"]), _SAMPLES), np.float32)
        for row, (_, place) in zip(waves, chosen["voices"], strict=True):
            wave = as_wave(self.corpus.wave(place)).numpy()
            start = int(random.integers(max(1, len(wave) - _SAMPLES + 1)))
            row[:] = np.resize(wave[start : start + _SAMPLES], _SAMPLES)
        shown = self.faces[[place for _, place in chosen["faces"]]]
        mirrored = random.random(len(shown)) < 0.5
        shown = np.where(mirrored[:, None, None, None], shown[:, :, ::-1], shown)
        return {
            "faces": torch.from_numpy(np.ascontiguousarray(shown)).permute(0, 3, 1, 2),
            "waves": torch.from_numpy(waves),
            "face_people": torch.tensor([person for person, _ in chosen["faces"]], dtype=torch.long),
            "voice_people": torch.tensor([person for person, _ in chosen["voices"]], dtype=torch.long),
        }

    def _of_people(self, random: np.random.Generator) -> dict[str, list[tuple[int, int]]]:
        chosen: dict[str, list[tuple[int, int]]] = {kind: [] for kind in _KINDS}
        for person in random.permutation(len(self.names))[: self.people].tolist():
            have = {kind: self.places[kind][person] for kind in _KINDS}
            # One of each kind where there is one, the rest of either.
            kinds = [kind for kind in _KINDS if len(have[kind])]
            kinds += random.choice(kinds, self.items - len(kinds)).tolist()
            for kind in kinds:
                chosen[kind].append((person, int(random.choice(have[kind]))))
        return chosen

    def _of_anybody(self, random: np.random.Generator) -> dict[str, list[tuple[int, int]]]:
        chosen: dict[str, list[tuple[int, int]]] = {kind: [] for kind in _KINDS}
        for row in random.permutation(len(self.all))[: self.count].tolist():
            kind, person, place = self.all[row]
            chosen[kind].append((person, place))
        return chosen


def _names(selection: Selection) -> list[str]:
    if len(selection.people) < 2:
        fault = f"has {len(selection.people)} training people to tell apart"
        raise InputError(selection.corpus.path, fault, "prepare more people")
    return [p for p in selection.people if p]


def _by_person(owners: npt.NDArray[np.str_], rows: Rows, names: list[str]) -> list[Rows]:
    whose = owners[rows]
    return [rows[whose == name] for name in names]


def _facts(selection: Selection) -> Facts:
    return {"classes": len(_names(selection))}


def _embed(model: Model, selection: Selection) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Faces with their mirror images, recordings by the mean of 3 s windows that overlap by half."""
    stream = cast(SingleStream, model)
    corpus, device = selection.corpus, next(stream.parameters()).device
    view = face_view(corpus, size=stream.size, template="dlib")
    with torch.no_grad():
        faces = [np.zeros((0, stream.dim), np.float32)]
        for first in range(0, len(selection.faces), _AT_ONCE):
            some = np.array(view[selection.faces[first : first + _AT_ONCE]])
            shown = torch.from_numpy(some).permute(0, 3, 1, 2).to(device)
            both = stream.embed_pictures(stream.face_pictures(torch.cat([shown, shown.flip(3)])))
            faces.append(
                torch.nn.functional.normalize(both[: len(some)] + both[len(some) :], dim=1).cpu().numpy()
            )
        voices = [np.zeros((0, stream.dim), np.float32)]
        for row in selection.voices.tolist():
            rows = stream.embed_pictures(stream.voice_pictures(_windows(corpus.wave(row)).to(device)))
            voices.append(torch.nn.functional.normalize(rows.mean(0, keepdim=True), dim=1).cpu().numpy())
    return np.concatenate(voices), np.concatenate(faces)


def _windows(wave: npt.NDArray[Any]) -> Tensor:
    """(windows, 48000): 3 s of every 1.5 s, a shorter recording repeated to 3 s; twenty at most."""
    whole = as_wave(wave)
    if len(whole) <= _SAMPLES:
        return torch.from_numpy(np.resize(whole.numpy(), _SAMPLES))[None]
    windows = whole.unfold(0, _SAMPLES, _SAMPLES // 2)
    return windows[:: max(1, len(windows) // 20)][:20]


def _validate(model: Model, selection: Selection) -> dict[str, float]:
    """AUC of all voice-face pairs of the validation items, of 2,000 of each at most."""
    some = Selection(
        selection.corpus, _subsample(selection.voices), _subsample(selection.faces), selection.clips
    )
    voices, faces = _embed(model, some)
    people = [
        selection.corpus.column(name, "person")[rows].astype(str)
        for name, rows in (("voices", some.voices), ("faces", some.faces))
    ]
    trials = pair_trials(voices.astype(np.float64) @ faces.T, people=(people[0], people[1]))
    if trials.labels.all() or not trials.labels.any():
        fault = "the validation people give no pairs of one person, or none of two"
        raise InputError("validation", fault, "give it a larger share, or prepare more people with both")
    return {"auc": float(auc(trials.scores, trials.labels))}


def _subsample(rows: Rows) -> Rows:
    return rows[:: max(1, -(-len(rows) // 2000))]
