"""Speech features of a talking face: contexts at every frame, identity and emotion once a recording."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voiceface.models.context_stream import BlockStream

CONTEXTS_PER_SECOND = 100


class SpeechEncoder(nn.Module):
    """Speech features of waves in [-1, 1] at 16 kHz, as Speech2Video (Si et al. 2021) needs them."""

    context_dim: int
    """Size of c_t."""
    identity_dim: int
    """Size of ν."""
    emotion_dim: int
    """Size of μ."""
    map_channels: tuple[int, int, int]
    """Channels of the identity teacher's three maps, the smallest side first."""

    def contexts(self, wave: Tensor, /) -> Tensor:
        """c_t of a whole recording ``(samples,)``: ``(steps, context_dim)``, 100 a second."""
        stream = self.stream(wave)
        parts = [part for part in (stream.feed(wave), stream.close()) if len(part)]
        return torch.cat(parts) if parts else torch.zeros(0, self.context_dim)

    def stream(self, wave: Tensor, /) -> BlockStream:
        """c_t of a recording that arrives in pieces, with the level of ``wave``."""
        raise NotImplementedError

    def identity_and_emotion(self, wave: Tensor, /) -> tuple[Tensor, Tensor]:
        """ν ``(identity_dim,)`` and μ ``(emotion_dim,)`` of a whole recording."""
        raise NotImplementedError

    def teacher_identity(self, pictures: Tensor, /) -> Tensor:
        """ν* of faces ``(n, 3, side, side)`` from 0 to 255 by the identity teacher: ``(n, identity_dim)``."""
        raise NotImplementedError

    def maps(self, pictures: Tensor, /) -> list[Tensor]:
        """The identity teacher's three maps of such faces, the smallest side first."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SpeechFeatures:
    """Speech features of one clip."""

    context: Tensor
    """(frames, n)."""
    identity: Tensor
    emotion: Tensor


def contexts_per_frame(contexts: Tensor, *, fps: float, frames: int, around: int) -> Tensor:
    """c_t at the frame rate: the mean over a frame's duration, joined with those of neighbouring frames.

    Frame k lasts from k / fps to (k + 1) / fps. The mouth moves before it sounds, and c_t does not depend on
    later sound, so ``around`` frames on either side are joined; the first and last frame are repeated at the
    ends.

    Source: the alignment is not stated in Si et al. 2021; this is ours.

    Args:
        contexts: ``(steps, n)``, 100 a second.
        fps: frames a second.
        frames: number of frames.
        around: neighbours on either side.

    Returns:
        ``(frames, (2 * around + 1) * n)``, from the earliest neighbour to the latest.

    >>> contexts_per_frame(torch.arange(8.0)[:, None], fps=25.0, frames=2, around=1)
    tensor([[1.5000, 1.5000, 5.5000],
            [1.5000, 5.5000, 5.5000]])
    """
    edges = [round(k * CONTEXTS_PER_SECOND / fps) for k in range(frames + 1)]
    last = len(contexts) - 1
    pooled = torch.stack(
        [
            contexts[min(start, last) : max(min(stop, last + 1), min(start, last) + 1)].mean(0)
            for start, stop in zip(edges[:-1], edges[1:], strict=True)
        ]
    )
    indices = torch.arange(frames)[:, None] + torch.arange(-around, around + 1)
    return pooled[indices.clamp(0, frames - 1)].flatten(1)


@torch.no_grad()
def extract_speech_features(
    encoder: SpeechEncoder, wave: Tensor, *, fps: float, frames: int, around: int
) -> SpeechFeatures:
    """Features of a whole recording: c_t at every frame, ν and μ once."""
    identity, emotion = encoder.identity_and_emotion(wave)
    context = contexts_per_frame(encoder.contexts(wave), fps=fps, frames=frames, around=around)
    return SpeechFeatures(context=context, identity=identity, emotion=emotion)
