"""What a head does while it speaks, whatever it says: blinks, raised brows and a slow sway."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from voiceface.models.block_talking_face import FPS

_BLINK_EVERY, _BLINK_SECONDS = 4.0, 0.28
_RAISE_EVERY, _RAISE_SECONDS = 3.0, 1.1


class IdleMotion:
    """Blinks, raised brows and a slow head motion, each a function of the frame's index and the seed.

    Args:
        seed: random seed.
        strength: scale of all; 0 for a head that keeps still and never blinks.
    """

    def __init__(self, *, seed: int, strength: float = 1.0) -> None:
        random = np.random.default_rng([seed & 0xFFFFFFFF, 0x1D1E])
        self.strength, self.seed = strength, seed & 0xFFFFFFFF
        self._rates = random.uniform(0.08, 0.45, (3, 3))
        self._phases = random.uniform(0, 2 * math.pi, (3, 3))

    def sway(self, frames: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Shifts right and down, in shares of the picture's side, and rotation in radians: ``(n, 3)``."""
        at = frames[:, None, None] / FPS
        waves = np.sin(2 * math.pi * self._rates * at + self._phases).mean(axis=2)
        motion: npt.NDArray[np.float64] = self.strength * waves * np.array([0.012, 0.008, 0.02])
        return motion

    def lids(self, frames: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """How far the eyelids are closed, ``(n,)`` from 0 to 1: one blink in every four seconds."""
        closed = 1.6 * self._events(frames, 0xB11, _BLINK_EVERY, _BLINK_SECONDS)
        scaled: npt.NDArray[np.float64] = min(1.0, self.strength) * np.clip(closed, 0, 1)
        return scaled

    def brows(self, frames: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """How far the brows are raised, ``(n,)`` from 0 to 1: once in every three seconds, more or less."""
        raised: npt.NDArray[np.float64] = self.strength * self._events(
            frames, 0xB20, _RAISE_EVERY, _RAISE_SECONDS, least=0.0
        )
        return raised

    def _events(
        self, frames: npt.NDArray[np.int64], kind: int, every: float, seconds: float, *, least: float = 1.0
    ) -> npt.NDArray[np.float64]:
        """One half wave of a sine in every so many seconds, of random heights from ``least`` to 1."""
        at = frames / FPS
        spans = np.floor(at / every).astype(int)
        risen = np.zeros(len(frames))
        for span in np.unique(spans).tolist():
            random = np.random.default_rng([self.seed, kind, span])
            begin = span * every + random.uniform(0.2, every - seconds - 0.2)
            height = random.uniform(least, 1.0)
            phase = np.clip((at - begin) / seconds, 0, 1)
            risen = np.maximum(risen, height * np.sin(math.pi * phase))
        return risen
