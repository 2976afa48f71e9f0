"""Wen, Singh, Raj 2019: speaker classification, then Algorithm 1 on faces with a frozen voice network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.errors import InputError
from voiceface.models.corpus_embeddings import as_tensor, voice_embeddings
from voiceface.models.face_generator import BLOCK, FaceGenerator, to_pictures
from voiceface.models.generator_input import GeneratorInput, input_waves
from voiceface.models.logmels import corpus_logmels
from voiceface.models.model import Batch, Model, Pictures, Shared, Turn
from voiceface.models.step_seed import torch_generator
from voiceface.models.voice_features import EncoderFeatures, LogmelFeatures, VoiceFeatures
from voiceface.nn.face.wen_gan import SIZE, Kernel, WenFaceTrunk, WenGenerator, WenLinear
from voiceface.nn.voice.wen_voice import WenVoice

if TYPE_CHECKING:
    from voiceface.corpus.splits import Selection


def normalise_faces(pictures: Tensor) -> Tensor:
    """Pictures ``(n, 3, 64, 64)`` uint8 as the networks take them: (x - 127.5) / 127.5."""
    # Channels last: 1.8 times as fast on a CPU with AVX-512, and what tensor cores want.
    return pictures.to(torch.float32, memory_format=torch.channels_last).sub_(127.5).div_(127.5)


class WenSpeaker(Model):
    """The voice network learns to classify the training people.

    Args:
        classes: number of people.
        width: channels of the network's first layer.
        dim: dimensions of the embedding.
    """

    class_heads = ("classifier",)

    def __init__(self, *, classes: int, width: int = 256, dim: int = 64) -> None:
        super().__init__()
        self.voice = WenVoice(width=width, dim=dim)
        self.classifier = WenLinear(dim=dim, classes=classes)

    def turns(self) -> Sequence[Turn]:
        """One turn."""
        return [Turn("speaker", list(self.parameters()), self.classifier_loss)]

    def classifier_loss(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Cross-entropy of ``voices`` (n, 64, frames) against ``people`` (n,)."""
        logits = self.classifier(self.voice(batch["voices"])).float()
        accuracy = (logits.argmax(1) == batch["people"]).float().mean()
        return {"loss": F.cross_entropy(logits, batch["people"]), "accuracy": accuracy}


class WenFaceClassifier(Model):
    """The discriminator's architecture, trained to classify real faces (section 4.2: by gender)."""

    class_heads = ("classifier",)

    def __init__(self, *, classes: int, width: int = 512, kernel: Kernel = "paper") -> None:
        super().__init__()
        self.trunk = WenFaceTrunk(width=width, kernel=kernel)
        self.classifier = WenLinear(classes=classes)
        self.trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def turns(self) -> Sequence[Turn]:
        """One turn."""
        return [Turn("name", list(self.parameters()), self.classifier_loss)]

    def classifier_loss(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Cross-entropy of ``faces`` (n, 3, 64, 64) uint8 against ``classes`` (n,)."""
        logits = self(batch["faces"]).float()
        accuracy = (logits.argmax(1) == batch["classes"]).float().mean()
        return {"loss": F.cross_entropy(logits, batch["classes"]), "accuracy": accuracy}

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits ``(n, classes)`` of pictures ``(n, 3, 64, 64)`` uint8."""
        logits: Tensor = self.classifier(self.trunk(normalise_faces(pictures)))
        return logits


class WenVoice2Face(FaceGenerator):
    """Algorithm 1: a discriminator and a classifier with one trunk, and a generator that satisfies both.

    The paper updates discriminator and classifier one after the other with their trunk shared; here, as in
    the authors' program, the two are one turn with one forward pass over real and generated faces together.
    The generated faces are computed once a step, and nothing goes backward through the frozen voice network.

    Args:
        voice: the frozen voice network.
        voice_fingerprint: of the encoder in it, by which corpora cache its embeddings.
        classes: people that the classifier knows.
        width: channels of the generator's first layer; the trunk's last has half as many.
        kernel: ``"paper"`` (3x3) or ``"code"`` (4x4).
        noise: deviation of what is added to a feature vector of length 1 in training.
        face_template: alignment of the faces.
        face_embedding_mean: as in `FaceGenerator`.
    """

    class_heads = ("classifier",)
    evaluated_typical = True
    absent: tuple[str, ...] = ()
    """Of ``trunk``, ``judge`` and ``classifier`` those that published weights lack."""

    def __init__(
        self,
        *,
        voice: VoiceFeatures,
        voice_fingerprint: str = "",
        classes: int,
        width: int = 1024,
        kernel: Kernel = "paper",
        noise: float = 0.05,
        face_template: str = "dlib",
        face_embedding_mean: Sequence[float] | None = None,
    ) -> None:
        super().__init__(face_size=SIZE, face_template=face_template, face_embedding_mean=face_embedding_mean)
        self.voice, self.voice_fingerprint = voice.requires_grad_(False), voice_fingerprint
        self.generator = WenGenerator(dim=voice.dim, width=width, kernel=kernel)
        self.trunk = WenFaceTrunk(width=width // 2, kernel=kernel)
        # Saved weights call the discriminator's head `judge`.
        self.judge = WenLinear()
        self.classifier = WenLinear(classes=classes)
        self.noise = noise
        for part in (self.generator, self.trunk):
            part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def turns(self) -> Sequence[Turn]:
        """Discriminator and classifier first, then the generator."""
        both = [*self.trunk.parameters(), *self.judge.parameters(), *self.classifier.parameters()]
        return [
            Turn("discriminator", both, self.discriminator_loss),
            Turn("generator", list(self.generator.parameters()), self.generator_loss),
        ]

    def shared(self, batch: Batch) -> Tensor:
        """Faces ``(n, 3, 64, 64)`` generated from ``voices``, with their graph."""
        features = F.normalize(self.voice(batch["voices"]), dim=1)
        noisy = features + self.noise * torch.randn_like(features)
        faces: Tensor = self.generator(F.normalize(noisy, dim=1))
        return faces

    def discriminator_loss(self, batch: Batch, generated: Tensor) -> dict[str, Tensor]:
        """Lines 4 and 5: tell real from generated, and classify the real ``faces`` (m, 3, 64, 64) uint8."""
        real = normalise_faces(batch["faces"]).to(generated.dtype)
        features = self.trunk(torch.cat([real, generated.detach()]))
        scores = self.judge(features).float()
        logits = self.classifier(features[: len(real)]).float()
        true, false = F.softplus(-scores[: len(real)]).mean(), F.softplus(scores[len(real) :]).mean()
        people = F.cross_entropy(logits, batch["face_people"])
        accuracy = (logits.argmax(1) == batch["face_people"]).float().mean()
        figures = {"real": true, "fake": false, "people": people, "accuracy": accuracy}
        return {"loss": true + false + people} | figures

    def generator_loss(self, batch: Batch, generated: Tensor) -> dict[str, Tensor]:
        """Line 6: a generated face should be taken for real, and classified as the speaker."""
        features = self.trunk(generated)
        real = F.softplus(-self.judge(features).float()).mean()
        logits = self.classifier(features).float()
        people = F.cross_entropy(logits, batch["voice_people"])
        accuracy = (logits.argmax(1) == batch["voice_people"]).float().mean()
        return {"loss": real + people, "real": real, "people": people, "accuracy": accuracy}

    def conditions(self, inputs: Sequence[GeneratorInput]) -> Tensor:
        """As `FaceGenerator.conditions`: the voice network's features."""
        return self.voice.embed_waves(input_waves(inputs))

    def corpus_conditions(self, selection: Selection) -> Iterable[Tensor]:
        """As `FaceGenerator.corpus_conditions`, from what the corpus caches."""
        return torch.split(self.corpus_features(selection), BLOCK)

    def corpus_features(self, selection: Selection) -> Tensor:
        """The voice network's features of every voice of a selection, ``(voices, dim)``, from the cache."""
        if isinstance(self.voice, EncoderFeatures):
            encoder = self.voice.window_encoder(self.voice_fingerprint)
            embeddings = as_tensor(voice_embeddings(selection.corpus, encoder)[selection.voices])
            with torch.no_grad():
                return self.voice(embeddings.to(self.voice.get_buffer("mean").device))  # type: ignore[no-any-return]
        assert isinstance(self.voice, LogmelFeatures)
        logmels = corpus_logmels(selection.corpus)
        return self.voice.embed_logmels([logmels.whole(index) for index in selection.voices.tolist()])

    @torch.no_grad()
    def generate_from(
        self, conditions: Tensor, samples: Sequence[int], *, seed: int = 0, typical: bool = False
    ) -> Pictures:
        """As `FaceGenerator.generate_from`; a typical face has no noise, as in the authors' tests."""
        features = F.normalize(conditions, dim=1)
        if not typical:
            dim = features.shape[1]
            noise = [torch.randn(dim, generator=torch_generator(seed, sample)) for sample in samples]
            features = F.normalize(features + self.noise * torch.stack(noise).to(features), dim=1)
        return to_pictures(self.generator(features))

    def realness(self, pictures: Pictures) -> Tensor:
        """The discriminator's probability that pictures ``(n, 64, 64, 3)`` are real, ``(n,)``."""
        return self._head(pictures, self.judge, "judge")[:, 0].sigmoid()

    def class_logits(self, pictures: Pictures) -> Tensor:
        """The classifier's logits ``(n, people)`` of pictures ``(n, 64, 64, 3)``."""
        return self._head(pictures, self.classifier, "classifier")

    def weights(self) -> dict[str, Tensor]:
        """All tensors but those of absent parts."""
        parts = tuple(f"{part}." for part in self.absent)
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith(parts)}

    @torch.no_grad()
    def _head(self, pictures: Pictures, head: WenLinear, name: str) -> Tensor:
        if {name, "trunk"} & set(self.absent):
            raise InputError(name, "is not among these weights", "give weights that hold it")
        device = next(self.trunk.parameters()).device
        inputs = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
        blocks = torch.split(inputs, BLOCK)
        return torch.cat([head(self.trunk(normalise_faces(one.to(device)))).float().cpu() for one in blocks])
