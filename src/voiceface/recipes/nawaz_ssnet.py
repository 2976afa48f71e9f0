"""One network for faces and voices, trained on people's names alone: no pairs, no triplets (SSNet).

Paper     Nawaz, Janjua, Gallo, Mahmood, Calefati 2019, Deep Latent Space Learning for Cross-modal Mapping
          of Audio and Visual Signals (equations 1 and 2, sections III and IV-C)
Data      faces (256 pixels) and 3 s of speech of the training people, each modality on its own
Command   voiceface train nawaz_ssnet --corpus CORPUS [--backbone small --size 96 --width 0.5]
Cost      see RESULTS.md
Reported  unknown people AUC 78.8, EER 29.5 (λ = 0: 72.6, 33.6); known people 91.1, 17.2 (81.2, 26.3)
Differs   a batch holds `people` people with `items` faces and voices each, not 45 items of anybody: of
          thousands of people 45 items at random hold hardly anybody twice, and equation (1) is then zero
          equation (2)'s sum over items of a whole person's spread is taken once a person (nn/loss/centre.py)
          both sums are divided by the items of the batch, so that a rate serves every batch size
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
from voiceface.errors import InputError
from voiceface.metrics.roc import auc
from voiceface.protocols.verify import pair_trials
from voiceface.systems.encoder import as_wave
from voiceface.systems.single_stream import Backbone, SingleStream
from voiceface.systems.system import System
from voiceface.training.run import Facts, Optimiser, Run

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = ["Mixed", "recipe", "smoke"]

Rows = npt.NDArray[np.int64]
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

    ``known`` splits the recordings of known people (seen-heard) instead of the people (unseen-unheard).
    ``wrong_labels`` gives every training person somebody else's faces: a control that must end at chance.
    """
    arguments: dict[str, Any] = dict(locals())

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
        data=lambda selection, facts: Mixed(
            selection, people=people, items=items, size=size, seed=seed, wrong_labels=wrong_labels
        ),
        optimisers={"stream": Optimiser(name="adam", lr=lr, weight_decay=weight_decay, schedule="cosine")},
        steps=steps,
        seed=seed,
        validate=lambda system, selection, facts: _validate(system, selection),
        embed=lambda system, selection, facts: _embed(system, selection),
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
    """Batches of people with faces and recordings drawn anew each step.

    Args:
        selection: training items.
        people: people a batch, fewer if there are fewer.
        items: faces and recordings of each, as many of either kind as the person's draw gives; at least one.
        size: side of the faces in pixels.
        seed: of every draw.
        wrong_labels: everybody gets the faces of somebody else.
    """

    def __init__(
        self, selection: Selection, *, people: int, items: int, size: int, seed: int, wrong_labels: bool
    ) -> None:
        corpus = selection.corpus
        self.corpus, self.seed = corpus, seed
        self.faces = corpus.view(size=size, template="dlib")
        owners = {name: corpus.column(name, "person").astype(str) for name in ("voices", "faces")}
        self.names = _names(selection)
        places = {name: _by_person(owners[name], getattr(selection, name), self.names) for name in owners}
        if wrong_labels:
            round_ = np.random.default_rng(seed).permutation(len(self.names))
            given = list(places["faces"])
            for own, other in zip(round_, np.roll(round_, 1), strict=True):
                places["faces"][own] = given[other]
        self.places = places
        self.people, self.items = min(people, len(self.names)), max(2, items)

    def batch(self, step: int) -> dict[str, Tensor]:
        """Faces, waves and the class numbers of both, as `SingleStream.error` takes them."""
        digest = hashlib.blake2b(f"{self.seed}/{step}".encode(), digest_size=8).digest()
        random = np.random.default_rng(int.from_bytes(digest, "big"))
        chosen: dict[str, list[tuple[int, int]]] = {"faces": [], "voices": []}
        for person in random.permutation(len(self.names))[: self.people].tolist():
            have = {name: self.places[name][person] for name in chosen}
            # One of each kind where there is one, the rest of either.
            kinds = [name for name in chosen if len(have[name])]
            kinds += random.choice(kinds, self.items - len(kinds)).tolist()
            for kind in kinds:
                chosen[kind].append((person, int(random.choice(have[kind]))))
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
            "face_people": torch.tensor([person for person, _ in chosen["faces"]]),
            "voice_people": torch.tensor([person for person, _ in chosen["voices"]]),
        }


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


def _embed(system: System, selection: Selection) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Faces with their mirror images, recordings by the mean of 3 s windows that overlap by half."""
    stream = cast(SingleStream, system)
    corpus, device = selection.corpus, next(stream.parameters()).device
    view = corpus.view(size=stream.size, template="dlib")
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


def _validate(system: System, selection: Selection) -> dict[str, float]:
    """AUC of all voice-face pairs of the validation items, of 2,000 of each at most."""
    some = Selection(selection.corpus, _thinned(selection.voices), _thinned(selection.faces), selection.clips)
    voices, faces = _embed(system, some)
    people = [
        selection.corpus.column(name, "person")[rows].astype(str)
        for name, rows in (("voices", some.voices), ("faces", some.faces))
    ]
    trials = pair_trials(voices.astype(np.float64) @ faces.T, people=(people[0], people[1]))
    if trials.labels.all() or not trials.labels.any():
        fault = "the validation people give no pairs of one person, or none of two"
        raise InputError("validation", fault, "give it a larger share, or prepare more people with both")
    return {"auc": float(auc(trials.scores, trials.labels))}


def _thinned(rows: Rows) -> Rows:
    return rows[:: max(1, -(-len(rows) // 2000))]
