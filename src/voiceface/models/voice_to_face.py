"""A face from a voice's embedding and no noise, by a variational network or by a generator with a judge.

Source: Agarwal et al. 2019, sections III-C and IV-B. A batch holds ``voices (n, dim)``, embeddings as the
encoder gives them, and ``faces (n, 64, 64, 3)`` uint8, each voice's own target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor

from voiceface.models.model import Batch, Model, Shared, Turn
from voiceface.nn.face.agarwal import (
    EmbeddingDiscriminator,
    EmbeddingEncoder,
    EmbeddingGenerator,
    LatentDecoder,
)
from voiceface.nn.loss.adversarial import cross_entropy_discriminator, cross_entropy_generator
from voiceface.nn.loss.variational import gaussian_error, kl_to_standard_normal
from voiceface.nn.voice.patch_voice import PatchVoice

__all__ = ["VoiceToFace", "VoiceToFaceGan", "VoiceToFaceVae", "Variant", "make"]

Variant = Literal["vae", "cgan", "rcgan"]
"""Variational; a generator with a judge; that with the distance of pixels added to its loss."""


class VoiceToFace(Model):
    """What both kinds share: hearing, by a frozen network that is saved with the rest.

    Args:
        voice_dim: numbers of an embedding.
        listens: embeddings come from a `PatchVoice` of its own; False: from an encoder that is no part of it.
    """

    def __init__(self, *, voice_dim: int, listens: bool = False) -> None:
        super().__init__()
        # Without its last layer, which named the people it was trained on.
        self.listener = PatchVoice(classes=0, dim=voice_dim) if listens else None
        self.register_buffer("voice_mean", torch.zeros(voice_dim))
        self.register_buffer("voice_deviation", torch.ones(voice_dim))

    def standardised(self, voices: Tensor) -> Tensor:
        """Embeddings (n, voice_dim) as the networks take them."""
        return (voices - self.get_buffer("voice_mean")) / self.get_buffer("voice_deviation")

    def draw(self, voices: Tensor, noises: Tensor) -> Tensor:
        """Faces (n, 3, 64, 64) in [0, 1] of embeddings (n, voice_dim); noises (n, `latent`)."""
        raise NotImplementedError

    @property
    def latent(self) -> int:
        """Numbers of noise a face is drawn with; 0: none."""
        return 0


class VoiceToFaceVae(VoiceToFace):
    """Encodes the *voice* into a latent and decodes a face from it.

    Args:
        voice_dim: numbers of an embedding.
        listens: as in `VoiceToFace`.
        kl_weight: times the divergence of the latent is added to the error of the pixels.
    """

    def __init__(self, *, voice_dim: int, listens: bool = False, kl_weight: float = 1.0) -> None:
        super().__init__(voice_dim=voice_dim, listens=listens)
        self.encoder = EmbeddingEncoder(voice_dim=voice_dim)
        self.decoder = LatentDecoder()
        self.kl_weight = kl_weight

    def turns(self) -> Sequence[Turn]:
        """One turn: draw what the voice's person looks like."""
        return [Turn("draw", [*self.encoder.parameters(), *self.decoder.parameters()], self.bound)]

    def bound(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """The negative variational bound (equation 2), averaged over the batch."""
        mean, log_variance = self.encoder(self.standardised(batch["voices"]))
        latents = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        wanted = _unit(batch["faces"])
        drawn = self.decoder(latents).float()
        error = gaussian_error(drawn, wanted).mean()
        divergence = kl_to_standard_normal(mean.float(), log_variance.float()).mean()
        l1 = (drawn.detach() - wanted).abs().mean()
        return {"loss": error + self.kl_weight * divergence, "error": error, "kl": divergence, "l1": l1}

    def draw(self, voices: Tensor, noises: Tensor) -> Tensor:
        """As `VoiceToFace.draw`; the noise picks the latent out of the voice's distribution."""
        mean, log_variance = self.encoder(self.standardised(voices))
        faces: Tensor = self.decoder(mean + noises * (0.5 * log_variance).exp())
        return faces

    @property
    def latent(self) -> int:
        """As `VoiceToFace.latent`."""
        return self.encoder.mean.out_features


class VoiceToFaceGan(VoiceToFace):
    """Draws faces that a judge, who hears the voice too, takes for real ones of that voice.

    Args:
        voice_dim: numbers of an embedding.
        listens: as in `VoiceToFace`.
        l1_weight: times the mean absolute distance to the target is added to the generator's loss.
        width: as in `EmbeddingGenerator` and `EmbeddingDiscriminator`.
    """

    def __init__(
        self, *, voice_dim: int, listens: bool = False, l1_weight: float = 0.0, width: int = 32
    ) -> None:
        super().__init__(voice_dim=voice_dim, listens=listens)
        self.generator = EmbeddingGenerator(voice_dim=voice_dim, width=width)
        self.judge = EmbeddingDiscriminator(voice_dim=voice_dim, width=width)
        self.l1_weight = l1_weight
        # A sixth less time a step on a CPU.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def turns(self) -> Sequence[Turn]:
        """The judge's, then the generator's."""
        return [
            Turn("judge", list(self.judge.parameters()), self.tell_apart),
            Turn("draw", list(self.generator.parameters()), self.convince),
        ]

    def shared(self, batch: Batch) -> dict[str, Tensor]:
        """The voices, their targets and the drawn faces, made once for both turns."""
        voices = self.standardised(batch["voices"])
        return {"voices": voices, "real": _unit(batch["faces"]), "drawn": self.generator(voices)}

    def tell_apart(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Cross-entropy of real and drawn (equation 4), both in one forward."""
        faces = torch.cat([shared["real"], shared["drawn"].detach().float()])
        scores = self.judge(faces, shared["voices"].repeat(2, 1)).float()
        real, drawn = scores.chunk(2)
        right = ((real > 0).float().mean() + (drawn < 0).float().mean()) / 2
        return {"loss": cross_entropy_discriminator(real, drawn), "right": right}

    def convince(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Be taken for real, and keep near the target where that is weighed."""
        scores = self.judge(shared["drawn"], shared["voices"]).float()
        taken = cross_entropy_generator(scores)
        l1 = (shared["drawn"].float() - shared["real"]).abs().mean()
        # Without a weight the distance is a figure only: no gradient of it is computed.
        loss = taken + self.l1_weight * l1 if self.l1_weight else taken
        return {"loss": loss, "taken": taken, "l1": l1}

    def draw(self, voices: Tensor, noises: Tensor) -> Tensor:
        """As `VoiceToFace.draw`; there is no noise, one voice gives one face."""
        return cast(Tensor, self.generator(self.standardised(voices)))


def make(
    variant: Variant,
    *,
    voice_dim: int,
    listens: bool,
    l1_weight: float,
    kl_weight: float,
    width: int,
) -> VoiceToFace:
    """The model of a variant; the last three are the GAN's with pixels, the VAE's and both GANs'."""
    if variant == "vae":
        return VoiceToFaceVae(voice_dim=voice_dim, listens=listens, kl_weight=kl_weight)
    weight = l1_weight if variant == "rcgan" else 0.0
    return VoiceToFaceGan(voice_dim=voice_dim, listens=listens, l1_weight=weight, width=width)


def _unit(faces: Tensor) -> Tensor:
    return faces.permute(0, 3, 1, 2).float() / 255
