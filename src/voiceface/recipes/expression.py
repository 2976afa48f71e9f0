"""Emotion from a face: the teacher that Speech2Video's emotion student is distilled from.

Paper     stands for the SENet of FER+ in Si et al. 2021, Speech2Video, section 2.1; the network is ours
Data      talking clips with emotion labels: cremad, synthetic
Command   voiceface train expression --corpus CORPUS
Cost      see docs/papers/si.md
Reported  nothing for this task
Differs   four convolutions instead of 50 layers, grey pictures of 64 pixels, the corpus' own emotions
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from voiceface.corpus.clip_splits import split_clips
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import Selection
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.models.augment_clips import augment_pictures
from voiceface.models.expression_classifier import ExpressionClassifier
from voiceface.models.speech2video import TEMPLATE
from voiceface.models.step_seed import torch_generator
from voiceface.training.option_help import CLIP_OPTIONS, option_help
from voiceface.training.run import Facts, Optimiser, Run

_SIDE = 72
"""Side in pixels of the faces that are kept, to be augmented and reduced."""
_EVERY = 3
"""One frame of a clip in so many is used: neighbours are alike."""


@option_help(CLIP_OPTIONS)
def recipe(
    *,
    width: int = 16,
    features: int = 64,
    size: int = 64,
    batch_size: int = 64,
    lr: float = 1e-3,
    weight_decay: float = 1e-2,
    steps: int = 2_000,
    every: int = 200,
    validation: float = 0.15,
    test: float = 0.15,
    leave_out: str = "",
    wrong_labels: bool = False,
    seed: int = 0,
) -> Run[ExpressionClassifier]:
    """Train a classifier of emotions on talking clips.

    Args:
        width: channels of the first convolution
        features: units of the layer before the classes
        batch_size: faces a step
        wrong_labels: shuffle the emotions over the training clips: a control
    """
    arguments: dict[str, Any] = dict(locals())
    sampling = {name: arguments[name] for name in ("size", "batch_size", "wrong_labels", "seed")}
    return Run(
        recipe="expression",
        arguments=arguments,
        people="clips",
        split=partial(split_clips, seed=seed, validation=validation, test=test, leave_out=leave_out),
        facts=_facts,
        build=lambda facts: ExpressionClassifier(
            emotions=facts["emotions"], width=width, features=features, size=size
        ),
        data=lambda selection, facts: _EmotionBatches(selection, facts["emotions"], **sampling),
        optimisers={
            "name": Optimiser(
                name="adamw", lr=lr, weight_decay=weight_decay, schedule="cosine", warmup=20, clip=1.0
            )
        },
        steps=steps,
        seed=seed,
        validate=_validate,
        every=every,
        select="accuracy",
        half=True,
        contract={"template": TEMPLATE, "size": size, "clips": True},
        licence="Apache-2.0",
    )


def smoke() -> Run[ExpressionClassifier]:
    """The same in seconds."""
    return recipe(width=2, features=4, size=32, batch_size=6, steps=4, every=2, validation=0.34, test=0.0)


def _labelled_clips(selection: Selection) -> list[int]:
    """The clips with an emotion label."""
    return [row for row in selection.clips.tolist() if selection.corpus.clips[row].emotion]


def _facts(selection: Selection) -> Facts:
    """The emotions' names."""
    names = sorted({selection.corpus.clips[row].emotion for row in _labelled_clips(selection)})
    if len(names) < 2:
        fault = f"has {len(names)} emotions among its training clips"
        raise InputError(selection.corpus.path, fault, "prepare cremad or synthetic clips, or more of them")
    return {"emotions": names}


def _faces(corpus: Corpus, row: int, side: int) -> Tensor:
    """Some frames of a clip, ``(frames, 3, side, side)`` uint8."""
    frames = clip_frames(corpus, row, size=side, template=TEMPLATE)[::_EVERY]
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)


class _EmotionBatches:
    """Batches of augmented faces in which every emotion is as frequent; each is a function of the step."""

    def __init__(
        self,
        selection: Selection,
        emotions: list[str],
        *,
        size: int,
        batch_size: int,
        wrong_labels: bool,
        seed: int,
    ) -> None:
        rows = _labelled_clips(selection)
        labels = [emotions.index(selection.corpus.clips[row].emotion) for row in rows]
        if wrong_labels:
            labels = np.random.default_rng(seed).permutation(labels).tolist()
        self.clips = [_faces(selection.corpus, row, _SIDE) for row in rows]
        self.of_emotion = [[k for k, label in enumerate(labels) if label == n] for n in range(len(emotions))]
        self.size, self.batch_size, self.seed = size, batch_size, seed

    def batch(self, step: int) -> dict[str, Tensor]:
        """``pictures`` (n, 3, size, size) from 0 to 255 and ``labels`` (n,)."""
        random = torch_generator(self.seed, step)
        present = [k for k, clips in enumerate(self.of_emotion) if clips]
        labels, pictures = [], []
        for index in torch.randint(len(present), (self.batch_size,), generator=random).tolist():
            clips = self.of_emotion[present[index]]
            frames = self.clips[clips[int(torch.randint(len(clips), (1,), generator=random))]]
            pictures.append(frames[int(torch.randint(len(frames), (1,), generator=random))])
            labels.append(present[index])
        faces = augment_pictures(
            torch.stack(pictures).float(),
            self.size,
            random,
            angle=0.1,
            scale=(0.95, 0.1),
            shift=0.08,
            gamma=0.3,
        )
        grain = 5 * torch.randn(faces.shape, generator=random)
        return {"pictures": faces + grain, "labels": torch.tensor(labels)}


@torch.no_grad()
def _validate(model: ExpressionClassifier, selection: Selection, facts: Facts) -> dict[str, float]:
    """Accuracy over clips and over faces, balanced over emotions."""
    device = next(model.parameters()).device
    clips: dict[int, list[float]] = {}
    faces: dict[int, list[float]] = {}
    for row in _labelled_clips(selection):
        emotion = selection.corpus.clips[row].emotion
        if emotion not in model.emotions:
            continue
        label = model.emotions.index(emotion)
        pictures = _faces(selection.corpus, row, model.net.size).float().to(device)
        found = model.net.probabilities(pictures).cpu()
        clips.setdefault(label, []).append(float(found.mean(0).argmax() == label))
        faces.setdefault(label, []).append(float((found.argmax(1) == label).float().mean()))
    if not clips:
        raise InputError("validation", "holds no clip of a known emotion", "give it a larger share")
    right, right_faces = (
        float(np.mean([np.mean(v) for v in per_label.values()])) for per_label in (clips, faces)
    )
    return {"accuracy": right, "accuracy_faces": right_faces, "chance": 1 / len(model.emotions)}
