"""What a head does while it speaks, whatever it says: blinks and a slow sway."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from voiceface.models.block_talking_face import FPS

_BLINK_EVERY, _BLINK_SECONDS = 4.0, 0.28


class IdleMotion:
    """Blinks and a slow head motion, each a function of the frame's index and the seed.

    Args:
        seed: random seed.
        strength: scale of both; 0 for a head that keeps still and never blinks.
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
        at = frames / FPS
        spans = np.floor(at / _BLINK_EVERY).astype(int)
        closed = np.zeros(len(frames))
        for span in np.unique(spans).tolist():
            random = np.random.default_rng([self.seed, 0xB11, span])
            begin = span * _BLINK_EVERY + random.uniform(0.2, _BLINK_EVERY - _BLINK_SECONDS - 0.2)
            phase = (at - begin) / _BLINK_SECONDS
            closed = np.maximum(closed, np.clip(1.6 * np.sin(math.pi * np.clip(phase, 0, 1)), 0, 1))
        scaled: npt.NDArray[np.float64] = min(1.0, self.strength) * closed
        return scaled
