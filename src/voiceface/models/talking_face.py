"""A talking face: the speaker is set once, then sound goes in and frames come out, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError
from voiceface.records import SAMPLE_RATE


class FaceTooSmallError(InputError):
    """The face has too few pixels in the picture that is to be animated."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Speaker:
    """Who talks in a video; a model refuses a speaker that lacks what it needs."""

    wave: npt.NDArray[np.float32]
    """(samples,) at 16 kHz: up to 30 s of the recording's speech, from which identity and emotion are
    computed once, however long the recording goes on."""
    face: npt.NDArray[np.uint8] | None = None
    """(size, size, 3): a face in the model's `face_template` and `face_size`, to be animated; of a model that
    animates whole pictures any (height, width, 3)."""
    landmarks: npt.NDArray[np.float32] | None = None
    """(5, 2) of the face in a whole picture, in pixels; None: they lie where the template has them."""
    seed: int = 0


class TalkingFace(Protocol):
    """Frames for sound that arrives in pieces.

    The frames are the same bytes however the sound is cut into pieces; after `close` their number is
    `frame_count` of the samples fed. Memory does not grow with the sound.
    """

    def feed(self, wave: npt.NDArray[np.float32], /) -> npt.NDArray[np.uint8]:
        """The frames (n, height, width, 3) that these further samples complete; n may be 0."""
        ...

    def close(self) -> npt.NDArray[np.uint8]:
        """The remaining frames; the sound after the end is taken as silence."""
        ...


def frame_count(samples: int, fps: float) -> int:
    """Frames of a video for so many samples at 16 kHz: as long as the sound to half a frame.

    Raises:
        InputError: no samples.

    >>> frame_count(16_000, 25.0), frame_count(100, 25.0)
    (25, 1)
    """
    if samples < 1:
        raise InputError("the recording", "has no samples", "give a recording of somebody speaking")
    return max(1, round(samples * fps / SAMPLE_RATE))
