"""Who goes with whom: speaker embeddings and face descriptors brought into one space.

Paper     ours; the contrast of two frozen encoders follows Nagrani et al. 2018 (Learnable PINs), the
          closed-form start Vinod 1976 and Nakada et al. 2023 (see models/matching.py)
Data      voices and faces of the same people; unpaired items are left out
Command   voiceface train matcher --corpus CORPUS [--voice-encoder ge2e] [--face-encoder arcface]
Cost      see RESULTS.md
Reported  published models reach AUC 78.8 % (SSNet) and 62.4 % within a gender on VoxCeleb's own lists
Differs   nothing is fine-tuned below the heads: with hundreds of people that only overfits
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.corpus.splits import Selection, split_people
from voiceface.errors import InputError
from voiceface.metrics.calibration import fit_logistic
from voiceface.metrics.roc import auc
from voiceface.models.blockwise_pca import Block
from voiceface.models.corpus_embeddings import DLIB_DIM, as_tensor, face_embeddings, voice_embeddings
from voiceface.models.encoder_loading import load_face_encoder, load_voice_encoder
from voiceface.models.grouped_matching import GroupedMatching
from voiceface.models.matching import Matching
from voiceface.models.model import Model
from voiceface.models.voice_encoder import VoiceEncoder
from voiceface.protocols.pair_verification import pair_trials
from voiceface.training.run import Facts, Optimiser, Run

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = [
    "FACES",
    "Encoders",
    "PairedEmbeddings",
    "sample_pairs",
    "encoder_facts",
    "encoder_embeddings",
    "face_blocks",
    "load_encoder",
    "paired_items",
    "recipe",
    "smoke",
]

Items = list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]
"""Each person's voices and faces, by their places in the corpus."""

Encoders = tuple[str, str]
"""What `load_encoder` and `load_face_encoder` are given."""

FACES = {name: f"{name} 150 px, mirrored mean" for name in ("dlib", "dlib_layers")}
_MOST_PAIRS = 1_000_000
"""Pairs of a kind that a validation compares: VoxCeleb's validation people have hundreds of millions."""
_AT_ONCE = 100_000


def recipe(
    *,
    voice_encoder: str = "student",
    face_encoder: str = "dlib_layers",
    groups: bool = True,
    fine: float = 5.0,
    ridge: float = 5.0,
    dim: int = 64,
    heads: int = 0,
    hidden: int = 256,
    dropout: float = 0.6,
    noise: float = 1.5,
    temperature: float = 0.15,
    lr: float = 2e-4,
    weight_decay: float = 1e-2,
    batch_size: int = 128,
    steps: int = 150,
    validation: float = 0.05,
    wrong_labels: bool = False,
    seed: int = 0,
) -> Run:
    """The run; either encoder is given by its name or the place of its weights (docs/encoders.md).

    With ``groups`` two groups of people are parted first (`GroupedMatching`), and ``fine`` is what the finer
    link within them weighs, in nats; a face encoder with several kinds of numbers needs them.
    ``wrong_labels`` gives every training person somebody else's faces: a control that must end at chance.
    """
    arguments: dict[str, Any] = dict(locals())
    encoders, control = (voice_encoder, face_encoder), seed if wrong_labels else None
    sizes = {"dim": dim, "heads": heads, "hidden": hidden, "dropout": dropout}
    sizes |= {"noise": noise, "temperature": temperature}
    return Run(
        recipe="matcher",
        arguments=arguments,
        split=lambda corpus: split_people(corpus, seed=seed, validation=validation, test=0.0),
        facts=lambda selection: encoder_facts(selection, encoders, groups=groups),
        build=lambda facts: _build(facts, fine, sizes),
        start=lambda model, selection, facts: _start(
            model,
            encoder_embeddings(selection, encoders),
            paired_items(selection, wrong_labels=control),
            ridge,
        ),
        data=lambda selection, facts: PairedEmbeddings(
            encoder_embeddings(selection, encoders),
            paired_items(selection, wrong_labels=control),
            batch_size=batch_size,
            heads=heads,
            seed=seed,
        ),  # fmt: skip
        optimisers={"contrast": Optimiser(name="adamw", lr=lr, weight_decay=weight_decay)},
        steps=steps if heads else 0,  # the linear answer alone has nothing to learn step by step
        seed=seed,
        validate=lambda model, selection, facts: _validate(model, selection, encoders, seed),
        embed=lambda model, selection, facts: _embed(model, selection, encoders),
        calibrate=lambda model, selection, facts: _calibrate(model, selection, encoders, seed),
        every=50,
        half=True,
        contract={"rate": 16_000, "voice": voice_encoder, "face": FACES.get(face_encoder, face_encoder)},
        licence="Apache-2.0",
    )


def smoke() -> Run:
    """The same in seconds."""
    return recipe(voice_encoder="ge2e", dim=8, heads=2, hidden=16, batch_size=8, steps=4, validation=0.3)


class PairedEmbeddings:
    """Batches of different people, each with one of their voices and one of their faces, drawn anew a head.

    Args:
        rows: the corpus' voices and faces, ``(items, width)`` each.
        items: each person's places in them.
        batch_size: people a head sees in a step, fewer if there are fewer.
        heads: number of heads.
        seed: of every draw.
    """

    def __init__(
        self, rows: tuple[Tensor, Tensor], items: Items, *, batch_size: int, heads: int, seed: int
    ) -> None:
        self.voices, self.faces = rows
        self.items = items
        self.size, self.heads, self.seed = min(batch_size, len(items)), heads, seed

    def batch(self, step: int, rank: int = 0, world: int = 1) -> dict[str, Tensor]:
        """``voices`` and ``faces`` (heads, people, width) and ``people`` (heads, people).

        The same for each of several processes: a contrast needs the whole batch, and it is small.
        """
        digest = hashlib.blake2b(f"{self.seed}/{step}".encode(), digest_size=8).digest()
        random = np.random.default_rng(int.from_bytes(digest, "big"))
        picked = np.stack([random.permutation(len(self.items))[: self.size] for _ in range(self.heads)])
        chosen = [[[random.choice(side) for side in self.items[p]] for p in head] for head in picked]
        rows = torch.tensor(np.array(chosen))
        return {
            "voices": self.voices[rows[..., 0]],
            "faces": self.faces[rows[..., 1]],
            "people": torch.from_numpy(picked),
        }


def load_encoder(name: str, *, device: str = "cpu") -> VoiceEncoder:
    """The voice encoder a matcher was trained on: one of ``models/encoders``, or where its weights lie.

    Raises:
        MissingPartError: its weights are not installed.
        InputError: there is no such encoder.
    """
    return load_voice_encoder(name, device=device)


def encoder_facts(selection: Selection, encoders: Encoders, *, groups: bool) -> Facts:
    """Widths, kinds of numbers and fingerprints of both encoders' rows."""
    voices = load_encoder(encoders[0])
    facts: Facts = {"voice_width": voices.dim, "voice_fingerprint": voices.fingerprint, "groups": groups}
    if encoders[1] != "dlib":
        faces = load_face_encoder(encoders[1])
        facts |= {"face_width": faces.dim, "face_fingerprint": faces.fingerprint}
        if faces.blocks and not groups:
            raise InputError(
                "--no-groups", f"cannot be with the faces of {faces.name}", "add --face-encoder dlib"
            )
        if faces.blocks:
            facts["face_blocks"] = [list(block) for block in faces.blocks]
    return facts


def face_blocks(facts: Facts) -> list[Block]:
    """The kinds of numbers in a face's row; weights from before there were several hold one."""
    width = facts.get("face_width", DLIB_DIM)
    return [Block(*block) for block in facts.get("face_blocks", [(width, width, 1.0)])]


def _build(facts: Facts, fine: float, sizes: dict[str, Any]) -> Matching | GroupedMatching:
    """Weights from before there were groups know of none."""
    blocks = face_blocks(facts)
    width = sum(block.kept for block in blocks)
    link = Matching(voice_width=facts["voice_width"], face_width=width, **sizes)
    return GroupedMatching(link, blocks=blocks, weight=fine) if facts.get("groups", False) else link


def encoder_embeddings(selection: Selection, encoders: Encoders) -> tuple[Tensor, Tensor]:
    """Rows of the whole corpus, so that a selection's numbers are their places."""
    corpus, (voices, faces) = selection.corpus, encoders
    seen = face_embeddings(corpus) if faces == "dlib" else face_embeddings(corpus, load_face_encoder(faces))
    return as_tensor(voice_embeddings(corpus, load_encoder(voices))), as_tensor(seen)


def paired_items(selection: Selection, *, wrong_labels: int | None) -> Items:
    """Each person's voices and faces, people sorted; those lacking either are left out.

    ``wrong_labels`` seeds the control in which nobody has the own faces; None: everybody has.
    """
    corpus: Corpus = selection.corpus
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
    return [
        (selection.voices[owners[0] == own], selection.faces[owners[1] == other])
        for own, other in zip(people, others, strict=True)
    ]


def _start(model: Model, rows: tuple[Tensor, Tensor], items: Items, ridge: float) -> None:
    """The closed-form answer on each person's k-th voice with the k-th face, the shorter list repeated."""
    left, right = [], []
    for own_voices, own_faces in items:
        count = max(len(own_voices), len(own_faces))
        left.append(np.resize(own_voices, count))
        right.append(np.resize(own_faces, count))
    pairs = torch.from_numpy(np.concatenate(left)), torch.from_numpy(np.concatenate(right))
    assert isinstance(model, Matching | GroupedMatching)
    model.start(rows[0][pairs[0]], rows[1][pairs[1]], ridge=ridge)


def _embed(model: Model, selection: Selection, encoders: Encoders) -> tuple[Any, Any]:
    """The selection's voices and faces in the one space."""
    assert isinstance(model, Matching | GroupedMatching)
    voices, faces = encoder_embeddings(selection, encoders)
    device = next(model.buffers()).device
    with torch.no_grad():
        left = model.voices(voices[torch.from_numpy(selection.voices)].to(device))
        right = model.faces(faces[torch.from_numpy(selection.faces)].to(device))
    return left.cpu().numpy(), right.cpu().numpy()


def _trials(model: Model, selection: Selection, encoders: Encoders, seed: int) -> tuple[Any, Any]:
    """Scores and labels of the selection's voice-face pairs, or of a million of each kind drawn from them."""
    voices, faces = _embed(model, selection, encoders)
    tables = (("voices", selection.voices), ("faces", selection.faces))
    people = [selection.corpus.column(table, "person")[rows].astype(str) for table, rows in tables]
    if len(voices) * len(faces) > 2 * _MOST_PAIRS:
        left, right, labels = sample_pairs(people[0], people[1], most=_MOST_PAIRS, seed=seed)
        scores = np.concatenate(
            [
                np.einsum("ij,ij->i", voices[left[k]].astype(np.float64), faces[right[k]])
                for k in (slice(first, first + _AT_ONCE) for first in range(0, len(left), _AT_ONCE))
            ]
        )
    else:
        trials = pair_trials(voices.astype(np.float64) @ faces.T, people=(people[0], people[1]))
        scores, labels = trials.scores, trials.labels
    if not 0 < np.count_nonzero(labels) < len(labels):
        fault = "the validation people give no pairs of one person, or none of two"
        raise InputError("validation", fault, "give it a larger share, or prepare more people with both")
    return scores, labels


def sample_pairs(
    voice_people: npt.NDArray[np.str_], face_people: npt.NDArray[np.str_], *, most: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Pairs drawn from all: those of one person and those of two, at most ``most`` of each.

    Each kind is drawn evenly from all of its kind (with repetition where not all are taken), so that AUC and
    a calibration at even odds estimate those of all pairs.

    Args:
        voice_people: (voices,) whose they are.
        face_people: (faces,) whose they are.
        most: Pairs of a kind at most.
        seed: Of the draw.

    Returns:
        Places of the voices and of the faces, and whether they are one person's.
    """
    random = np.random.default_rng(seed)
    _, owners = np.unique(np.concatenate([voice_people, face_people]), return_inverse=True)
    left, right = owners[: len(voice_people)], owners[len(voice_people) :]
    order = np.argsort(right, kind="stable")
    start = np.searchsorted(right[order], left, side="left")
    own = np.searchsorted(right[order], left, side="right") - start  # own faces of each voice
    stops = np.cumsum(own)
    total = int(stops[-1]) if len(stops) else 0
    picked = np.arange(total) if total <= most else np.sort(random.integers(0, total, most))
    voice = np.searchsorted(stops, picked, side="right")
    face = order[start[voice] + picked - (stops[voice] - own[voice])]
    other = random.integers(0, len(left), most), random.integers(0, len(right), most)
    apart = left[other[0]] != right[other[1]]
    labels = np.concatenate([np.ones(len(voice), dtype=bool), np.zeros(int(apart.sum()), dtype=bool)])
    return np.append(voice, other[0][apart]), np.append(face, other[1][apart]), labels


def _validate(model: Model, selection: Selection, encoders: Encoders, seed: int) -> dict[str, float]:
    """AUC over the voice-face pairs of the validation people."""
    return {"auc": float(auc(*_trials(model, selection, encoders, seed)))}


def _calibrate(model: Model, selection: Selection, encoders: Encoders, seed: int) -> Facts:
    """Slope and offset from a dot product to log odds at even odds, on the validation people."""
    scores, labels = _trials(model, selection, encoders, seed)
    if labels.all() or not labels.any():
        fault = f"the {len(selection.people)} validation people give no pair of each kind to calibrate on"
        raise InputError("matcher", fault, "give --validation a larger share, or prepare more people")
    fitted = fit_logistic(scores, labels, prior=0.5)
    # A slope of zero or less would turn the ranking round: a model that bad must say so, not rank.
    return {"calibration": {"slope": max(fitted.slope, 1e-3), "offset": fitted.offset, "prior": 0.5}}
