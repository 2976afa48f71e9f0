"""Reads what a face expresses: the teacher of emotion that Speech2Video's student is distilled from.

Paper     stands for the SENet of FER+ in Si et al. 2021, Speech2Video, section 2.1; the network is ours
Data      talking clips whose emotion is told: cremad, synthetic
Command   voiceface train expression --corpus CORPUS
Cost      see docs/papers/si.md
Reported  nothing for this task
Differs   four convolutions instead of 50 layers, grey pictures of 64 pixels, the corpus' own emotions
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.corpus.clip_splits import split_clips
from voiceface.corpus.splits import Selection
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.models.expression_classifier import ExpressionClassifier
from voiceface.models.model import Model
from voiceface.models.talking_clips import TEMPLATE
from voiceface.training.run import Facts, Optimiser, Run

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = ["clips_with_emotion", "recipe", "smoke"]

_STORED = 72
"""Pixels that faces are kept at, to be shifted and scaled down from."""
_EVERY = 3
"""Of a clip's frames every so many-eth is kept: neighbours are alike."""


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
) -> Run:
    """The run; ``leave_out`` names people whose clips are in no part: to be tested on as unknown.

    ``wrong_labels`` deals the emotions anew over the training clips: a control.
    """
    return Run(
        recipe="expression",
        arguments=dict(locals()),
        split=lambda corpus: split_clips(
            corpus, seed=seed, validation=validation, test=test, leave_out=leave_out
        ),
        facts=_facts,
        build=lambda facts: ExpressionClassifier(
            emotions=facts["emotions"], width=width, features=features, size=size
        ),
        data=lambda selection, facts: _Faces(
            selection, facts["emotions"], size=size, batch_size=batch_size, wrong=wrong_labels, seed=seed
        ),
        optimisers={
            "name": Optimiser(
                name="adamw", lr=lr, weight_decay=weight_decay, schedule="cosine", warmup=20, clip=1.0
            )
        },
        steps=steps,
        seed=seed,
        validate=lambda model, selection, facts: _validate(model, selection),
        every=every,
        select="right",
        half=True,
        contract={"template": TEMPLATE, "size": size, "clips": True},
        licence="Apache-2.0",
    )


def smoke() -> Run:
    """The same in seconds."""
    return recipe(width=2, features=4, size=32, batch_size=6, steps=4, every=2, validation=0.34, test=0.0)


def clips_with_emotion(selection: Selection) -> list[int]:
    """The clips whose emotion is told."""
    return [row for row in selection.clips.tolist() if selection.corpus.clips[row].emotion]


def _facts(selection: Selection) -> Facts:
    """The emotions' names."""
    names = sorted({selection.corpus.clips[row].emotion for row in clips_with_emotion(selection)})
    if len(names) < 2:
        fault = f"tells {len(names)} emotions of its training clips"
        raise InputError(selection.corpus.path, fault, "prepare cremad or synthetic clips, or more of them")
    return {"emotions": names}


def _faces(corpus: Corpus, row: int, side: int) -> Tensor:
    """Some frames of a clip, ``(frames, 3, side, side)`` uint8."""
    frames = clip_frames(corpus, row, size=side, template=TEMPLATE)[::_EVERY]
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)


class _Faces:
    """Batches in which every emotion is as frequent, faces altered; each a pure function of the step."""

    def __init__(
        self, selection: Selection, emotions: list[str], *, size: int, batch_size: int, wrong: bool, seed: int
    ) -> None:
        rows = clips_with_emotion(selection)
        labels = [emotions.index(selection.corpus.clips[row].emotion) for row in rows]
        if wrong:
            labels = np.random.default_rng(seed).permutation(labels).tolist()
        self.clips = [_faces(selection.corpus, row, _STORED) for row in rows]
        self.of = [[k for k, label in enumerate(labels) if label == n] for n in range(len(emotions))]
        self.size, self.batch_size, self.seed = size, batch_size, seed

    def batch(self, step: int) -> dict[str, Tensor]:
        """``pictures`` (n, 3, size, size) from 0 to 255 and ``labels`` (n,)."""
        digest = hashlib.blake2b(f"{self.seed}/{step}".encode(), digest_size=8).digest()
        random = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
        told = [k for k, mine in enumerate(self.of) if mine]
        labels, pictures = [], []
        for place in torch.randint(len(told), (self.batch_size,), generator=random).tolist():
            mine = self.of[told[place]]
            frames = self.clips[mine[int(torch.randint(len(mine), (1,), generator=random))]]
            pictures.append(frames[int(torch.randint(len(frames), (1,), generator=random))])
            labels.append(told[place])
        return {
            "pictures": _altered(torch.stack(pictures).float(), self.size, random),
            "labels": torch.tensor(labels),
        }


def _altered(pictures: Tensor, size: int, random: torch.Generator) -> Tensor:
    """Shifted, scaled, turned a little, mirrored, brightened, with grain."""
    count = len(pictures)

    def drawn(spread: float) -> Tensor:
        return spread * (2 * torch.rand(count, generator=random) - 1)

    angle, scale = drawn(0.1), torch.exp(drawn(0.1)) * 0.95
    mirror = torch.where(torch.rand(count, generator=random) < 0.5, -1.0, 1.0)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    rows = [
        torch.stack([cos * mirror, -sin, drawn(0.08)], 1),
        torch.stack([sin * mirror, cos, drawn(0.08)], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), [count, 3, size, size], align_corners=False)
    placed = F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)
    gamma = torch.exp(drawn(0.3))[:, None, None, None]
    bright = 255 * (placed.clamp(0, 255) / 255) ** gamma
    return bright + 5 * torch.randn(bright.shape, generator=random)


@torch.no_grad()
def _validate(model: Model, selection: Selection) -> dict[str, float]:
    """How many clips and faces are named rightly, every emotion counting the same."""
    learning = cast(ExpressionClassifier, model)
    device = next(model.parameters()).device
    clips: dict[int, list[float]] = {}
    faces: dict[int, list[float]] = {}
    for row in clips_with_emotion(selection):
        emotion = selection.corpus.clips[row].emotion
        if emotion not in learning.emotions:
            continue
        label = learning.emotions.index(emotion)
        shown = _faces(selection.corpus, row, learning.net.size).float().to(device)
        found = learning.net.probabilities(shown).cpu()
        clips.setdefault(label, []).append(float(found.mean(0).argmax() == label))
        faces.setdefault(label, []).append(float((found.argmax(1) == label).float().mean()))
    if not clips:
        raise InputError("validation", "holds no clip of a known emotion", "give it a larger share")
    right, each = (float(np.mean([np.mean(v) for v in told.values()])) for told in (clips, faces))
    return {"right": right, "right_faces": each, "chance": 1 / len(learning.emotions)}
