"""A face from a voice embedding: a variational autoencoder or a conditional GAN.

Source: Agarwal et al. 2019, sections III-C and IV-B. A batch holds ``voices (n, dim)``, embeddings as the
encoder gives them, and ``faces (n, 64, 64, 3)`` uint8, the target face of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, cast

import torch
from torch import Tensor

from voiceface.models.corpus_embeddings import as_tensor, voice_embeddings
from voiceface.models.face_generator import BLOCK, FaceGenerator
from voiceface.models.generator_input import GeneratorInput, input_waves
from voiceface.models.model import Batch, Pictures, Shared, Turn
from voiceface.models.pretrained import PretrainedEncoders
from voiceface.models.step_seed import torch_generator
from voiceface.models.voice_classifier import PatchEncoder
from voiceface.models.voice_encoder import VoiceEncoder
from voiceface.models.weights_fingerprint import weights_fingerprint
from voiceface.nn.face.agarwal import (
    SIDE,
    EmbeddingDiscriminator,
    EmbeddingEncoder,
    EmbeddingGenerator,
    LatentDecoder,
)
from voiceface.nn.loss.adversarial import cross_entropy_discriminator, cross_entropy_generator
from voiceface.nn.loss.variational import gaussian_error, kl_to_standard_normal
from voiceface.nn.voice.patch_voice import PatchVoice

if TYPE_CHECKING:
    from voiceface.corpus.splits import Selection

FACE_TEMPLATE = "dlib"
Variant = Literal["vae", "cgan", "rcgan"]
"""Variational autoencoder; conditional GAN; conditional GAN with an L1 term in the generator's loss."""


class VoiceToFace(FaceGenerator):
    """What all variants share: standardised embeddings of a frozen voice encoder.

    Args:
        voice_dim: dimensions of a voice embedding.
        encoders: hold the voice encoder; None: a `PatchVoice`, saved with the weights.
        face_embedding_mean: as in `FaceGenerator`.
    """

    def __init__(
        self,
        *,
        voice_dim: int,
        encoders: PretrainedEncoders | None = None,
        face_embedding_mean: Sequence[float] | None = None,
    ) -> None:
        super().__init__(face_size=SIDE, face_template=FACE_TEMPLATE, face_embedding_mean=face_embedding_mean)
        # Without its last layer, which classified its training people. Saved weights call it `listener`.
        self.listener = PatchVoice(classes=0, dim=voice_dim) if encoders is None else None
        self.encoders = encoders
        self.register_buffer("voice_mean", torch.zeros(voice_dim))
        self.register_buffer("voice_deviation", torch.ones(voice_dim))

    def voice_encoder(self) -> VoiceEncoder:
        """The voice encoder that these weights were trained on.

        Raises:
            InputError: the encoder has other weights now.
        """
        if self.listener is not None:
            return PatchEncoder(self.listener, fingerprint=weights_fingerprint(self.listener.state_dict()))
        assert self.encoders is not None
        return self.encoders.voice(self.get_buffer("voice_mean").device)

    def conditions(self, inputs: Sequence[GeneratorInput]) -> Tensor:
        """As `FaceGenerator.conditions`: voice embeddings."""
        rows = self.voice_encoder().embed(input_waves(inputs))
        return as_tensor(rows).to(self.get_buffer("voice_mean").device)

    def corpus_conditions(self, selection: Selection) -> Iterable[Tensor]:
        """As `FaceGenerator.corpus_conditions`, from the corpus' cache."""
        rows = as_tensor(voice_embeddings(selection.corpus, self.voice_encoder())[selection.voices])
        return torch.split(rows.to(self.get_buffer("voice_mean").device), BLOCK)

    @torch.no_grad()
    def generate_from(
        self, conditions: Tensor, samples: Sequence[int], *, seed: int = 0, typical: bool = False
    ) -> Pictures:
        """As `FaceGenerator.generate_from`; a typical face has no noise."""
        noise = torch.zeros(len(conditions), self.latent)
        if not typical:
            noise = torch.stack(
                [torch.randn(self.latent, generator=torch_generator(seed, k)) for k in samples]
            )
        faces = self.faces(conditions, noise.to(conditions)).float()
        return (faces.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()

    def standardised(self, voices: Tensor) -> Tensor:
        """Embeddings (n, voice_dim) with the training recordings' mean and deviation removed."""
        return (voices - self.get_buffer("voice_mean")) / self.get_buffer("voice_deviation")

    def faces(self, voices: Tensor, noise: Tensor) -> Tensor:
        """Faces (n, 3, 64, 64) in [0, 1] of embeddings (n, voice_dim) and noise (n, `latent`)."""
        raise NotImplementedError

    @property
    def latent(self) -> int:
        """Dimensions of the noise of a face; 0: none."""
        return 0


class VoiceToFaceVae(VoiceToFace):
    """Encodes the *voice* into a latent and decodes a face from it.

    Args:
        kl_weight: weight of the divergence of the latent, beside the error of the pixels.
        voice_dim: as in `VoiceToFace`.
        encoders: as in `VoiceToFace`.
        face_embedding_mean: as in `VoiceToFace`.
    """

    def __init__(
        self,
        *,
        kl_weight: float = 1.0,
        voice_dim: int,
        encoders: PretrainedEncoders | None = None,
        face_embedding_mean: Sequence[float] | None = None,
    ) -> None:
        super().__init__(voice_dim=voice_dim, encoders=encoders, face_embedding_mean=face_embedding_mean)
        self.encoder = EmbeddingEncoder(voice_dim=voice_dim)
        self.decoder = LatentDecoder()
        self.kl_weight = kl_weight

    def turns(self) -> Sequence[Turn]:
        """One turn."""
        return [Turn("generator", [*self.encoder.parameters(), *self.decoder.parameters()], self.bound)]

    def bound(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """The negative variational bound (equation 2), averaged over the batch."""
        mean, log_variance = self.encoder(self.standardised(batch["voices"]))
        latents = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        target = _unit_range(batch["faces"])
        faces = self.decoder(latents).float()
        error = gaussian_error(faces, target).mean()
        divergence = kl_to_standard_normal(mean.float(), log_variance.float()).mean()
        l1 = (faces.detach() - target).abs().mean()
        return {"loss": error + self.kl_weight * divergence, "error": error, "kl": divergence, "l1": l1}

    def faces(self, voices: Tensor, noise: Tensor) -> Tensor:
        """As `VoiceToFace.faces`; the noise samples the latent from the voice's distribution."""
        mean, log_variance = self.encoder(self.standardised(voices))
        faces: Tensor = self.decoder(mean + noise * (0.5 * log_variance).exp())
        return faces

    @property
    def latent(self) -> int:
        """As `VoiceToFace.latent`."""
        return self.encoder.mean.out_features


class VoiceToFaceGan(VoiceToFace):
    """Generates faces that a discriminator, which reads the voice too, takes for real ones of that voice.

    Args:
        l1_weight: weight of the mean absolute distance to the target in the generator's loss.
        width: as in `EmbeddingGenerator` and `EmbeddingDiscriminator`.
        voice_dim: as in `VoiceToFace`.
        encoders: as in `VoiceToFace`.
        face_embedding_mean: as in `VoiceToFace`.
    """

    def __init__(
        self,
        *,
        l1_weight: float = 0.0,
        width: int = 32,
        voice_dim: int,
        encoders: PretrainedEncoders | None = None,
        face_embedding_mean: Sequence[float] | None = None,
    ) -> None:
        super().__init__(voice_dim=voice_dim, encoders=encoders, face_embedding_mean=face_embedding_mean)
        self.generator = EmbeddingGenerator(voice_dim=voice_dim, width=width)
        # Saved weights call the discriminator `judge`.
        self.judge = EmbeddingDiscriminator(voice_dim=voice_dim, width=width)
        self.l1_weight = l1_weight
        # A sixth less time a step on a CPU.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def turns(self) -> Sequence[Turn]:
        """The discriminator's, then the generator's."""
        return [
            Turn("discriminator", list(self.judge.parameters()), self.discriminator_loss),
            Turn("generator", list(self.generator.parameters()), self.generator_loss),
        ]

    def shared(self, batch: Batch) -> dict[str, Tensor]:
        """The voices, their targets and the generated faces, computed once for both turns."""
        voices = self.standardised(batch["voices"])
        return {"voices": voices, "real": _unit_range(batch["faces"]), "fake": self.generator(voices)}

    def discriminator_loss(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Cross-entropy of real and generated faces (equation 4), both in one forward pass."""
        faces = torch.cat([shared["real"], shared["fake"].detach().float()])
        scores = self.judge(faces, shared["voices"].repeat(2, 1)).float()
        real, fake = scores.chunk(2)
        accuracy = ((real > 0).float().mean() + (fake < 0).float().mean()) / 2
        return {"loss": cross_entropy_discriminator(real, fake), "accuracy": accuracy}

    def generator_loss(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Be taken for real, and stay near the target where that has a weight."""
        scores = self.judge(shared["fake"], shared["voices"]).float()
        adversarial = cross_entropy_generator(scores)
        l1 = (shared["fake"].float() - shared["real"]).abs().mean()
        # Without a weight the distance is for the log alone: no gradient of it is computed.
        loss = adversarial + self.l1_weight * l1 if self.l1_weight else adversarial
        return {"loss": loss, "adversarial": adversarial, "l1": l1}

    def faces(self, voices: Tensor, noise: Tensor) -> Tensor:
        """As `VoiceToFace.faces`; without noise: one voice gives one face."""
        return cast(Tensor, self.generator(self.standardised(voices)))


def _unit_range(faces: Tensor) -> Tensor:
    return faces.permute(0, 3, 1, 2).float() / 255
