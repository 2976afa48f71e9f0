"""Identity and emotion from speech: two students distilled from networks that see the speaker's face.

Paper     Si et al. 2021, Speech2Video, section 2.1 (the first stage, figure 2a)
Data      talking clips with sound: prepare videos, cremad, synthetic; nobody's name, no emotion
Command   voiceface train si_distill --corpus CORPUS --speech-encoder runs/cpc --emotion runs/expression
Cost      see docs/papers/si.md
Reported  nothing by itself
Differs   (3) with the teacher's softmax as target (--printed: as printed); the teachers' embeddings are
          standardised over the training clips, or the softmax of small embeddings is nearly uniform; the
          teachers are dlib's recogniser (--identity vggface: the paper's) and our expression network
          (--emotion ferplus: the paper's); ω is the mean of all contexts, their deviation and change
          (--pooling last: the paper's c_T); RMSProp at 3e-4, the paper's rate of its generator, for 2,000
          steps where it has 100 epochs; --optimiser adamw is what the probes of docs/papers/si.md had
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from voiceface.corpus.clip_splits import split_clips
from voiceface.corpus.splits import Selection
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.models.disentangling import ContextPooling, Disentangling, pool_contexts
from voiceface.models.encoder_loading import load_teacher
from voiceface.models.once_per_selection import OncePerSelection
from voiceface.models.predictive_coding import speech_contexts
from voiceface.models.speech2video import TEMPLATE
from voiceface.models.step_seed import numpy_generator
from voiceface.models.teacher import as_identity_teacher, embed_with_teacher
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.voice.cpc import CpcNet
from voiceface.recipes._weights import current_arguments, open_weights
from voiceface.records import SAMPLE_RATE
from voiceface.training.option_help import CLIP_OPTIONS, option_help
from voiceface.training.run import Facts, Optimiser, Run

RENAMED = {"hearing": "speech_encoder", "whole": "pooling", "sampled": "emotion_frames"}
"""Options of weights trained by older versions, and their names now."""
UNTRAINED = "untrained"
"""Instead of weights: randomly initialised networks, a control."""
_SIDE = 96
"""Side in pixels of the faces that teachers see."""
_EVERY = 3
"""One frame in so many is seen by the emotion teacher."""
_SHORTEST = 0.5
"""The shortest training segment, as a share of its clip."""


@option_help(CLIP_OPTIONS)
def recipe(
    *,
    speech_encoder: str = "",
    identity: str = "dlib",
    emotion: str = "",
    pooling: ContextPooling = "spread",
    hidden: int = 256,
    weight: float = 0.025,
    printed: bool = False,
    dropout: float = 0.2,
    emotion_frames: int = 8,
    batch_size: int = 64,
    optimiser: Literal["rmsprop", "adamw"] = "rmsprop",
    lr: float = 3e-4,
    weight_decay: float = 1e-2,
    steps: int = 2_000,
    every: int = 200,
    validation: float = 0.15,
    test: float = 0.15,
    leave_out: str = "",
    wrong_sound: bool = False,
    seed: int = 0,
) -> Run[Disentangling]:
    """Train the two students on talking clips.

    Args:
        speech_encoder: weights of si_cpc; `untrained` is a control
        identity: identity teacher: dlib, or vggface
        emotion: emotion teacher: weights of expression, ferplus, or `expression=untrained` as a control
        pooling: how contexts become ω: mean, deviation and change (spread), mean, or the last one
        hidden: units of each student's hidden layer
        weight: λ of equation (2), the weight of the distances
        printed: use equation (3) as printed, with student and teacher exchanged
        dropout: dropout of the students
        emotion_frames: K of equation (1), frames that the emotion target is averaged over
        batch_size: segments a step
        optimiser: rmsprop at a constant rate, as the paper; or adamw, its rate falling to 0 by a cosine
    """
    arguments: dict[str, Any] = dict(locals())
    trained = _Distillation(arguments)
    return Run(
        recipe="si_distill",
        arguments=arguments,
        people="clips",
        split=partial(split_clips, seed=seed, validation=validation, test=test, leave_out=leave_out),
        facts=trained.facts,
        build=trained.build,
        data=trained.data,
        optimisers={"distil": _optimiser(optimiser, lr, weight_decay)},
        steps=steps,
        seed=seed,
        validate=trained.validate,
        every=every,
        select="-loss",
        start=trained.start,
        half=True,
        contract={"rate": SAMPLE_RATE, "template": TEMPLATE, "clips": True},
        licence="Apache-2.0",
    )


def _optimiser(name: str, lr: float, weight_decay: float) -> Optimiser:
    if name == "adamw":
        return Optimiser(
            name="adamw", lr=lr, weight_decay=weight_decay, schedule="cosine", warmup=20, clip=1.0
        )
    return Optimiser(name="rmsprop", lr=lr, betas=(0.9, 0.99))


def smoke() -> Run[Disentangling]:
    """The same in seconds."""
    small: dict[str, Any] = {"speech_encoder": UNTRAINED, "emotion": "expression=untrained", "hidden": 8}
    return recipe(emotion_frames=2, batch_size=4, steps=4, every=2, validation=0.34, test=0.0, **small)


def load(weights: str) -> Disentangling:
    """The model that a weights folder of this recipe holds, in eval mode.

    Raises:
        InputError: it holds another recipe's, or damaged ones.
    """
    tensors, card = open_weights(weights, recipe="si_distill")
    model = build_from_facts(card["arguments"], card["facts"])
    model.load_weights(tensors, source=weights)
    return model


def build_from_facts(arguments: dict[str, Any], facts: Facts) -> Disentangling:
    """The model of such weights' arguments and facts, without its weights, in eval mode."""
    return _Distillation(current_arguments(arguments, RENAMED)).build(facts).eval()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Targets:
    """Contexts of clips, and the teachers' embeddings of their faces."""

    contexts: list[Tensor]
    """Of each clip, (steps, context)."""
    identity: Tensor
    """(clips, dim), of each clip's first frame."""
    emotion: list[Tensor]
    """Of each clip, (frames, dim)."""

    def whole_clips(self, pooling: ContextPooling) -> dict[str, Tensor]:
        """The batch of all clips at their full length."""
        return {
            "heard": torch.stack([pool_contexts(contexts, pooling) for contexts in self.contexts]),
            "identity": self.identity,
            "emotion": torch.stack([embeddings.mean(0) for embeddings in self.emotion]),
        }


class _Distillation:
    """The recipe's arguments with what a training computes from them; each selection is embedded once."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.arguments = arguments
        self.targets = OncePerSelection(self._embed)

    def facts(self, selection: Selection) -> Facts:
        """Sizes of the CPC network and of the teachers' embeddings."""
        arguments = self.arguments
        if not arguments["speech_encoder"]:
            fault = "names no weights"
            raise InputError("--speech-encoder", fault, "train si_cpc first and name its folder")
        if not arguments["emotion"]:
            raise InputError("--emotion", "names no teacher", "train expression first and name its folder")
        identity = as_identity_teacher(load_teacher(arguments["identity"]))
        emotion = load_teacher(arguments["emotion"])
        width, context = 16, 16
        if arguments["speech_encoder"] != UNTRAINED:
            _, card = open_weights(arguments["speech_encoder"], recipe="si_cpc")
            width, context = card["arguments"]["width"], card["arguments"]["context"]
        dims, maps = [identity.dim, emotion.dim], list(identity.map_channels)
        return {"width": width, "context": context, "rows": dims, "maps": maps}

    def build(self, facts: Facts) -> Disentangling:
        """The model, without the CPC network's weights."""
        arguments = self.arguments
        return Disentangling(
            width=facts["width"],
            context=facts["context"],
            dims=(facts["rows"][0], facts["rows"][1]),
            maps=facts["maps"],
            teacher=arguments["identity"],
            hidden=arguments["hidden"],
            pooling=arguments["pooling"],
            terms={name: arguments[name] for name in ("weight", "printed", "dropout")},
        )

    def start(self, model: Disentangling, selection: Selection, facts: Facts) -> None:
        """Set the CPC network's weights, and the scale of features and targets."""
        model.net.load_state_dict(self._cpc(facts).state_dict())
        for name, rows in self.targets(selection, facts).whole_clips(self.arguments["pooling"]).items():
            model.measure(name, rows)

    def data(self, selection: Selection, facts: Facts) -> _Segments:
        """The training batches."""
        return _Segments(self.targets(selection, facts), self.arguments)

    @torch.no_grad()
    def validate(self, model: Disentangling, selection: Selection, facts: Facts) -> dict[str, float]:
        """Equation (2) on whole clips, and the cosines between students' and teachers' embeddings."""
        device = model.get_buffer("heard_mean").device
        clips = self.targets(selection, facts).whole_clips(self.arguments["pooling"])
        batch = {name: rows.to(device) for name, rows in clips.items()}
        figures = {"loss": float(model.error(batch, {})["loss"])}
        for name, embeddings in zip(("identity", "emotion"), model.students(batch["heard"]), strict=True):
            targets = model.standardised(name, batch[name])
            figures[f"{name}_cosine"] = float(torch.cosine_similarity(embeddings, targets).mean())
        return figures

    def _embed(self, selection: Selection, facts: Facts) -> _Targets:
        """Contexts and teachers' embeddings of a selection's clips with sound."""
        corpus = selection.corpus
        identity, emotion = (load_teacher(self.arguments[name]) for name in ("identity", "emotion"))
        net = self._cpc(facts)
        contexts, first_frames, emotions = [], [], []
        for row in selection.clips.tolist():
            wave = as_wave(corpus.clip_wave(row))
            if not wave.any():
                continue
            frames = torch.from_numpy(clip_frames(corpus, row, size=_SIDE, template=TEMPLATE))
            contexts.append(speech_contexts(net, wave))
            first_frames.append(frames[0])
            emotions.append(embed_with_teacher(emotion, list(frames[::_EVERY])))
        if len(contexts) < 2:
            fault = f"holds {len(contexts)} clips with sound to learn from"
            raise InputError(corpus.path, fault, "prepare more clips")
        identities = embed_with_teacher(identity, first_frames)
        return _Targets(contexts=contexts, identity=identities, emotion=emotions)

    def _cpc(self, facts: Facts) -> CpcNet:
        """The CPC network with its weights, frozen."""
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(0)
            net = CpcNet(width=facts["width"], context=facts["context"])
        if self.arguments["speech_encoder"] != UNTRAINED:
            tensors, _ = open_weights(self.arguments["speech_encoder"], recipe="si_cpc")
            own = {n.removeprefix("net."): t.float() for n, t in tensors.items() if n.startswith("net.")}
            net.load_state_dict(own)
        return net.eval().requires_grad_(False)


class _Segments:
    """Batches of segments of clips; each is a function of the step."""

    def __init__(self, targets: _Targets, arguments: dict[str, Any]) -> None:
        self.targets, self.arguments = targets, arguments
        count = len(targets.contexts)
        self.sound_of = list(range(count))
        if arguments["wrong_sound"]:
            self.sound_of = np.random.default_rng(arguments["seed"]).permutation(count).tolist()

    def batch(self, step: int) -> dict[str, Tensor]:
        """ω ``heard`` (n, size) with both teachers' ``identity`` and ``emotion`` embeddings of K frames."""
        arguments, targets = self.arguments, self.targets
        random = numpy_generator(arguments["seed"], step)
        count, size, frames = len(targets.contexts), arguments["batch_size"], arguments["emotion_frames"]
        sampled = random.choice(count, size, replace=count < size).tolist()
        pooled, emotions = [], []
        for clip in sampled:
            contexts, emotion = targets.contexts[self.sound_of[clip]], targets.emotion[clip]
            length = int(random.integers(max(1, round(_SHORTEST * len(contexts))), len(contexts) + 1))
            start = int(random.integers(len(contexts) - length + 1))
            pooled.append(pool_contexts(contexts[start : start + length], arguments["pooling"]))
            at = random.choice(len(emotion), frames, replace=len(emotion) < frames)
            emotions.append(emotion[torch.from_numpy(at)].mean(0))
        return {
            "heard": torch.stack(pooled),
            "identity": targets.identity[sampled],
            "emotion": torch.stack(emotions),
        }
