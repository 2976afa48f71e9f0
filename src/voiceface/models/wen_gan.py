"""Wen, Singh, Raj 2019: speaker recognition, then Algorithm 1 on faces for a frozen voice network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.errors import InputError
from voiceface.models.model import Batch, Model, Shared, Turn
from voiceface.models.voice_features import Hearing
from voiceface.nn.face.wen_gan import Kernel, WenFaceTrunk, WenGenerator, WenLinear
from voiceface.nn.voice.wen_voice import WenVoice

__all__ = ["WenFaceClassifier", "WenSpeaker", "WenVoice2Face", "normalise_faces"]


def normalise_faces(pictures: Tensor) -> Tensor:
    """Pictures ``(n, 3, 64, 64)`` uint8 as the networks see them: (x - 127.5) / 127.5."""
    # Channels last: 1.8 times as fast on a CPU with AVX-512, and what tensor cores want.
    return pictures.to(torch.float32, memory_format=torch.channels_last).sub_(127.5).div_(127.5)


class WenSpeaker(Model):
    """The voice network learns to tell the training people apart.

    Args:
        classes: people.
        width: channels of the network's first layer.
        dim: numbers of the embedding.
    """

    class_heads = ("classifier",)

    def __init__(self, *, classes: int, width: int = 256, dim: int = 64) -> None:
        super().__init__()
        self.voice = WenVoice(width=width, dim=dim)
        self.classifier = WenLinear(dim=dim, classes=classes)

    def turns(self) -> Sequence[Turn]:
        """One turn."""
        return [Turn("speaker", list(self.parameters()), self.telling)]

    def telling(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Cross-entropy of ``voices`` (n, 64, frames) against ``people`` (n,)."""
        logits = self.classifier(self.voice(batch["voices"])).float()
        right = (logits.argmax(1) == batch["people"]).float().mean()
        return {"loss": F.cross_entropy(logits, batch["people"]), "accuracy": right}


class WenFaceClassifier(Model):
    """The judge's architecture alone, taught to name classes of real faces (section 4.2: the gender)."""

    class_heads = ("classifier",)

    def __init__(self, *, classes: int, width: int = 512, kernel: Kernel = "paper") -> None:
        super().__init__()
        self.trunk = WenFaceTrunk(width=width, kernel=kernel)
        self.classifier = WenLinear(classes=classes)
        self.trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def turns(self) -> Sequence[Turn]:
        """One turn."""
        return [Turn("name", list(self.parameters()), self.naming)]

    def naming(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Cross-entropy of ``faces`` (n, 3, 64, 64) uint8 against ``classes`` (n,)."""
        logits = self(batch["faces"]).float()
        right = (logits.argmax(1) == batch["classes"]).float().mean()
        return {"loss": F.cross_entropy(logits, batch["classes"]), "accuracy": right}

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits ``(n, classes)`` of pictures ``(n, 3, 64, 64)`` uint8."""
        logits: Tensor = self.classifier(self.trunk(normalise_faces(pictures)))
        return logits


class WenVoice2Face(Model):
    """Algorithm 1: a judge and a classifier on one trunk, a generator that has to satisfy both.

    The paper updates judge and classifier one after the other with their trunk shared; here, as in the
    authors' program, the two are one turn with one forward over real and drawn faces together. The
    drawn faces are made once a step, and nothing goes backward through the frozen voice network.

    Args:
        voice: the frozen voice network.
        classes: people the classifier knows.
        width: channels of the generator's first layer, the trunk's last having half of them.
        kernel: ``"paper"`` (3x3) or ``"code"`` (4x4).
        noise: deviation of what is added to a row of length 1 while learning.
        absent: of ``trunk``, ``judge`` and ``classifier`` those that published weights lack.
    """

    class_heads = ("classifier",)

    def __init__(
        self,
        *,
        voice: Hearing,
        classes: int,
        width: int = 1024,
        kernel: Kernel = "paper",
        noise: float = 0.05,
        absent: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.voice = voice.requires_grad_(False)
        self.generator = WenGenerator(dim=voice.dim, width=width, kernel=kernel)
        self.trunk = WenFaceTrunk(width=width // 2, kernel=kernel)
        self.judge = WenLinear()
        self.classifier = WenLinear(classes=classes)
        self.noise, self.absent = noise, tuple(absent)
        for part in (self.generator, self.trunk):
            part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def turns(self) -> Sequence[Turn]:
        """Judge and classifier first, then the generator."""
        told = [*self.trunk.parameters(), *self.judge.parameters(), *self.classifier.parameters()]
        return [
            Turn("judge", told, self.telling),
            Turn("generator", list(self.generator.parameters()), self.pleasing),
        ]

    def shared(self, batch: Batch) -> Tensor:
        """Faces ``(n, 3, 64, 64)`` drawn from ``voices``, with their graph."""
        rows = F.normalize(self.voice(batch["voices"]), dim=1)
        faces: Tensor = self.generator(F.normalize(rows + self.noise * torch.randn_like(rows), dim=1))
        return faces

    def telling(self, batch: Batch, drawn: Tensor) -> dict[str, Tensor]:
        """Lines 4 and 5: real from drawn, and whose the real ``faces`` (m, 3, 64, 64) uint8 are."""
        real = normalise_faces(batch["faces"]).to(drawn.dtype)
        rows = self.trunk(torch.cat([real, drawn.detach()]))
        scores = self.judge(rows).float()
        named = self.classifier(rows[: len(real)]).float()
        true, false = F.softplus(-scores[: len(real)]).mean(), F.softplus(scores[len(real) :]).mean()
        people = F.cross_entropy(named, batch["face_people"])
        right = (named.argmax(1) == batch["face_people"]).float().mean()
        return {"loss": true + false + people, "real": true, "drawn": false, "people": people, "right": right}

    def pleasing(self, batch: Batch, drawn: Tensor) -> dict[str, Tensor]:
        """Line 6: a drawn face is to be taken for real, and for the speaker's."""
        rows = self.trunk(drawn)
        real = F.softplus(-self.judge(rows).float()).mean()
        named = self.classifier(rows).float()
        people = F.cross_entropy(named, batch["voice_people"])
        right = (named.argmax(1) == batch["voice_people"]).float().mean()
        return {"loss": real + people, "real": real, "people": people, "right": right}

    @torch.no_grad()
    def draw(self, rows: Tensor, *, noise: Tensor | None = None) -> npt.NDArray[np.uint8]:
        """Faces ``(n, 64, 64, 3)`` from the voice network's rows ``(n, dim)``.

        Args:
            rows: of any length.
            noise: ``(n, dim)`` of deviation 1, to draw as in training; None, as the authors test, for none.
        """
        rows = F.normalize(rows, dim=1)
        if noise is not None:
            rows = F.normalize(rows + self.noise * noise.to(rows.device), dim=1)
        blocks = [self.generator(part) for part in torch.split(rows, 64)] if len(rows) else []
        faces = torch.cat(blocks) if blocks else torch.zeros(0, 3, 64, 64)
        pictures = faces.float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
        return pictures.permute(0, 2, 3, 1).contiguous().cpu().numpy()

    def believed(self, pictures: npt.NDArray[np.uint8]) -> Tensor:
        """How likely the judge holds pictures ``(n, 64, 64, 3)`` to be real, ``(n,)`` in [0, 1]."""
        return self._seen(pictures, self.judge, "judge")[:, 0].sigmoid()

    def named(self, pictures: npt.NDArray[np.uint8]) -> Tensor:
        """The classifier's logits ``(n, people)`` of pictures ``(n, 64, 64, 3)``."""
        return self._seen(pictures, self.classifier, "classifier")

    def weights(self) -> dict[str, Tensor]:
        """All tensors but those of parts that are absent."""
        parts = tuple(f"{part}." for part in self.absent)
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith(parts)}

    @torch.no_grad()
    def _seen(self, pictures: npt.NDArray[np.uint8], head: WenLinear, name: str) -> Tensor:
        if {name, "trunk"} & set(self.absent):
            raise InputError(name, "is not among these weights", "give weights that hold it")
        place = next(self.trunk.parameters()).device
        whole = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
        rows = [
            head(self.trunk(normalise_faces(part.to(place)))).float().cpu() for part in torch.split(whole, 64)
        ]
        return torch.cat(rows)
