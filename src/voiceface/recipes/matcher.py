"""The shipped matcher: speaker and face embeddings projected into one space.

Paper     ours; contrastive learning over two frozen encoders follows Nagrani et al. 2018 (Learnable PINs),
          the closed-form start Vinod 1976 and Nakada et al. 2023 (see models/matching.py)
Data      voices and faces of the same people; unpaired items are left out
Command   voiceface train matcher --corpus CORPUS [--voice-encoder ge2e] [--face-encoder arcface]
Cost      see RESULTS.md
Reported  published models reach AUC 78.8 % (SSNet) and 62.4 % within a gender on VoxCeleb's own lists
Differs   nothing is fine-tuned below the heads: with hundreds of people that only overfits
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from voiceface.corpus.splits import Selection
from voiceface.errors import InputError
from voiceface.metrics.calibration import Logistic, fit_logistic
from voiceface.metrics.roc import auc
from voiceface.models.grouped_matching import GroupedMatching
from voiceface.models.matching import Matching
from voiceface.models.selection_embeddings import embed_selection
from voiceface.protocols.pair_verification import pair_trials
from voiceface.training.encoder_pairs import (
    EncoderPairs,
    PairedEmbeddings,
    calibration_facts,
    check_both_kinds,
    face_blocks,
)
from voiceface.training.option_help import option_help
from voiceface.training.run import Facts, Optimiser, Run

Matchers = Matching | GroupedMatching
_MAX_PAIRS = 1_000_000
"""Pairs of a kind that a validation compares: VoxCeleb's validation people have hundreds of millions."""
_BLOCK = 100_000
_PRIOR_PEOPLE = 38
"""As many as calibrated the shipped matchers."""


@option_help()
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
) -> Run[Matchers]:
    """The run.

    Args:
        groups: separate two groups of people first; needed by face encoders with several kinds of numbers
        fine: weight of the finer link within the groups, in nats
        ridge: regularisation of the closed-form projection, in units of a dimension's mean variance
        dim: width of the closed-form projection and of each head's output
        heads: number of heads that correct it by contrastive learning; 0: closed form alone
        hidden: hidden units of a head
        dropout: dropout of the heads' hidden units
        noise: noise added to embeddings in training, in units of their spread
        temperature: temperature of the contrastive loss
        batch_size: people a head sees in a step
        steps: training steps of the heads
        validation: share of the people held out for selection and calibration
    """
    return _run(dict(locals()))


def smoke() -> Run[Matchers]:
    """The same in seconds."""
    return recipe(voice_encoder="ge2e", dim=8, heads=2, hidden=16, batch_size=8, steps=4, validation=0.3)


def _run(arguments: dict[str, Any]) -> Run[Matchers]:
    pairs, seed = EncoderPairs(arguments), arguments["seed"]
    optimiser = Optimiser(name="adamw", lr=arguments["lr"], weight_decay=arguments["weight_decay"])
    return Run(
        recipe="matcher",
        arguments=arguments,
        split=pairs.split,
        facts=partial(_facts, pairs),
        build=partial(_build, pairs),
        start=partial(_start, pairs),
        adapt=partial(_adapt, pairs),
        data=partial(_batches, pairs),
        optimisers={"contrast": optimiser},
        # The closed form alone has nothing to learn step by step.
        steps=arguments["steps"] if arguments["heads"] else 0,
        seed=seed,
        validate=partial(_validate, seed),
        calibrate=partial(_calibrate, seed),
        every=50,
        half=True,
        contract=pairs.contract,
        licence="Apache-2.0",
    )


def _facts(pairs: EncoderPairs, selection: Selection) -> Facts:
    groups = pairs.arguments["groups"]
    facts = pairs.encoder_facts()
    if "face_blocks" in facts and not groups:
        fault = f"cannot be with the faces of {pairs.encoders.face().name}"
        raise InputError("--no-groups", fault, "add --face-encoder dlib")
    return facts | {"groups": groups}


def _build(pairs: EncoderPairs, facts: Facts) -> Matchers:
    """Weights from before there were groups have no such fact."""
    given, blocks = pairs.arguments, face_blocks(facts)
    link = Matching(
        voice_width=facts["voice_width"],
        face_width=sum(block.kept for block in blocks),
        **{name: given[name] for name in ("dim", "heads", "hidden", "dropout", "noise", "temperature")},
    )
    link.encoders = pairs.pretrained(facts)
    if not facts.get("groups", False):
        return link
    return GroupedMatching(link, blocks=blocks, weight=given["fine"])


def _start(pairs: EncoderPairs, model: Matchers, selection: Selection, facts: Facts) -> None:
    """The closed form on the paired rows."""
    model.start(*_paired_rows(pairs, selection), ridge=pairs.arguments["ridge"])


def _adapt(pairs: EncoderPairs, model: Matchers, selection: Selection, facts: Facts, prior: Facts) -> Facts:
    """The closed form of the first people and these together; heads learn step by step instead."""
    for side in ("voice", "face"):
        name = f"{side}_fingerprint"
        if name in prior and prior[name] != facts.get(name):
            fault = f"holds weights that were trained on another {side} encoder ({prior[name][:12]})"
            raise InputError("--init", fault, f"name theirs with --{side}-encoder")
    if pairs.arguments["heads"]:
        return {}
    if not isinstance(model, GroupedMatching) or not model.adaptable:
        fault = "holds weights that keep no covariances of their people, which the closed form needs"
        raise InputError("--init", fault, "train them again with this version, or add --heads 8")
    model.adapt(*_paired_rows(pairs, selection), ridge=pairs.arguments["ridge"])
    return {"prior_calibration": prior["calibration"]} if "calibration" in prior else {}


def _paired_rows(pairs: EncoderPairs, selection: Selection) -> tuple[torch.Tensor, torch.Tensor]:
    """Each person's k-th voice with the k-th face, the shorter list repeated."""
    left, right = [], []
    for own_voices, own_faces in pairs.items(selection):
        count = max(len(own_voices), len(own_faces))
        left.append(np.resize(own_voices, count))
        right.append(np.resize(own_faces, count))
    voices, faces = pairs.embeddings(selection.corpus)
    return voices[torch.from_numpy(np.concatenate(left))], faces[torch.from_numpy(np.concatenate(right))]


def _batches(pairs: EncoderPairs, selection: Selection, facts: Facts) -> PairedEmbeddings:
    return pairs.batches(selection, heads=pairs.arguments["heads"])


def _trials(
    model: Matchers, selection: Selection, seed: int
) -> tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.bool_]]:
    """Scores and labels of the selection's voice-face pairs, or of a sample of a million of each kind."""
    voices, faces = embed_selection(model, selection)
    people = selection.person_of("voices"), selection.person_of("faces")
    if len(voices) * len(faces) <= 2 * _MAX_PAIRS:
        trials = pair_trials(voices.astype(np.float64) @ faces.T, people=people)
        scores, labels = trials.scores, trials.labels
    else:
        left, right, labels = sample_pairs(*people, most=_MAX_PAIRS, seed=seed)
        blocks = [slice(first, first + _BLOCK) for first in range(0, len(left), _BLOCK)]
        scores = np.concatenate(
            [np.einsum("ij,ij->i", voices[left[k]].astype(np.float64), faces[right[k]]) for k in blocks]
        )
    check_both_kinds(labels)
    return scores, labels


def sample_pairs(
    voice_people: npt.NDArray[np.str_], face_people: npt.NDArray[np.str_], *, most: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Pairs sampled from all: those of one person and those of two, at most ``most`` of each.

    Each kind is sampled evenly from all of its kind (with repetition where not all are taken), so that AUC
    and a calibration at even odds estimate those of all pairs.

    Args:
        voice_people: (voices,) their people.
        face_people: (faces,) their people.
        most: Pairs of a kind at most.
        seed: Random seed.

    Returns:
        Indices of the voices and of the faces, and whether they are one person's.
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


def _validate(seed: int, model: Matchers, selection: Selection, facts: Facts) -> dict[str, float]:
    """AUC over the voice-face pairs of the validation people."""
    return {"auc": float(auc(*_trials(model, selection, seed)))}


def _calibrate(seed: int, model: Matchers, selection: Selection, facts: Facts) -> Facts:
    """Slope and offset from a dot product to log odds at even odds, on the validation people.

    After fine-tuning, those of the weights before count as much as `_PRIOR_PEOPLE` validation people.
    """
    fitted = fit_logistic(*_trials(model, selection, seed), prior=0.5)
    slope, offset = fitted.slope, fitted.offset
    if before := facts.get("prior_calibration"):
        share = len(selection.people) / (len(selection.people) + _PRIOR_PEOPLE)
        slope = share * slope + (1 - share) * before["slope"]
        offset = share * offset + (1 - share) * before["offset"]
    return calibration_facts(Logistic(slope, offset))
