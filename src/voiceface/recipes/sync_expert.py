"""Sync expert: whether a mouth makes a sound, by mouth crops of five frames against 0.2 s of log-mels.

Paper     Chung, Zisserman 2016, Out of Time (the windows, the metric); the loss over a clip's own other
          moments follows Chung, Chung, Kang 2019, Perfect Match
Data      talking clips of 25 frames a second with sound: prepare videos, cremad, synthetic
Command   voiceface train sync_expert --corpus CORPUS
Cost      see docs/video.md
Reported  81.0 % of offsets within a frame over one window, 99.4 % over a second (BBC videos, table 3)
Differs   grey mouths of 48 pixels cut by template from five points; log-mels for cepstra; InfoNCE for the
          contrastive loss; some hundred thousand weights for some ten million
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.audio.sync_features import HOPS, sync_mel
from voiceface.corpus.clip_splits import split_clips
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import Selection
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.face.mouth import crop_aligned_mouths
from voiceface.metrics.sync_confidence import LEAST, REACH, sync
from voiceface.models.augment_clips import augment_pictures
from voiceface.models.step_seed import torch_generator
from voiceface.models.sync_expert import SyncModel, embed_mouths
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.sync_towers import FRAMES
from voiceface.records import SAMPLE_RATE
from voiceface.training.option_help import CLIP_OPTIONS, option_help
from voiceface.training.run import Facts, Optimiser, Run

RENAMED = {"altered": "augment"}
"""Options of weights trained by older versions, and their names now."""
SIZE = 48
_SIDE = 120
"""Side in pixels of the faces that mouths are cropped from: mouths of 64, to be augmented and reduced."""
_FPS = 25.0
_CONTRACT = {
    "rate": SAMPLE_RATE,
    "fps": _FPS,
    "frames": FRAMES,
    "size": SIZE,
    "template": "dlib",
    "window": "mouth",
    "clips": True,
}


@option_help(CLIP_OPTIONS)
def recipe(
    *,
    width: int = 32,
    dim: int = 128,
    across: float = 0.2,
    clips: int = 8,
    windows: int = 24,
    augment: float = 1.0,
    lr: float = 1e-3,
    weight_decay: float = 1e-3,
    steps: int = 600,
    every: int = 150,
    validation: float = 0.1,
    test: float = 0.15,
    leave_out: str = "",
    wrong_sound: bool = False,
    seed: int = 0,
) -> Run[SyncModel]:
    """Train a sync expert on talking clips.

    Args:
        width: channels of both towers' first layers
        across: weight of negatives from other clips beside those of the same clip
        clips: segments of clips a step
        windows: windows of five frames in each segment
        augment: strength of the augmentation of mouths and sounds; 0 for none
    """
    arguments: dict[str, Any] = dict(locals())
    sampling = {name: arguments[name] for name in ("clips", "windows", "augment", "wrong_sound", "seed")}
    return Run(
        recipe="sync_expert",
        arguments=arguments,
        people="clips",
        split=partial(split_clips, seed=seed, validation=validation, test=test, leave_out=leave_out),
        facts=_facts,
        build=lambda facts: SyncModel(
            mean=facts["mean"], deviation=facts["deviation"], width=width, dim=dim, size=SIZE, across=across
        ),
        data=lambda selection, facts: SegmentBatches(selection, **sampling),
        optimisers={
            "align": Optimiser(
                name="adamw", lr=lr, weight_decay=weight_decay, schedule="cosine", warmup=20, clip=1.0
            )
        },
        steps=steps,
        seed=seed,
        validate=_validate,
        every=every,
        select="confidence",
        half=True,
        contract=_CONTRACT,
        licence="Apache-2.0",
    )


def smoke() -> Run[SyncModel]:
    """The same in seconds."""
    return recipe(width=4, dim=8, clips=2, windows=8, steps=4, every=2, validation=0.3)


def clip_mouths_and_sound(
    corpus: Corpus, clip: int, *, side: int = _SIDE
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int16]]:
    """Grey mouths (frames, 16 / 30 side, same) and sound of a clip, at 25 frames a second.

    Raises:
        InputError: the corpus holds clips of another frame rate.
    """
    fps = corpus.clips[clip].fps
    if abs(fps - _FPS) > 1e-3:
        fault = f"holds clips of {fps:g} frames a second"
        raise InputError(corpus.path, fault, "prepare with --clip-fps 25")
    return crop_aligned_mouths(clip_frames(corpus, clip, size=side)), corpus.clip_wave(clip)


class SegmentBatches:
    """Segments of consecutive frames, each of another clip, with one augmentation for a whole segment.

    The options are the recipe's.

    Raises:
        InputError: fewer than two clips with sound and enough frames.
    """

    def __init__(
        self, selection: Selection, *, clips: int, windows: int, augment: float, wrong_sound: bool, seed: int
    ) -> None:
        self.clips, self.frames, self.augment, self.seed = clips, windows + FRAMES - 1, augment, seed
        self.mouths: list[Tensor] = []
        self.mels: list[Tensor] = []
        for clip in selection.clips.tolist():
            mouths, wave = clip_mouths_and_sound(selection.corpus, clip)
            if len(mouths) >= self.frames and wave.any():
                self.mouths.append(torch.from_numpy(mouths))
                self.mels.append(sync_mel(as_wave(wave), frames=len(mouths)))
        if len(self.mouths) < 2:
            fault = (
                f"holds {len(self.mouths)} clips of at least {self.frames} frames with sound to learn from"
            )
            raise InputError(selection.corpus.path, fault, "prepare more clips, or lower --windows")
        if wrong_sound:
            self.mels = self.mels[1:] + self.mels[:1]

    def batch(self, step: int) -> dict[str, Tensor]:
        """``mouths`` (clips, frames, 48, 48) and ``mels`` (clips, 4 * frames, bands)."""
        random = torch_generator(self.seed, step)
        count = len(self.mouths)
        order = torch.randperm(count, generator=random)
        sampled = order.repeat(-(-self.clips // count))[: self.clips].tolist()
        mouths, mels = [], []
        for clip in sampled:
            length = min(len(self.mouths[clip]), len(self.mels[clip]) // HOPS)
            start = int(torch.randint(length - self.frames + 1, (1,), generator=random))
            mouths.append(self.mouths[clip][start : start + self.frames])
            mels.append(self.mels[clip][HOPS * start : HOPS * (start + self.frames)])
        pictures = _augment_mouths(torch.stack(mouths).float(), self.augment, random)
        return {"mouths": pictures, "mels": _augment_mels(torch.stack(mels), self.augment, random)}


def _augment_mouths(mouths: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Rotate, shift, scale, mirror and expose every segment, and add grain: (clips, frames, 48, 48)."""
    pictures = augment_pictures(
        mouths,
        SIZE,
        random,
        angle=strength * 0.15,
        scale=(0.92, strength * 0.18),
        shift=strength * 0.15,
        gamma=strength * 0.4,
        mirror=0.5 * min(1.0, strength),
    )
    grain = strength * 6 * torch.rand(len(mouths), 1, 1, 1, generator=random)
    return pictures + grain * torch.randn(pictures.shape, generator=random)


def _augment_mels(mels: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Another microphone and some noise for every segment: (clips, 4 * frames, bands)."""
    count, _, bands = mels.shape
    knots = strength * 0.8 * torch.randn(count, 1, 6, generator=random)
    tilt = F.interpolate(knots, size=bands, mode="linear", align_corners=True)
    floor = mels.amax((1, 2), keepdim=True) - 4 - 8 * torch.rand(count, 1, 1, generator=random)
    noise = floor + 0.5 * torch.randn(mels.shape, generator=random)
    noisy = torch.rand(count, 1, 1, generator=random) < 0.5 * strength
    return torch.where(noisy, torch.logaddexp(mels, noise), mels) + tilt


def _facts(selection: Selection) -> Facts:
    """Mean and deviation of every mel band over up to 200 clips."""
    rows = selection.clips[:: max(1, len(selection.clips) // 200)].tolist()
    mels = []
    for clip in rows:
        wave = selection.corpus.clip_wave(clip)
        if wave.any():
            mels.append(sync_mel(as_wave(wave), frames=len(wave) // (SAMPLE_RATE // int(_FPS))))
    if not mels:
        raise InputError(selection.corpus.path, "holds no clip with sound", "prepare clips with sound")
    every = torch.cat(mels)
    return {
        "mean": [round(v, 6) for v in every.mean(0).tolist()],
        "deviation": [round(v, 6) for v in every.std(0).clamp_min(1e-2).tolist()],
    }


def _validate(model: SyncModel, selection: Selection, facts: Facts) -> dict[str, float]:
    """Confidence at offset 0, and the share of clips whose offset is found exactly and within one frame."""
    found = []
    for clip in selection.clips.tolist():
        mouths, wave = clip_mouths_and_sound(selection.corpus, clip, side=90)
        reach = min(REACH, len(mouths) - FRAMES + 1 - LEAST)
        if reach >= 1 and wave.any():
            mouth, sound = embed_mouths(model, mouths, wave)
            found.append(sync(sound, mouth, reach=reach))
    if not found:
        raise InputError("validation", "holds no clip that is long enough", "give it a larger share")
    offsets = np.array([one.offset for one in found])
    return {
        "confidence": float(np.mean([one.confidence_at_zero for one in found])),
        "exact": float((offsets == 0).mean()),
        "within_1": float((np.abs(offsets) <= 1).mean()),
    }
