"""Several voice encoders as one: ``campplus+student``, their rows side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import numpy.typing as npt
import torch

from voiceface.models.voice_encoder import VoiceEncoder, Waves


class StackedVoices(VoiceEncoder):
    """The embeddings of several encoders, each of length 1, side by side over the root of their number.

    The fingerprint is one of all of theirs in this order: a matcher refuses another stack, and another
    version of one encoder in it. Autocast to bf16 reaches those that gain by it.

    Args:
        parts: the encoders, two or more.
    """

    def __init__(self, parts: Sequence[VoiceEncoder]) -> None:
        self.parts = tuple(parts)
        self.gains_by_bf16 = any(part.gains_by_bf16 for part in self.parts)
        self.name = "+".join(part.name for part in self.parts)
        self.dim = sum(part.dim for part in self.parts)
        prints = "+".join(part.fingerprint for part in self.parts)
        self.fingerprint = hashlib.sha256(prints.encode()).hexdigest()

    def embed(self, waves: Waves) -> npt.NDArray[np.float32]:
        """As `VoiceEncoder.embed`."""
        rows = np.concatenate([_embed(part, waves) for part in self.parts], axis=1)
        return (rows / np.float32(len(self.parts) ** 0.5)).astype(np.float32)


def _embed(part: VoiceEncoder, waves: Waves) -> npt.NDArray[np.float32]:
    on_cpu = torch.is_autocast_enabled("cpu")
    with torch.autocast("cpu", enabled=False) if on_cpu and not part.gains_by_bf16 else nullcontext():
        return part.embed(waves)
