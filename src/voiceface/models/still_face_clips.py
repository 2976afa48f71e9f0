"""Talking clips to learn animation from: the lower halves of faces, and what is heard around each frame."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.corpus.splits import Selection
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.models.still_face import HOP, MIN_LEVEL, PAD, TEMPLATE, StillFaceModel, lower_half
from voiceface.models.sync_expert import embed_mouths
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.sync_towers import FRAMES

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = ["AnimationClip", "LowerFaceClips", "animation_clips"]

_FPS = 25.0


class AnimationClip:
    """A clip: frames ``(t, 3, side, side)`` uint8, ``heard (t, n)``, ``loud (t,)``, ``sounds (t - 4, n)``."""

    def __init__(self, person: str, frames: Tensor, wave: Tensor, model: StillFaceModel) -> None:
        self.person, count = person, len(frames)
        wave = F.pad(wave[: count * HOP], (0, max(0, count * HOP - len(wave))))
        level = wave.square().mean().sqrt().clamp_min(MIN_LEVEL)
        self.frames = frames
        self.heard, self.loud = model.listen(F.pad(wave / level, (PAD * HOP, PAD * HOP)))
        mouths = torch.zeros(count, model.expert.mouth.size, model.expert.mouth.size)
        self.sounds = torch.from_numpy(embed_mouths(model.expert, mouths.numpy(), wave.numpy())[1])


def animation_clips(
    selection: Selection, model: StillFaceModel, *, least: int, limit: int = 0
) -> list[AnimationClip]:
    """The selection's clips with sound and ``least`` frames; of more than ``limit`` so many, spread out.

    Raises:
        InputError: the corpus keeps its clips at another rate than 25 frames a second.
    """
    corpus: Corpus = selection.corpus
    rows = selection.clips
    if limit and len(rows) > limit:
        rows = rows[:: len(rows) // limit][:limit]
    part, found = lower_half(model.size), []
    for row in rows.tolist():
        fps, wave = corpus.clips[row].fps, as_wave(corpus.clip_wave(row))
        if abs(fps - _FPS) > 1e-3:
            fault = f"keeps clips at {fps:g} frames a second"
            raise InputError(corpus.path, fault, "prepare with --clip-fps 25")
        frames = clip_frames(corpus, row, size=model.size, template=TEMPLATE)[:, part[0], part[1]]
        if len(frames) >= max(least, FRAMES) and bool(wave.any()):
            pictures = torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).contiguous()
            found.append(AnimationClip(corpus.clips[row].person, pictures, wave, model))
    return found


class LowerFaceClips:
    """Stretches of consecutive frames with a still out of the same clip; a batch is a function of the step.

    Args:
        selection: whose clips.
        model: listens.
        clips: stretches a step; people of few clips come as often as those of many, up to ``even``.
        moments: frames of each.
        altered: how far colours and places are changed, alike for a still and its frames.
        even: share of the stretches drawn by person rather than by clip.
        wrong_sound: every clip is heard with another's sound, a control.
        seed: of every draw.

    Raises:
        InputError: fewer than two clips with sound and so many frames.
    """

    def __init__(
        self,
        selection: Selection,
        model: StillFaceModel,
        *,
        clips: int,
        moments: int,
        altered: float,
        even: float = 0.5,
        wrong_sound: bool = False,
        seed: int = 0,
    ) -> None:
        self.clips, self.moments, self.altered, self.even, self.seed = clips, moments, altered, even, seed
        self.stock = animation_clips(selection, model, least=moments)
        if len(self.stock) < 2:
            fault = f"holds {len(self.stock)} clips of {moments} frames and sound to learn from"
            raise InputError(selection.corpus.path, fault, "prepare more clips, or lower --moments")
        people = sorted({clip.person for clip in self.stock})
        self.of = [[k for k, clip in enumerate(self.stock) if clip.person == one] for one in people]
        self.sound_of = [(k + wrong_sound) % len(self.stock) for k in range(len(self.stock))]

    def batch(self, step: int) -> dict[str, Tensor]:
        """What `voiceface.models.still_face.StillFaceModel` reads."""
        random = torch.Generator().manual_seed(_seed(self.seed, step))
        rows: dict[str, list[Tensor]] = {"stills": [], "frames": [], "heard": [], "loud": [], "sounds": []}
        for _ in range(self.clips):
            clip = self._clip(random)
            seen, sound = self.stock[clip], self.stock[self.sound_of[clip]]
            count = min(len(seen.frames), len(sound.heard))
            first = _below(count - self.moments + 1, random)
            still = _below(len(seen.frames), random)
            part = slice(first, first + self.moments)
            pictures = torch.cat([seen.frames[still : still + 1], seen.frames[part]])
            pictures = _altered(pictures, self.altered, random)
            rows["stills"].append(pictures[0])
            rows["frames"].append(pictures[1:])
            rows["heard"].append(sound.heard[part])
            rows["loud"].append(sound.loud[part])
            rows["sounds"].append(sound.sounds[first : first + max(0, self.moments - FRAMES + 1)])
        return {name: torch.stack(values) for name, values in rows.items()}

    def _clip(self, random: torch.Generator) -> int:
        if float(torch.rand(1, generator=random)) < self.even:
            some = self.of[_below(len(self.of), random)]
            return some[_below(len(some), random)]
        return _below(len(self.stock), random)


def _altered(pictures: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Mirror, move, tint and expose pictures ``(n, 3, side, side)`` uint8, all alike."""

    def drawn(spread: float, count: int = 1) -> Tensor:
        return strength * spread * (2 * torch.rand(count, generator=random) - 1)

    mirror = -1.0 if float(torch.rand(1, generator=random)) < 0.5 * min(1.0, strength) else 1.0
    size, angle, shift = float(torch.exp(drawn(0.06))), float(drawn(0.05)), drawn(0.04, 2)
    matrix = torch.tensor(
        [[mirror * size, -angle, float(shift[0])], [mirror * angle, size, float(shift[1])]]
    ).expand(len(pictures), 2, 3)
    grid = F.affine_grid(matrix, list(pictures.shape), align_corners=False)
    values = F.grid_sample(pictures.float() / 255, grid, padding_mode="reflection", align_corners=False)
    values = values.clamp(0, 1) ** torch.exp(drawn(0.45))
    grey = values.mean(1, keepdim=True)
    values = grey + (values - grey) * (1 + drawn(0.5)[:, None, None])
    values = values * torch.exp(drawn(0.2, 3))[:, None, None] + drawn(0.06)[:, None, None]
    return (255 * values.clamp(0, 1)).round().to(torch.uint8)


def _below(count: int, random: torch.Generator) -> int:
    return int(torch.randint(count, (1,), generator=random))


def _seed(seed: int, step: int) -> int:
    digest = hashlib.blake2b(f"{seed}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
