"""Windows of talking clips with other voices' sound: batches from which speech to motion is learnt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.audio.motion_mel import BANDS, FLOOR
from voiceface.models.step_seed import torch_generator
from voiceface.models.talker import TalkingMotion
from voiceface.nn.face.speech_motion_net import ROWS_A_FRAME

CLOSED, OPEN = 0.03, 0.06
"""Openings, in distances between the eyes, of a closed mouth, and of one that speaks."""
_NEAR = 5
"""Frames to either side within which an open mouth makes a closed one a closure of speech."""
# Formants move by a share and by bands; tilt, level and noise are natural logarithms.
_STRETCH, _SHIFT, _TILT, _LEVEL, _NOISE = 0.13, 1.5, 0.5, 0.3, 0.3
_BANDS_LOST = 5


class TalkingWindows:
    """Batches of windows of clips, each clip as often as any other.

    Args:
        clips: of the training people.
        frames: of a window.
        batch_size: windows a step.
        closure: factor on the error in frames in which a speaking mouth closes, less 1.
        seed: random seed.
    """

    def __init__(
        self, clips: Sequence[TalkingMotion], *, frames: int, batch_size: int, closure: float, seed: int
    ) -> None:
        self.clips, self.frames, self.batch_size = clips, frames, batch_size
        self.closure, self.seed = closure, seed

    def batch(self, step: int) -> dict[str, Tensor]:
        """``mels`` (n, rows, 32), ``motion`` (n, frames, 468, 2) and ``weights`` (n, frames)."""
        random = torch_generator(self.seed, step)
        rows = torch.randint(len(self.clips), (self.batch_size,), generator=random)
        windows = [self._window(self.clips[row], random) for row in rows.tolist()]
        mels, motion, weights = (torch.stack(part) for part in zip(*windows, strict=True))
        return {"mels": alter_voices(mels, random), "motion": motion, "weights": weights}

    def _window(self, clip: TalkingMotion, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        last = max(0, len(clip.motion) - self.frames)
        begin = int(torch.randint(last + 1, (1,), generator=random))
        motion = clip.motion[begin : begin + self.frames]
        opening = clip.opening[begin : begin + self.frames]
        mels = clip.mels[ROWS_A_FRAME * begin : ROWS_A_FRAME * (begin + self.frames)]
        missing = self.frames - len(motion)
        weights = 1 + self.closure * speech_closures(opening)
        return (
            F.pad(mels, (0, 0, 0, ROWS_A_FRAME * missing), value=FLOOR),
            F.pad(motion, (0, 0, 0, 0, 0, missing)),
            F.pad(weights, (0, missing)),
        )


def speech_closures(opening: Tensor) -> Tensor:
    """1 in frames (n,) with a closed mouth that is open a fifth of a second before or after, else 0."""
    highest = F.max_pool1d(opening[None], 2 * _NEAR + 1, stride=1, padding=_NEAR)[0]
    return ((opening <= CLOSED) & (highest > OPEN)).float()


def alter_voices(mels: Tensor, random: torch.Generator) -> Tensor:
    """Log-mels (n, rows, 32) as of other voices and microphones: stretched, tilted, noisy, bands lost."""
    count, rows, _ = mels.shape

    def uniform(limit: float) -> Tensor:
        return limit * (2 * torch.rand(count, 1, generator=random) - 1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random)

    bands = torch.arange(BANDS).float()
    source = (bands * (1 + uniform(_STRETCH)) + uniform(_SHIFT)).clamp(0, BANDS - 1)
    below = source.floor().long()
    share = (source - below)[:, None]
    above = (below + 1).clamp(max=BANDS - 1)
    moved = (1 - share) * _bands(mels, below) + share * _bands(mels, above)
    tilt = _TILT * normal(count, 1, 1) * torch.linspace(-1, 1, BANDS) + _LEVEL * normal(count, 1, 1)
    strength = _NOISE * normal(count, 1, 1)
    moved = (moved + tilt + strength * normal(count, rows, BANDS)).clamp_min(FLOOR)
    first = torch.randint(BANDS, (count, 1), generator=random)
    width = torch.randint(_BANDS_LOST + 1, (count, 1), generator=random)
    width = width * (torch.rand(count, 1, generator=random) < 0.5)
    lost = (bands >= first) & (bands < first + width)
    return torch.where(lost[:, None], moved.mean((1, 2), keepdim=True), moved)


def _bands(mels: Tensor, index: Tensor) -> Tensor:
    return mels.gather(2, index[:, None].expand(-1, mels.shape[1], -1))
