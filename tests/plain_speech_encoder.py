"""A speech encoder of a few numbers, so that talking faces are tested in seconds."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.speech_encoder import SpeechEncoder

CONTEXT, IDENTITY, EMOTION, MAPS = 4, 3, 2, (2, 3, 4)


class PlainSpeechEncoder(SpeechEncoder):
    """Loudness and its past as contexts; mean loudness as identity; averaged colours as maps."""

    context_dim, identity_dim, emotion_dim, map_channels = CONTEXT, IDENTITY, EMOTION, MAPS

    def contexts(self, wave: Tensor) -> Tensor:
        level = F.pad(wave.abs(), (0, -len(wave) % 160)).reshape(-1, 160).mean(1)
        before = F.pad(level, (1, 0))[:-1]
        return torch.stack([level, before, level - before, torch.ones_like(level)], 1)

    def identity_and_emotion(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        level = wave.abs().mean()
        return torch.stack([level, wave.std(), level * 0 + 1]), torch.stack([level, -level])

    def teacher_identity(self, pictures: Tensor) -> Tensor:
        return pictures.mean((2, 3)) / 255

    def maps(self, pictures: Tensor) -> list[Tensor]:
        grey = pictures.mean(1, keepdim=True) / 255
        side = pictures.shape[-1]
        return [
            F.adaptive_avg_pool2d(grey, side // divisor).repeat(1, channels, 1, 1)
            for divisor, channels in zip((8, 4, 2), MAPS, strict=True)
        ]
