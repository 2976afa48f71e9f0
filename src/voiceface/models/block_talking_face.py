"""Frames in blocks from sound that arrives in pieces: the same frames however the sound is cut."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.models.talking_face import frame_count
from voiceface.models.voice_encoder import as_wave

Frames = npt.NDArray[np.uint8]

HOP = 640
"""Samples at 16 kHz of one frame."""
PAD = 6
"""Frames of sound needed on either side of the generated ones."""
BLOCK = 8
"""Frames generated at once, always: a network's last bits depend on the batch size."""
FPS = 25.0


class BlockTalkingFace(ABC):
    """A `voiceface.models.talking_face.TalkingFace` of 25 frames a second.

    Eight frames are generated from a segment of sound of one length, whatever came before: nothing drifts,
    and nothing depends on how the sound was cut.

    Args:
        height: of the frames in pixels.
        width: of the frames in pixels.
    """

    def __init__(self, height: int, width: int) -> None:
        self._none = np.zeros((0, height, width, 3), np.uint8)
        self.samples = self.generated = 0
        self._waiting = np.zeros(PAD * HOP, np.float32)
        """Sound from `PAD` frames before the next frame on."""

    @abstractmethod
    def frames(self, wave: Tensor, indices: npt.NDArray[np.int64]) -> Frames:
        """Generate the frames ``(BLOCK, height, width, 3)`` of these indices.

        ``wave ((BLOCK + 2 * PAD) * HOP,)`` begins `PAD` frames before the first of them and ends `PAD` behind
        the last.
        """

    def feed(self, wave: npt.NDArray[np.float32], /) -> Frames:
        """As `voiceface.models.talking_face.TalkingFace.feed`."""
        self.samples += len(wave)
        self._waiting = np.concatenate([self._waiting, np.asarray(wave, np.float32)])
        blocks = [self._none]
        while len(self._waiting) >= (BLOCK + 2 * PAD) * HOP:
            blocks.append(self._block())
        return np.concatenate(blocks)

    def close(self) -> Frames:
        """As `voiceface.models.talking_face.TalkingFace.close`.

        Raises:
            InputError: no sound was fed.
        """
        left = frame_count(self.samples, FPS) - self.generated
        missing = (left + BLOCK + 2 * PAD) * HOP - len(self._waiting)
        self._waiting = np.pad(self._waiting, (0, max(0, missing)))
        blocks = [self._none, *(self._block() for _ in range(-(-left // BLOCK)))]
        return np.concatenate(blocks)[: max(0, left)]

    @torch.no_grad()
    def _block(self) -> Frames:
        wave = as_wave(self._waiting[: (BLOCK + 2 * PAD) * HOP])
        frames = self.frames(wave, np.arange(self.generated, self.generated + BLOCK))
        self._waiting = self._waiting[BLOCK * HOP :]
        self.generated += BLOCK
        return frames
