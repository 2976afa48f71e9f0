"""Speech2Video as a talking face: ν and μ once, then frames as the sound arrives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.models.context_stream import BlockStream
from voiceface.models.speech_encoder import CONTEXTS_PER_SECOND
from voiceface.models.talking_face import frame_count
from voiceface.models.voice_encoder import as_wave

Frames = npt.NDArray[np.uint8]

_BLOCK = 8
"""Frames generated at once, always: a network's last bits depend on the batch size."""


class Speech2VideoTalkingFace:
    """A talking face that needs the sound of `around` frames beyond the one it generates.

    Args:
        stream: gives c_t, 100 a second.
        generate: from c_t of `_BLOCK` frames, joined with their neighbours', to frames
            ``(_BLOCK, size, size, 3)`` uint8.
        size: side of the frames in pixels.
        fps: frames a second.
        around: neighbours joined to a frame's c_t, as in `contexts_per_frame`.
    """

    def __init__(
        self,
        stream: BlockStream,
        generate: Callable[[Tensor], Tensor],
        *,
        size: int,
        fps: float,
        around: int,
    ) -> None:
        self.stream, self.generate = stream, generate
        self.size, self.fps, self.around = size, fps, around
        self.samples = self.generated = self.pooled = 0
        self._contexts: list[Tensor] = []
        self._first = 0
        """Index of the first context kept."""
        self._pooled: dict[int, Tensor] = {}
        """Mean contexts of the frames still needed."""

    def feed(self, wave: npt.NDArray[np.float32], /) -> Frames:
        """As `voiceface.models.talking_face.TalkingFace.feed`."""
        self.samples += len(wave)
        if len(wave):
            self._contexts += list(self.stream.feed(as_wave(wave)))
        return self._advance(None)

    def close(self) -> Frames:
        """As `voiceface.models.talking_face.TalkingFace.close`.

        Raises:
            InputError: no sound was fed.
        """
        total = frame_count(self.samples, self.fps)
        self._contexts += list(self.stream.close())
        return self._advance(total)

    def _advance(self, total: int | None) -> Frames:
        self._pool(total)
        neighbours, parts = range(-self.around, self.around + 1), []
        while True:
            left = (self.pooled - self.around if total is None else total) - self.generated
            if left < (_BLOCK if total is None else 1):
                break
            count = min(_BLOCK, left)
            last = self.pooled - 1
            rows = [
                torch.cat([self._pooled[min(max(k + n, 0), last)] for n in neighbours])
                for k in range(self.generated, self.generated + count)
            ]
            rows += rows[-1:] * (_BLOCK - count)
            parts.append(self.generate(torch.stack(rows))[:count].cpu().numpy())
            self.generated += count
            for old in [k for k in self._pooled if k < min(self.generated - self.around, last)]:
                del self._pooled[old]
        side = self.size
        return np.concatenate(parts) if parts else np.zeros((0, side, side, 3), np.uint8)

    def _pool(self, total: int | None) -> None:
        """Average the contexts of every complete frame, and drop them."""
        while total is None or self.pooled < total:
            edges = [round((self.pooled + k) * CONTEXTS_PER_SECOND / self.fps) for k in (0, 1)]
            start, stop = (edge - self._first for edge in edges)
            known = len(self._contexts)
            if total is None and stop > known:
                return
            start = min(start, known - 1)
            rows = self._contexts[start : max(min(stop, known), start + 1)]
            self._pooled[self.pooled] = torch.stack(rows).mean(0)
            self.pooled += 1
            # The last context is kept: it is repeated where the sound ends before the last frame.
            gone = min(stop, known - 1)
            del self._contexts[:gone]
            self._first += gone
