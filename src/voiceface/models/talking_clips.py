"""Talking clips as training data of Speech2Video: frames, speech features at every frame, identity maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from voiceface.audio.sync_features import HOPS, sync_mel
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import Selection
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.models.speech2video import TEMPLATE, pooled_maps
from voiceface.models.speech_encoder import SpeechEncoder, SpeechFeatures, extract_speech_features
from voiceface.models.step_seed import torch_generator
from voiceface.models.voice_encoder import as_wave

_STILLS = 8
"""Pictures of a person whose maps are kept."""


def clip_rate(selection: Selection) -> float:
    """The frame rate that all clips share.

    Raises:
        InputError: no clips, or several frame rates.
    """
    corpus = selection.corpus
    rates = np.unique(corpus.column("clips", "fps")[selection.clips].astype(float).round(3))
    if not len(rates):
        raise InputError(corpus.path, "holds no talking clips", "prepare some (--clips, or videos)")
    if len(rates) > 1:
        shown = ", ".join(f"{rate:g}" for rate in rates)
        fault = f"holds clips of several frame rates ({shown})"
        raise InputError(corpus.path, fault, "prepare with --clip-fps 25")
    return float(rates[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSampling:
    """How a batch is sampled."""

    clips: int = 8
    """Clips a step."""
    moments: int = 4
    """Frames of each, in order of time."""
    consecutive: bool = False
    """Consecutive frames, with the log-mels that a sync expert needs, instead of random ones."""
    forcing: float = 0.0
    """Share of the clips whose ν is the teacher's for the clip's first frame."""
    wrong_sound: bool = False
    """Every clip gets the sound of another person's clip: a control."""
    seed: int = 0


class TalkingClips:
    """Frames of clips with their speech features, computed once; a batch is a function of the step.

    Args:
        selection: holds the clips.
        encoder: computes the speech features.
        size: side of the frames in pixels.
        around: neighbours joined to every frame's c_t.
        sampling: how a batch is sampled.

    Raises:
        InputError: fewer than two clips with sound and enough frames.
    """

    def __init__(
        self,
        selection: Selection,
        encoder: SpeechEncoder,
        *,
        size: int,
        around: int,
        sampling: ClipSampling,
    ) -> None:
        corpus, fps = selection.corpus, clip_rate(selection)
        self.sampling, moments = sampling, sampling.moments
        self.frames: list[Tensor] = []
        self.features: list[SpeechFeatures] = []
        self.teacher_identities: list[Tensor] = []
        self.mels: list[Tensor] = []
        kept = [row for row in selection.clips.tolist() if _usable(corpus, row, moments)]
        if len(kept) < 2:
            fault = f"holds {len(kept)} clips of at least {moments} frames with sound to learn from"
            raise InputError(corpus.path, fault, "prepare more clips, or lower --moments")
        self.people = corpus.person_of("clips")[kept].tolist()
        sounds = _other_people(kept, self.people) if sampling.wrong_sound else kept
        for row, sound in zip(kept, sounds, strict=True):
            frames = torch.from_numpy(clip_frames(corpus, row, size=size, template=TEMPLATE))
            wave = as_wave(corpus.clip_wave(sound))
            count = len(frames)
            self.frames.append(frames)
            self.features.append(extract_speech_features(encoder, wave, fps=fps, frames=count, around=around))
            if sampling.consecutive:
                self.mels.append(sync_mel(wave, frames=count))
            if sampling.forcing:
                faces = frames[:1].permute(0, 3, 1, 2).float()
                self.teacher_identities.append(encoder.teacher_identity(faces)[0])
        self.maps = {person: self._maps(person, encoder, size) for person in sorted(set(self.people))}

    def batch(self, step: int) -> dict[str, Any]:
        """The input of `voiceface.models.speech2video.Speech2Video`.

        Maps are those of pictures of the same people, out of any of their clips.
        """
        sampling, random = self.sampling, torch_generator(self.sampling.seed, step)
        count = len(self.frames)
        order = torch.randperm(count, generator=random)
        sampled = order.repeat(-(-sampling.clips // count))[: sampling.clips].tolist()
        rows: dict[str, list[Tensor]] = {}
        maps: tuple[list[Tensor], ...] = ([], [], [])
        for clip in sampled:
            frames, features = self.frames[clip], self.features[clip]
            at = self._moments(len(frames), random)
            own = self.maps[self.people[clip]]
            still = int(torch.randint(len(own[0]), (1,), generator=random))
            for level, values in zip(maps, own, strict=True):
                level.append(values[still])
            forced = bool(torch.rand(1, generator=random) < sampling.forcing)
            row = {
                "context": features.context[at],
                "emotion": features.emotion,
                "identity": self.teacher_identities[clip] if forced else features.identity,
                "frames": frames[at],
            }
            if sampling.consecutive:
                first = int(at[0])
                row["mels"] = self.mels[clip][HOPS * first : HOPS * (first + sampling.moments)]
            for name, value in row.items():
                rows.setdefault(name, []).append(value)
        stacked: dict[str, Any] = {name: torch.stack(values) for name, values in rows.items()}
        return stacked | {"maps": [torch.stack(level) for level in maps]}

    @torch.no_grad()
    def _maps(self, person: str, encoder: SpeechEncoder, size: int) -> list[Tensor]:
        """The identity teacher's maps of the middle frames of up to `_STILLS` of a person's clips."""
        own = [k for k, owner in enumerate(self.people) if owner == person][:_STILLS]
        pictures = torch.stack([self.frames[k][len(self.frames[k]) // 2] for k in own])
        maps = encoder.maps(pictures.permute(0, 3, 1, 2).float())
        return [level.half() for level in pooled_maps(maps, size)]

    def _moments(self, frames: int, random: torch.Generator) -> Tensor:
        moments = self.sampling.moments
        if not self.sampling.consecutive:
            return torch.randperm(frames, generator=random)[:moments].sort().values
        first = int(torch.randint(frames - moments + 1, (1,), generator=random))
        return torch.arange(first, first + moments)


def _usable(corpus: Corpus, row: int, moments: int) -> bool:
    clip = corpus.clips[row]
    return round(clip.seconds * clip.fps) >= moments and bool(corpus.clip_wave(row).any())


def _other_people(rows: Sequence[int], people: Sequence[str]) -> list[int]:
    """For every clip the next one of another person; its own where there is only one person."""
    count = len(rows)
    return [
        next(
            (rows[(k + s) % count] for s in range(1, count) if people[(k + s) % count] != people[k]), rows[k]
        )
        for k in range(count)
    ]
