"""Talking clips as training data of still-face animation: lower halves of faces, and speech features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.corpus.splits import Selection
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.models.augment_clips import augment_clip
from voiceface.models.block_talking_face import HOP, PAD
from voiceface.models.step_seed import torch_generator
from voiceface.models.still_face import MIN_LEVEL, StillFaceModel
from voiceface.models.still_face_talking import TEMPLATE, lower_half
from voiceface.models.sync_expert import embed_mouths
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.sync_towers import FRAMES

_FPS = 25.0


class AnimationClip:
    """One clip of t frames.

    ``frames (t, 3, side, side)`` uint8, ``speech (t, n)``, ``loudness (t,)`` and ``sounds (t - 4, dim)``.
    """

    def __init__(self, person: str, frames: Tensor, wave: Tensor, model: StillFaceModel) -> None:
        self.person, count = person, len(frames)
        wave = F.pad(wave[: count * HOP], (0, max(0, count * HOP - len(wave))))
        level = wave.square().mean().sqrt().clamp_min(MIN_LEVEL)
        self.frames = frames
        self.speech, self.loudness = model.speech_features(F.pad(wave / level, (PAD * HOP, PAD * HOP)))
        mouths = torch.zeros(count, model.expert.mouth.size, model.expert.mouth.size)
        self.sounds = torch.from_numpy(embed_mouths(model.expert, mouths.numpy(), wave.numpy())[1])


def animation_clips(
    selection: Selection, model: StillFaceModel, *, least: int, limit: int = 0
) -> list[AnimationClip]:
    """The selection's clips with sound and at least ``least`` frames; at most ``limit``, evenly spaced.

    Raises:
        InputError: the corpus holds clips of another frame rate than 25.
    """
    corpus, rows = selection.corpus, selection.clips
    if limit and len(rows) > limit:
        rows = rows[:: len(rows) // limit][:limit]
    (top, left), clips = lower_half(model.face_size), []
    for row in rows.tolist():
        fps, wave = corpus.clips[row].fps, as_wave(corpus.clip_wave(row))
        if abs(fps - _FPS) > 1e-3:
            fault = f"holds clips of {fps:g} frames a second"
            raise InputError(corpus.path, fault, "prepare with --clip-fps 25")
        frames = clip_frames(corpus, row, size=model.face_size, template=TEMPLATE)[:, top, left]
        if len(frames) >= max(least, FRAMES) and bool(wave.any()):
            pictures = torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).contiguous()
            clips.append(AnimationClip(corpus.clips[row].person, pictures, wave, model))
    return clips


class LowerFaceClips:
    """Segments of consecutive frames with a still of the same clip; a batch is a function of the step.

    Args:
        selection: holds the clips.
        model: computes the speech features.
        clips: segments a step.
        moments: frames of each.
        augment: strength of the augmentation, equal for a still and its frames; 0 for none.
        even: share of the segments sampled by person rather than by clip.
        wrong_sound: every clip gets the sound of another clip: a control.
        seed: random seed.

    Raises:
        InputError: fewer than two clips with sound and enough frames.
    """

    def __init__(
        self,
        selection: Selection,
        model: StillFaceModel,
        *,
        clips: int,
        moments: int,
        augment: float,
        even: float = 0.5,
        wrong_sound: bool = False,
        seed: int = 0,
    ) -> None:
        self.segments, self.moments, self.augment, self.even, self.seed = clips, moments, augment, even, seed
        self.clips = animation_clips(selection, model, least=moments)
        if len(self.clips) < 2:
            fault = f"holds {len(self.clips)} clips of at least {moments} frames with sound to learn from"
            raise InputError(selection.corpus.path, fault, "prepare more clips, or lower --moments")
        people = sorted({clip.person for clip in self.clips})
        self.of_person = [[k for k, clip in enumerate(self.clips) if clip.person == one] for one in people]
        self.sound_of = [(k + wrong_sound) % len(self.clips) for k in range(len(self.clips))]

    def batch(self, step: int) -> dict[str, Tensor]:
        """The input of `voiceface.models.still_face.StillFaceModel`."""
        random = torch_generator(self.seed, step)
        names = ("stills", "frames", "speech", "loudness", "sounds")
        rows: dict[str, list[Tensor]] = {name: [] for name in names}
        for _ in range(self.segments):
            index = self._sample_clip(random)
            clip, sound = self.clips[index], self.clips[self.sound_of[index]]
            count = min(len(clip.frames), len(sound.speech))
            first = _below(count - self.moments + 1, random)
            still = _below(len(clip.frames), random)
            part = slice(first, first + self.moments)
            pictures = torch.cat([clip.frames[still : still + 1], clip.frames[part]])
            pictures = augment_clip(pictures, self.augment, random)
            rows["stills"].append(pictures[0])
            rows["frames"].append(pictures[1:])
            rows["speech"].append(sound.speech[part])
            rows["loudness"].append(sound.loudness[part])
            rows["sounds"].append(sound.sounds[first : first + max(0, self.moments - FRAMES + 1)])
        return {name: torch.stack(values) for name, values in rows.items()}

    def _sample_clip(self, random: torch.Generator) -> int:
        if float(torch.rand(1, generator=random)) < self.even:
            own = self.of_person[_below(len(self.of_person), random)]
            return own[_below(len(own), random)]
        return _below(len(self.clips), random)


def _below(count: int, random: torch.Generator) -> int:
    return int(torch.randint(count, (1,), generator=random))
