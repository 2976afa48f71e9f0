"""Speech2Video as a talking face: ν and μ settled once, then frames as the sound arrives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.models.talking_clips import STEPS
from voiceface.models.talking_face import frames_of
from voiceface.models.voice_encoder import as_wave

__all__ = ["ContextStream", "Speech2VideoTalkingFace"]

Frames = npt.NDArray[np.uint8]

_BLOCK = 8
"""Frames drawn at once, always: a network's last bits depend on how many go through it together."""


class ContextStream(Protocol):
    """c_t of a recording that arrives in pieces: the same numbers, bit for bit, however it is cut."""

    def feed(self, wave: Tensor, /) -> Tensor:
        """The contexts ``(steps, n)`` that are known after these further samples; steps may be 0."""
        ...

    def close(self) -> Tensor:
        """Those that were still waiting."""
        ...


class Speech2VideoTalkingFace:
    """A talking face that waits for `around` frames of sound beyond the one it draws.

    Args:
        stream: gives c_t, 100 a second.
        draw: c_t of `_BLOCK` frames with their neighbours' to frames ``(_BLOCK, side, side, 3)`` uint8.
        size: side of the frames.
        fps: frames a second.
        around: neighbours joined to a frame's c_t, as in `voiceface.models.talking_clips.contexts_per_frame`.
    """

    def __init__(
        self,
        stream: ContextStream,
        draw: Callable[[Tensor], Tensor],
        *,
        size: int,
        fps: float,
        around: int,
    ) -> None:
        self.stream, self.draw = stream, draw
        self.size, self.fps, self.around = size, fps, around
        self.samples = self.drawn = self.pooled = 0
        self._contexts: list[Tensor] = []
        self._first = 0
        """The step that the kept contexts begin at."""
        self._known: dict[int, Tensor] = {}
        """Mean contexts of the frames that are still needed."""

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
        total = frames_of(self.samples, self.fps)
        self._contexts += list(self.stream.close())
        return self._advance(total)

    def _advance(self, total: int | None) -> Frames:
        self._pool(total)
        made = []
        while True:
            left = (self.pooled - self.around if total is None else total) - self.drawn
            if left < (_BLOCK if total is None else 1):
                break
            count = min(_BLOCK, left)
            last = self.pooled - 1
            rows = [
                torch.cat([self._known[min(max(k + n, 0), last)] for n in self._neighbours()])
                for k in range(self.drawn, self.drawn + count)
            ]
            rows += rows[-1:] * (_BLOCK - count)
            made.append(self.draw(torch.stack(rows))[:count].cpu().numpy())
            self.drawn += count
            for old in [k for k in self._known if k < min(self.drawn - self.around, last)]:
                del self._known[old]
        side = self.size
        return np.concatenate(made) if made else np.zeros((0, side, side, 3), np.uint8)

    def _neighbours(self) -> Sequence[int]:
        return range(-self.around, self.around + 1)

    def _pool(self, total: int | None) -> None:
        """Means of the contexts of every frame that has stood, and drop those contexts."""
        while total is None or self.pooled < total:
            start, stop = (round(k * STEPS / self.fps) - self._first for k in (self.pooled, self.pooled + 1))
            known = len(self._contexts)
            if total is None and stop > known:
                return
            start = min(start, known - 1)
            rows = self._contexts[start : max(min(stop, known), start + 1)]
            self._known[self.pooled] = torch.stack(rows).mean(0)
            self.pooled += 1
            # The last context stays: it stands on where the sound ends before the picture.
            gone = min(stop, known - 1)
            del self._contexts[:gone]
            self._first += gone
