"""Talking clips to learn drawing from: what is heard at every frame, the frames, and who speaks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from voiceface.audio.sync_features import HOPS, sync_mel
from voiceface.corpus.splits import Selection
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.models.speech2video import pooled_maps
from voiceface.models.voice_encoder import as_wave

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = [
    "STEPS",
    "ClipSampling",
    "SpeechEncoder",
    "SpeechFeatures",
    "TalkingClips",
    "clip_rate",
    "contexts_per_frame",
    "listen",
]

STEPS = 100
"""Moments of speech a second that are heard: c_t stands every 10 ms."""
TEMPLATE = "dlib"
_STILLS = 8
"""Pictures of a person whose maps are kept."""


class SpeechEncoder(Protocol):
    """What hears: contexts of every moment, and who speaks how, of waves in [-1, 1] at 16 kHz."""

    def contexts(self, wave: Tensor, /) -> Tensor:
        """c_t of a recording ``(samples,)``: ``(steps, n)``, 100 a second."""
        ...

    def speaker(self, wave: Tensor, /) -> tuple[Tensor, Tensor]:
        """ν ``(n,)`` and μ ``(n,)`` of a recording, by the students."""
        ...

    def taught(self, pictures: Tensor, /) -> Tensor:
        """ν* of faces ``(n, 3, side, side)`` from 0 to 255, by the teacher: ``(n, identity)``."""
        ...

    def maps(self, pictures: Tensor, /) -> list[Tensor]:
        """A recogniser's three maps of such faces, the smallest side first."""
        ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SpeechFeatures:
    """What is heard of one clip."""

    context: Tensor
    """(frames, n)."""
    identity: Tensor
    emotion: Tensor


def contexts_per_frame(contexts: Tensor, *, fps: float, frames: int, around: int) -> Tensor:
    """c_t at the frames' rate: the mean over the moments a frame stands, beside those of its neighbours.

    Frame k stands from k / fps to (k + 1) / fps. The mouth shapes itself before it sounds, and c_t knows
    nothing of what follows: so ``around`` frames on either side are joined to it, the first and last frame
    repeated beyond the ends.

    Source: the alignment is not stated in Si et al. 2021; this is ours.

    Args:
        contexts: ``(steps, n)``, 100 a second.
        fps: frames a second.
        frames: how many.
        around: neighbours on either side.

    Returns:
        ``(frames, (2 * around + 1) * n)``, from the earliest neighbour to the latest.

    >>> contexts_per_frame(torch.arange(8.0)[:, None], fps=25.0, frames=2, around=1)
    tensor([[1.5000, 1.5000, 5.5000],
            [1.5000, 5.5000, 5.5000]])
    """
    edges = [round(k * STEPS / fps) for k in range(frames + 1)]
    last = len(contexts) - 1
    pooled = torch.stack(
        [
            contexts[min(start, last) : max(min(stop, last + 1), min(start, last) + 1)].mean(0)
            for start, stop in zip(edges[:-1], edges[1:], strict=True)
        ]
    )
    places = torch.arange(frames)[:, None] + torch.arange(-around, around + 1)
    return pooled[places.clamp(0, frames - 1)].flatten(1)


@torch.no_grad()
def listen(listener: SpeechEncoder, wave: Tensor, *, fps: float, frames: int, around: int) -> SpeechFeatures:
    """Hear a whole recording: c_t at every frame, ν and μ once."""
    identity, emotion = listener.speaker(wave)
    context = contexts_per_frame(listener.contexts(wave), fps=fps, frames=frames, around=around)
    return SpeechFeatures(context=context, identity=identity, emotion=emotion)


def clip_rate(selection: Selection) -> float:
    """The clips' one frame rate.

    Raises:
        InputError: no clips, or several rates.
    """
    corpus = selection.corpus
    rates = np.unique(corpus.column("clips", "fps")[selection.clips].astype(float).round(3))
    if not len(rates):
        raise InputError(corpus.path, "holds no talking clips", "prepare some (--clips, or videos)")
    if len(rates) > 1:
        told = ", ".join(f"{rate:g}" for rate in rates)
        raise InputError(corpus.path, f"keeps clips at {told} frames a second", "prepare with --clip-fps 25")
    return float(rates[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSampling:
    """What a step is made of."""

    clips: int = 8
    """Clips a step."""
    moments: int = 4
    """Frames of each, in their order."""
    consecutive: bool = False
    """One stretch of frames instead of frames drawn anywhere, with the sync expert's mels."""
    forcing: float = 0.0
    """Share of the clips whose ν is the teacher's, of the clip's first frame."""
    wrong_sound: bool = False
    """Every clip is heard with the sound of another person's, a control."""
    seed: int = 0
    """Of every draw."""


class TalkingClips:
    """Clips of a selection, heard once when the training starts; a batch is a pure function of the step.

    Args:
        selection: whose clips.
        listener: hears them.
        size: side of the frames.
        around: neighbours joined to every frame's c_t.
        dealing: what a step is made of.

    Raises:
        InputError: too few clips with sound and so many frames.
    """

    def __init__(
        self,
        selection: Selection,
        listener: SpeechEncoder,
        *,
        size: int,
        around: int,
        dealing: ClipSampling,
    ) -> None:
        corpus, fps = selection.corpus, clip_rate(selection)
        self.dealing, moments = dealing, dealing.moments
        self.frames: list[Tensor] = []
        self.spoken: list[SpeechFeatures] = []
        self.taught: list[Tensor] = []
        self.mels: list[Tensor] = []
        kept = [row for row in selection.clips.tolist() if _usable(corpus, row, moments)]
        if len(kept) < 2:
            fault = f"holds {len(kept)} clips of {moments} frames and sound to learn from"
            raise InputError(corpus.path, fault, "prepare more clips, or lower --moments")
        owners = corpus.column("clips", "person").astype(str)
        self.people = [owners[row] for row in kept]
        sounds = _others(kept, self.people) if dealing.wrong_sound else kept
        for row, sound in zip(kept, sounds, strict=True):
            frames = torch.from_numpy(clip_frames(corpus, row, size=size, template=TEMPLATE))
            wave = as_wave(corpus.clip_wave(sound))
            self.frames.append(frames)
            self.spoken.append(listen(listener, wave, fps=fps, frames=len(frames), around=around))
            if dealing.consecutive:
                self.mels.append(sync_mel(wave, frames=len(frames)))
            if dealing.forcing:
                self.taught.append(listener.taught(frames[:1].permute(0, 3, 1, 2).float())[0])
        self.maps = {person: self._maps(person, listener, size) for person in sorted(set(self.people))}

    def batch(self, step: int) -> dict[str, Any]:
        """What `voiceface.models.speech2video.Speech2Video` reads.

        Maps are of pictures of the same people, out of any of their clips.
        """
        dealing = self.dealing
        random = torch.Generator().manual_seed(_seed(dealing.seed, step))
        count = len(self.frames)
        order = torch.randperm(count, generator=random)
        picked = order.repeat(-(-dealing.clips // count))[: dealing.clips].tolist()
        rows: dict[str, list[Tensor]] = {}
        maps: tuple[list[Tensor], ...] = ([], [], [])

        def add(**told: Tensor) -> None:
            for name, value in told.items():
                rows.setdefault(name, []).append(value)

        for clip in picked:
            frames, spoken = self.frames[clip], self.spoken[clip]
            at = self._moments(len(frames), random)
            mine = self.maps[self.people[clip]]
            still = int(torch.randint(len(mine[0]), (1,), generator=random))
            for level, known in zip(maps, mine, strict=True):
                level.append(known[still])
            forced = bool(torch.rand(1, generator=random) < dealing.forcing)
            add(
                context=spoken.context[at],
                emotion=spoken.emotion,
                identity=self.taught[clip] if forced else spoken.identity,
                frames=frames[at],
            )
            if dealing.consecutive:
                first = int(at[0])
                add(mels=self.mels[clip][HOPS * first : HOPS * (first + dealing.moments)])
        stacked: dict[str, Any] = {name: torch.stack(values) for name, values in rows.items()}
        return stacked | {"maps": [torch.stack(level) for level in maps]}

    def _maps(self, person: str, listener: SpeechEncoder, size: int) -> list[Tensor]:
        """The recogniser's maps of up to `_STILLS` pictures of a person, the middle frames of their clips."""
        mine = [k for k, owner in enumerate(self.people) if owner == person][:_STILLS]
        pictures = torch.stack([self.frames[k][len(self.frames[k]) // 2] for k in mine])
        with torch.no_grad():
            maps = listener.maps(pictures.permute(0, 3, 1, 2).float())
        return [known.half() for known in pooled_maps(maps, size)]

    def _moments(self, frames: int, random: torch.Generator) -> Tensor:
        moments = self.dealing.moments
        if not self.dealing.consecutive:
            return torch.randperm(frames, generator=random)[:moments].sort().values
        first = int(torch.randint(frames - moments + 1, (1,), generator=random))
        return torch.arange(first, first + moments)


def _usable(corpus: Corpus, row: int, moments: int) -> bool:
    clip = corpus.clips[row]
    return round(clip.seconds * clip.fps) >= moments and bool(corpus.clip_wave(row).any())


def _others(rows: Sequence[int], people: Sequence[str]) -> list[int]:
    """For every clip another person's, going round; its own where there is only one person."""
    count = len(rows)
    return [
        next(
            (rows[(k + s) % count] for s in range(1, count) if people[(k + s) % count] != people[k]), rows[k]
        )
        for k in range(count)
    ]


def _seed(seed: int, step: int) -> int:
    digest = hashlib.blake2b(f"{seed}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
