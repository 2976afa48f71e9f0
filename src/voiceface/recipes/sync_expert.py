"""Hears whether a mouth makes the sound: mouth crops of five frames against 0.2 s of log-mels.

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

import hashlib
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.audio.sync_features import HOPS, sync_mel
from voiceface.corpus.clip_splits import split_clips
from voiceface.corpus.splits import Selection
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.face.mouth import crop_aligned_mouths
from voiceface.metrics.sync_confidence import LEAST, REACH, sync
from voiceface.models.model import Model
from voiceface.models.sync_expert import SyncModel, embed_mouths
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.sync_towers import FRAMES
from voiceface.records import SAMPLE_RATE
from voiceface.training.run import Facts, Optimiser, Run

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = ["clip_mouths_and_sound", "recipe", "smoke"]

SIZE = 48
_STORED = 64
"""Pixels that mouths are kept at, to be turned, shifted and scaled down from."""
_CHIP = 120
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


def recipe(
    *,
    width: int = 32,
    dim: int = 128,
    across: float = 0.2,
    clips: int = 8,
    windows: int = 24,
    altered: float = 1.0,
    lr: float = 1e-3,
    weight_decay: float = 1e-3,
    steps: int = 600,
    every: int = 150,
    validation: float = 0.1,
    test: float = 0.15,
    leave_out: str = "",
    wrong_sound: bool = False,
    seed: int = 0,
) -> Run:
    """The run; ``altered`` scales how far mouths and sounds are changed.

    ``leave_out`` names people, separated by commas, whose clips are in no part: to be tested on as unknown.

    ``wrong_sound`` gives every clip another clip's sound: a control, at chance but for a common rhythm.
    """
    return Run(
        recipe="sync_expert",
        arguments=dict(locals()),
        split=lambda corpus: split_clips(
            corpus, seed=seed, validation=validation, test=test, leave_out=leave_out
        ),
        facts=_facts,
        build=lambda facts: SyncModel(
            mean=facts["mean"], deviation=facts["deviation"], width=width, dim=dim, size=SIZE, across=across
        ),
        data=lambda selection, facts: Stretches(
            selection,
            clips=clips,
            windows=windows,
            altered=altered,
            wrong_sound=wrong_sound,
            seed=seed,
        ),
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


def smoke() -> Run:
    """The same in seconds."""
    return recipe(width=4, dim=8, clips=2, windows=8, steps=4, every=2, validation=0.3)


def clip_mouths_and_sound(
    corpus: Corpus, clip: int, *, chip: int = _CHIP
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int16]]:
    """Grey mouths (frames, 16 / 30 chip, same) and sound of a clip, at 25 frames a second.

    Raises:
        InputError: the corpus keeps its clips at another rate.
    """
    fps = corpus.clips[clip].fps
    if abs(fps - _FPS) > 1e-3:
        raise InputError(corpus.path, f"keeps clips at {fps:g} frames a second", "prepare with --clip-fps 25")
    return crop_aligned_mouths(clip_frames(corpus, clip, size=chip)), corpus.clip_wave(clip)


class Stretches:
    """Stretches of consecutive frames, each of another clip, mouths and sounds altered alike throughout.

    Args:
        selection: whose clips.
        clips: stretches a step.
        windows: windows of five frames a stretch.
        altered: how far they are changed, 0 to 1.
        wrong_sound: every clip gets another one's sound.
        seed: of every draw.
    """

    def __init__(
        self, selection: Selection, *, clips: int, windows: int, altered: float, wrong_sound: bool, seed: int
    ) -> None:
        self.clips, self.frames, self.altered, self.seed = clips, windows + FRAMES - 1, altered, seed
        self.mouths: list[Tensor] = []
        self.mels: list[Tensor] = []
        for clip in selection.clips.tolist():
            mouths, wave = clip_mouths_and_sound(selection.corpus, clip)
            if len(mouths) >= self.frames and wave.any():
                self.mouths.append(torch.from_numpy(mouths))
                self.mels.append(sync_mel(as_wave(wave), frames=len(mouths)))
        if len(self.mouths) < 2:
            fault = f"holds {len(self.mouths)} clips of {self.frames} frames and sound to learn from"
            raise InputError(selection.corpus.path, fault, "prepare more clips, or lower --windows")
        if wrong_sound:
            self.mels = self.mels[1:] + self.mels[:1]

    def batch(self, step: int) -> dict[str, Tensor]:
        """``mouths`` (clips, frames, 48, 48) and ``mels`` (clips, 4 * frames, bands)."""
        random = torch.Generator().manual_seed(_hash(self.seed, str(step)))
        count = len(self.mouths)
        order = torch.randperm(count, generator=random)
        picked = order.repeat(-(-self.clips // count))[: self.clips].tolist()
        mouths, mels = [], []
        for clip in picked:
            length = min(len(self.mouths[clip]), len(self.mels[clip]) // HOPS)
            start = int(torch.randint(length - self.frames + 1, (1,), generator=random))
            mouths.append(self.mouths[clip][start : start + self.frames])
            mels.append(self.mels[clip][HOPS * start : HOPS * (start + self.frames)])
        seen = _moved(torch.stack(mouths).float(), self.altered, random)
        return {"mouths": seen, "mels": _coloured(torch.stack(mels), self.altered, random)}


def _moved(mouths: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Turn, shift, scale, mirror, brighten and grain every stretch: (clips, frames, 48, 48)."""
    count, frames = mouths.shape[:2]

    def drawn(spread: float) -> Tensor:
        return strength * spread * (2 * torch.rand(count, generator=random) - 1)

    angle, size = drawn(0.15), torch.exp(drawn(0.18)) * 0.92
    mirror = torch.where(torch.rand(count, generator=random) < 0.5 * min(1.0, strength), -1.0, 1.0)
    cos, sin = size * angle.cos(), size * angle.sin()
    rows = torch.stack(
        [torch.stack([cos * mirror, -sin, drawn(0.15)], 1), torch.stack([sin * mirror, cos, drawn(0.15)], 1)],
        1,
    )
    grid = F.affine_grid(rows, [count, 1, SIZE, SIZE], align_corners=False)
    placed = F.grid_sample(mouths, grid, mode="bilinear", padding_mode="border", align_corners=False)
    gamma = torch.exp(drawn(0.4))[:, None, None, None]
    placed = 255 * (placed.clamp(0, 255) / 255) ** gamma
    grain = strength * 6 * torch.rand(count, 1, 1, 1, generator=random)
    return placed + grain * torch.randn(placed.shape, generator=random)


def _coloured(mels: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Another microphone and some noise for every stretch: (clips, 4 * frames, bands)."""
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


def _validate(model: Model, selection: Selection, facts: Facts) -> dict[str, float]:
    """Confidence at offset 0, and the share of clips whose offset is found."""
    learning = cast(SyncModel, model)
    found = []
    for clip in selection.clips.tolist():
        chips, wave = clip_mouths_and_sound(selection.corpus, clip, chip=90)
        reach = min(REACH, len(chips) - FRAMES + 1 - LEAST)
        if reach >= 1 and wave.any():
            mouth, sound = embed_mouths(learning, chips, wave)
            found.append(sync(sound, mouth, reach=reach))
    if not found:
        raise InputError("validation", "holds no clip that is long enough", "give it a larger share")
    offsets = np.array([one.offset for one in found])
    return {
        "confidence": float(np.mean([one.confidence_at_zero for one in found])),
        "exact": float((offsets == 0).mean()),
        "within_1": float((np.abs(offsets) <= 1).mean()),
    }


def _hash(seed: int, what: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{what}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
