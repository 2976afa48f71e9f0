"""A talking face: who talks is settled once, then sound goes in and frames come out, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError

__all__ = ["RATE", "TalkingFace", "Who", "frames_of"]

RATE = 16_000
"""Samples a second of everything that drives a talking face."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Who:
    """What a talking face is made from; a model refuses one that lacks what it needs."""

    wave: npt.NDArray[np.float32]
    """(samples,) at 16 kHz: up to 30 s of the recording's speech, from which identity and emotion are heard
    once, however long the recording goes on."""
    face: npt.NDArray[np.uint8] | None = None
    """(side, side, 3): a face in the contract's template and size, to animate instead of one of its own."""
    seed: int = 0


class TalkingFace(Protocol):
    """Frames for sound that arrives in pieces.

    However the sound is cut into pieces, the frames are the same bytes, so that nothing is seen of the cuts;
    after `close` their number is `frames_of` the samples fed. Memory does not grow with the sound.
    """

    def feed(self, wave: npt.NDArray[np.float32], /) -> npt.NDArray[np.uint8]:
        """The frames (n, side, side, 3) that can be drawn after these further samples; n may be 0."""
        ...

    def close(self) -> npt.NDArray[np.uint8]:
        """The frames that were still waiting for sound, which is silence from here on."""
        ...


def frames_of(samples: int, fps: float) -> int:
    """Frames a video of so many samples at 16 kHz has: sound and picture are equally long to half a frame.

    Raises:
        InputError: no samples.

    >>> frames_of(16_000, 25.0), frames_of(100, 25.0)
    (25, 1)
    """
    if samples < 1:
        raise InputError("the recording", "holds no sound", "give a recording of somebody speaking")
    return max(1, round(samples * fps / RATE))
