"""What recipes share that learn from the embeddings of two frozen encoders: facts, batches, validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.corpus.splits import Selection, Split, split_people
from voiceface.errors import InputError
from voiceface.metrics.calibration import Logistic, fit_logistic
from voiceface.metrics.roc import auc
from voiceface.models.blockwise_pca import Block
from voiceface.models.corpus_embeddings import DLIB_DIM, as_tensor, face_embeddings, voice_embeddings
from voiceface.models.model import Model
from voiceface.models.pretrained import PretrainedEncoders
from voiceface.models.selection_embeddings import score_selection
from voiceface.models.step_seed import numpy_generator
from voiceface.protocols.pair_verification import PairTrials, pair_trials
from voiceface.records import SAMPLE_RATE
from voiceface.training.run import Facts

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

PersonItems = list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]
"""Each person's voices and faces, by their indices in the corpus."""

_CONTRACTS = {name: f"{name} 150 px, mirrored mean" for name in ("dlib", "dlib_layers")}
_MAX_VALIDATED = 2000
"""Voices and faces that a validation compares."""


class EncoderPairs:
    """The part of a run that depends on the two encoders; a recipe's arguments name them.

    Args:
        arguments: with ``voice_encoder``, ``face_encoder``, ``batch_size``, ``validation``, ``wrong_labels``
            and ``seed``.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.arguments: dict[str, Any] = dict(arguments)
        self.encoders = PretrainedEncoders(
            voice=self.arguments["voice_encoder"], face=self.arguments["face_encoder"]
        )

    @property
    def contract(self) -> dict[str, Any]:
        """What the weights expect."""
        face = self.encoders.face_name
        return {
            "rate": SAMPLE_RATE,
            "voice": self.encoders.voice_name,
            "face": _CONTRACTS.get(face, face),
        }

    def split(self, corpus: Corpus) -> Split:
        """Training and validation people."""
        given = self.arguments
        return split_people(corpus, seed=given["seed"], validation=given["validation"], test=0.0)

    def encoder_facts(self) -> Facts:
        """Widths, kinds of numbers and fingerprints of both encoders' embeddings."""
        # Loaded afresh: building an encoder takes random numbers, and a second training in this process must
        # start from the same weights as the first.
        encoders = self.pretrained({})
        voices = encoders.voice()
        facts: Facts = {"voice_width": voices.dim, "voice_fingerprint": voices.fingerprint}
        if self.encoders.face_name != "dlib":
            faces = encoders.face()
            facts |= {"face_width": faces.dim, "face_fingerprint": faces.fingerprint}
            if faces.blocks:
                facts["face_blocks"] = [list(block) for block in faces.blocks]
        return facts

    def pretrained(self, facts: Facts) -> PretrainedEncoders:
        """The encoders for a model, to be checked against those it was trained on."""
        return PretrainedEncoders(
            voice=self.encoders.voice_name,
            face=self.encoders.face_name,
            voice_fingerprint=facts.get("voice_fingerprint", ""),
            face_fingerprint=facts.get("face_fingerprint", ""),
        )

    def embeddings(self, corpus: Corpus) -> tuple[Tensor, Tensor]:
        """Embeddings of all of the corpus, so that a selection's indices hold."""
        voices = voice_embeddings(corpus, self.encoders.voice())
        return as_tensor(voices), as_tensor(face_embeddings(corpus, self.encoders.face()))

    def items(self, selection: Selection) -> PersonItems:
        """`paired_items`, shuffled between people where ``wrong_labels`` is set."""
        given = self.arguments
        return paired_items(selection, wrong_labels=given["seed"] if given["wrong_labels"] else None)

    def batches(self, selection: Selection, *, heads: int) -> PairedEmbeddings:
        """The training batches."""
        return PairedEmbeddings(
            self.embeddings(selection.corpus),
            self.items(selection),
            batch_size=self.arguments["batch_size"],
            heads=heads,
            seed=self.arguments["seed"],
        )


class PairedEmbeddings:
    """Batches of different people, a random voice and face of each, sampled independently for each head.

    Args:
        embeddings: the corpus' voices and faces, ``(items, width)`` each.
        items: each person's indices in them.
        batch_size: people a head sees in a step, fewer if there are fewer.
        heads: number of heads.
        seed: random seed.
    """

    def __init__(
        self, embeddings: tuple[Tensor, Tensor], items: PersonItems, *, batch_size: int, heads: int, seed: int
    ) -> None:
        self.voices, self.faces = embeddings
        self.items = items
        self.size, self.heads, self.seed = min(batch_size, len(items)), heads, seed

    def batch(self, step: int, rank: int = 0, world: int = 1) -> dict[str, Tensor]:
        """``voices`` and ``faces`` (heads, people, width) and ``people`` (heads, people).

        The same for each of several processes: a contrastive loss needs the whole batch, and it is small.
        """
        random = numpy_generator(self.seed, step)
        picked = np.stack([random.permutation(len(self.items))[: self.size] for _ in range(self.heads)])
        chosen = [[[random.choice(side) for side in self.items[p]] for p in head] for head in picked]
        indices = torch.tensor(np.array(chosen))
        return {
            "voices": self.voices[indices[..., 0]],
            "faces": self.faces[indices[..., 1]],
            "people": torch.from_numpy(picked),
        }


def face_blocks(facts: Facts) -> list[Block]:
    """The kinds of numbers in a face embedding; weights from before there were several have one."""
    width = facts.get("face_width", DLIB_DIM)
    return [Block(*block) for block in facts.get("face_blocks", [(width, width, 1.0)])]


def paired_items(selection: Selection, *, wrong_labels: int | None) -> PersonItems:
    """Each person's voices and faces, people sorted; those lacking either are left out.

    ``wrong_labels`` seeds the control in which nobody keeps their own faces; None: everybody does.

    Raises:
        InputError: fewer than two people have both.
    """
    corpus: Corpus = selection.corpus
    owners = selection.person_of("voices"), selection.person_of("faces")
    people = np.intersect1d(*owners)
    if len(people) < 2:
        fault = f"has {len(people)} people with both a voice and a face to learn from"
        raise InputError(corpus.path, fault, "prepare more people with both")
    others = people
    if wrong_labels is not None:
        others = people[exchange(len(people), wrong_labels)]
    return [
        (selection.voices[owners[0] == own], selection.faces[owners[1] == other])
        for own, other in zip(people, others, strict=True)
    ]


def exchange(count: int, seed: int) -> npt.NDArray[np.int64]:
    """Whose items each of ``count`` people gets in a control: in a shuffled cycle nobody keeps their own."""
    cycle = np.random.default_rng(seed).permutation(count)
    other = np.empty(count, dtype=np.int64)
    other[cycle] = np.roll(cycle, 1)
    return other


def validation_auc(model: Model, selection: Selection) -> dict[str, float]:
    """AUC over the voice-face pairs of the validation people, of 2,000 voices and faces at most."""
    return {"auc": selection_auc(model, evenly_chosen(selection))}


def selection_auc(model: Model, selection: Selection) -> float:
    """AUC over all voice-face pairs of a selection.

    Raises:
        InputError: they are all of one person, or all of two.
    """
    trials = _trials(model, selection)
    return float(auc(trials.scores, trials.labels))


def validation_calibration(model: Model, selection: Selection) -> Facts:
    """``calibration``: from a score to log odds at even odds, on the pairs of `validation_auc`."""
    trials = _trials(model, evenly_chosen(selection))
    return calibration_facts(fit_logistic(trials.scores, trials.labels, prior=0.5))


def calibration_facts(fitted: Logistic) -> Facts:
    """A calibration as ``run.json`` has it.

    A slope of zero or less would reverse the ranking: a model that bad must say so, not rank.
    """
    return {"calibration": {"slope": max(fitted.slope, 1e-3), "offset": fitted.offset, "prior": 0.5}}


def _trials(model: Model, selection: Selection) -> PairTrials:
    people = selection.person_of("voices"), selection.person_of("faces")
    trials = pair_trials(score_selection(model, selection), people=people)
    check_both_kinds(trials.labels)
    return trials


def check_both_kinds(labels: npt.NDArray[np.bool_]) -> None:
    """Refuse validation trials that are all of one person, or all of two."""
    if labels.all() or not labels.any():
        fault = "the validation people give no pairs of one person, or none of two"
        raise InputError("validation", fault, "give it a larger share, or prepare more people with both")


def evenly_chosen(selection: Selection) -> Selection:
    """A selection, or of more than 2,000 voices or faces some evenly spread: pairs grow with the square."""
    voices, faces = (
        some[:: max(1, -(-len(some) // _MAX_VALIDATED))] for some in (selection.voices, selection.faces)
    )
    return Selection(selection.corpus, voices, faces, selection.clips)
