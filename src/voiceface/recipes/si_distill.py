"""Hears who speaks and how: students of what is heard, taught by networks that see the speaker.

Paper     Si et al. 2021, Speech2Video, section 2.1 (the first stage, figure 2a)
Data      talking clips with sound: prepare videos, cremad, synthetic; nobody's name, no emotion
Command   voiceface train si_distill --corpus CORPUS --hearing runs/cpc --emotion runs/expression
Cost      see docs/papers/si.md
Reported  nothing by itself
Differs   (3) with the teacher's softmax as target (--printed: as printed); the teachers' rows are
          standardised over the training clips, or the softmax of small descriptors tells nothing; the
          teachers are dlib's recogniser (--identity vggface: the paper's) and our expression network
          (--emotion ferplus: the paper's); ω is the mean of all contexts, their deviation and change
          (--whole last: the paper's c_T)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor

from voiceface.corpus.clip_splits import split_clips
from voiceface.corpus.splits import Selection
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.models.disentangling import Disentangling, whole
from voiceface.models.encoder_loading import load_teacher
from voiceface.models.model import Model
from voiceface.models.predictive_coding import hear
from voiceface.models.talking_clips import TEMPLATE
from voiceface.models.teacher import as_identity_teacher, described
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.voice.cpc import CpcNet
from voiceface.recipes._weights import open_weights
from voiceface.training.run import Facts, Optimiser, Run

__all__ = ["UNTRAINED", "built", "load", "recipe", "smoke"]

UNTRAINED = "untrained"
"""Instead of weights: networks as they start, a control."""
_SIDE = 96
"""Pixels that teachers see."""
_EVERY = 3
"""Of a clip's frames every so many-eth is felt."""
_SHORTEST = 0.5
"""Of a clip's moments, how many the shortest piece that is heard has."""


def recipe(
    *,
    hearing: str = "",
    identity: str = "dlib",
    emotion: str = "",
    whole: Literal["spread", "mean", "last"] = "spread",
    hidden: int = 256,
    weight: float = 0.025,
    printed: bool = False,
    dropout: float = 0.2,
    sampled: int = 8,
    batch_size: int = 64,
    lr: float = 3e-4,
    weight_decay: float = 1e-2,
    steps: int = 2_000,
    every: int = 200,
    validation: float = 0.15,
    test: float = 0.15,
    leave_out: str = "",
    wrong_sound: bool = False,
    seed: int = 0,
) -> Run:
    """The run.

    ``hearing`` names weights of ``si_cpc``, ``emotion`` weights of ``expression`` or another teacher,
    ``identity`` a recogniser; ``untrained`` and ``expression=untrained`` are controls. ``weight`` is λ of
    equation (2), ``sampled`` K of equation (1). ``leave_out`` names people whose clips are in no part.
    ``wrong_sound`` deals the clips' sound to other clips: a control.
    """
    return _run(dict(locals()))


def _run(told: dict[str, Any]) -> Run:
    """The run of the recipe's arguments."""
    terms = {name: told[name] for name in ("weight", "printed", "dropout")}
    shares = {name: told[name] for name in ("seed", "validation", "test", "leave_out")}
    lessons = _DistillationTargetCache(told)
    return Run(
        recipe="si_distill",
        arguments=told,
        split=lambda corpus: split_clips(corpus, **shares),
        facts=lambda selection: _facts(told),
        build=lambda facts: Disentangling(
            width=facts["width"],
            context=facts["context"],
            rows=(facts["rows"][0], facts["rows"][1]),
            maps=facts["maps"],
            teacher=told["identity"],
            hidden=told["hidden"],
            how=told["whole"],
            terms=terms,
        ),
        data=lambda selection, facts: _Pieces(lessons.of(selection, facts), told),
        optimisers={
            "distil": Optimiser(
                name="adamw",
                lr=told["lr"],
                weight_decay=told["weight_decay"],
                schedule="cosine",
                warmup=20,
                clip=1.0,
            )
        },
        steps=told["steps"],
        seed=told["seed"],
        validate=lambda model, selection, facts: _validate(model, lessons.of(selection, facts), told),
        every=told["every"],
        select="-loss",
        start=lambda model, selection, facts: _start(model, lessons.of(selection, facts), told),
        half=True,
        contract={"rate": 16_000, "template": TEMPLATE, "clips": True},
        licence="Apache-2.0",
    )


def smoke() -> Run:
    """The same in seconds."""
    small: dict[str, Any] = {"hearing": UNTRAINED, "emotion": "expression=untrained", "hidden": 8}
    return recipe(sampled=2, batch_size=4, steps=4, every=2, validation=0.34, test=0.0, **small)


def load(weights: str) -> Disentangling:
    """The model that a weights folder of this recipe holds, in eval mode.

    Raises:
        InputError: it holds another recipe's, or damaged ones.
    """
    tensors, card = open_weights(weights, recipe="si_distill")
    model = built(card["arguments"], card["facts"])
    model.load_weights(tensors, source=weights)
    return model


def built(arguments: dict[str, Any], facts: Facts) -> Disentangling:
    """The model of such weights' arguments and facts, not yet filled, in eval mode."""
    return cast(Disentangling, recipe(**arguments).build(facts).eval())


def _facts(told: dict[str, Any]) -> Facts:
    """Sizes of the predictive network and of the teachers' rows."""
    if not told["hearing"]:
        raise InputError("--hearing", "names no weights", "train si_cpc first and name its folder")
    if not told["emotion"]:
        raise InputError("--emotion", "names no teacher", "train expression first and name its folder")
    seen, felt = as_identity_teacher(load_teacher(told["identity"])), load_teacher(told["emotion"])
    width, context = 16, 16
    if told["hearing"] != UNTRAINED:
        _, card = open_weights(told["hearing"], recipe="si_cpc")
        width, context = card["arguments"]["width"], card["arguments"]["context"]
    rows, maps = [seen.dim, felt.dim], list(seen.map_channels)
    return {"width": width, "context": context, "rows": rows, "maps": maps}


def _net(facts: Facts, hearing: str) -> CpcNet:
    """The predictive network, filled and frozen."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        net = CpcNet(width=facts["width"], context=facts["context"])
    if hearing != UNTRAINED:
        tensors, _ = open_weights(hearing, recipe="si_cpc")
        mine = {n.removeprefix("net."): t.float() for n, t in tensors.items() if n.startswith("net.")}
        net.load_state_dict(mine)
    return net.eval().requires_grad_(False)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _DistillationTargets:
    """What is heard and seen of clips."""

    contexts: list[Tensor]
    """Of each, (steps, context)."""
    identity: Tensor
    """(clips, rows), of each clip's first frame."""
    emotion: list[Tensor]
    """Of each, (frames, rows)."""


class _DistillationTargetCache:
    """Hears and sees every selection's clips once, however often they are asked for."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self._known: dict[bytes, _DistillationTargets] = {}

    def of(self, selection: Selection, facts: Facts) -> _DistillationTargets:
        """The lesson of a selection's clips with sound."""
        key = selection.clips.tobytes()
        if key not in self._known:
            self._known[key] = self._made(selection, facts)
        return self._known[key]

    def _made(self, selection: Selection, facts: Facts) -> _DistillationTargets:
        corpus, told = selection.corpus, self.told
        seen, felt = load_teacher(told["identity"]), load_teacher(told["emotion"])
        net = _net(facts, told["hearing"])
        contexts, first, emotion = [], [], []
        for row in selection.clips.tolist():
            wave = as_wave(corpus.clip_wave(row))
            if not wave.any():
                continue
            frames = torch.from_numpy(clip_frames(corpus, row, size=_SIDE, template=TEMPLATE))
            contexts.append(hear(net, wave))
            first.append(frames[0])
            emotion.append(described(felt, list(frames[::_EVERY])))
        if len(contexts) < 2:
            fault = f"holds {len(contexts)} clips with sound to learn from"
            raise InputError(corpus.path, fault, "prepare more clips")
        return _DistillationTargets(contexts=contexts, identity=described(seen, first), emotion=emotion)


def _start(model: Model, lesson: _DistillationTargets, told: dict[str, Any]) -> None:
    """The predictive network's weights, and the scale of what is heard and seen."""
    learning = cast(Disentangling, model)
    facts = {"width": learning.net.width, "context": learning.net.context}
    learning.net.load_state_dict(_net(facts, told["hearing"]).state_dict())
    learning.measure("heard", torch.stack([whole(one, told["whole"]) for one in lesson.contexts]))
    learning.measure("identity", lesson.identity)
    learning.measure("emotion", torch.stack([one.mean(0) for one in lesson.emotion]))


class _Pieces:
    """Batches of pieces of clips; each a pure function of the step."""

    def __init__(self, lesson: _DistillationTargets, told: dict[str, Any]) -> None:
        self.lesson, self.told = lesson, told
        count = len(lesson.contexts)
        self.heard_as = list(range(count))
        if told["wrong_sound"]:
            self.heard_as = np.random.default_rng(told["seed"]).permutation(count).tolist()

    def batch(self, step: int) -> dict[str, Tensor]:
        """``heard`` (n, context) with both teachers' rows ``identity`` and ``emotion``, of K frames."""
        told, lesson = self.told, self.lesson
        digest = hashlib.blake2b(f"{told['seed']}/{step}".encode(), digest_size=8).digest()
        random = np.random.default_rng(int.from_bytes(digest, "big"))
        count, size = len(lesson.contexts), told["batch_size"]
        picked = random.choice(count, size, replace=count < size).tolist()
        heard, felt = [], []
        for clip in picked:
            contexts, seen = lesson.contexts[self.heard_as[clip]], lesson.emotion[clip]
            length = int(random.integers(max(1, round(_SHORTEST * len(contexts))), len(contexts) + 1))
            start = int(random.integers(len(contexts) - length + 1))
            heard.append(whole(contexts[start : start + length], told["whole"]))
            frames = random.choice(len(seen), told["sampled"], replace=len(seen) < told["sampled"])
            felt.append(seen[torch.from_numpy(frames)].mean(0))
        return {
            "heard": torch.stack(heard),
            "identity": lesson.identity[picked],
            "emotion": torch.stack(felt),
        }


@torch.no_grad()
def _validate(model: Model, lesson: _DistillationTargets, told: dict[str, Any]) -> dict[str, float]:
    """Equation (2) on whole clips, and the cosines of the students' rows with the teachers'."""
    learning = cast(Disentangling, model)
    device = learning.get_buffer("heard_mean").device
    heard = torch.stack([whole(one, told["whole"]) for one in lesson.contexts])
    batch = {
        "heard": heard.to(device),
        "identity": lesson.identity.to(device),
        "emotion": torch.stack([one.mean(0) for one in lesson.emotion]).to(device),
    }
    found = {"loss": float(learning.error(batch, {})["loss"])}
    for name, made in zip(("identity", "emotion"), learning.students(batch["heard"]), strict=True):
        seen = learning.standardised(name, batch[name])
        found[f"{name}_cosine"] = float(torch.cosine_similarity(made, seen).mean())
    return found
