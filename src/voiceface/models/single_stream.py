"""One network for faces and voices alike: softmax over people, and a pull towards each person's centre."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.audio.magnitude_spectrogram import magnitude
from voiceface.models.model import Batch, Model, Shared, Turn
from voiceface.nn.inception_resnet import InceptionResNetV1, SmallConvNet
from voiceface.nn.loss.centre import RunningCentres, batch_centre_loss

__all__ = ["Backbone", "SingleStream", "spectrogram_image"]

Backbone = Literal["inception_resnet_v1", "small"]


class SingleStream(Model):
    """SSNet (Nawaz et al. 2019, equation 2): cross-entropy over people + λ/2 · centre loss, both modalities.

    Args:
        classes: training people.
        backbone: which network.
        size: side of its pictures in pixels.
        width: factor on its channels.
        dim: numbers of an embedding.
        pull: λ.
        centres: ``batch`` as SSNet writes, ``running`` as Wen et al. 2016.
        log: True takes the logarithm of the spectrogram's magnitudes, which the paper does not.
    """

    class_heads = ("classifier", "centres")

    def __init__(
        self,
        *,
        classes: int,
        backbone: Backbone = "inception_resnet_v1",
        size: int = 256,
        width: float = 1.0,
        dim: int = 128,
        pull: float = 1.0,
        centres: Literal["batch", "running"] = "batch",
        log: bool = False,
    ) -> None:
        super().__init__()
        self.size, self.pull, self.log, self.dim = size, pull, log, dim
        if backbone == "inception_resnet_v1":
            self.network: nn.Module = InceptionResNetV1(dim=dim, width=width)
        else:
            self.network = SmallConvNet(dim=dim, width=max(4, round(24 * width)))
        self.classifier = nn.Linear(dim, classes)
        self.centres = RunningCentres(classes=classes, dim=dim) if centres == "running" else None
        self._last: tuple[Tensor, Tensor] | None = None

    def turns(self) -> list[Turn]:
        """One turn a step."""
        return [Turn("stream", list(self.parameters()), self.error)]

    def error(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Equation (2), both sums divided by the items of the batch.

        Args:
            batch: ``faces`` (n, 3, size, size) uint8, ``waves`` (m, samples) float in [-1, 1],
                ``face_people`` (n,) and ``voice_people`` (m,) class numbers.
            shared: nothing.
        """
        pictures = torch.cat([self.face_pictures(batch["faces"]), self.voice_pictures(batch["waves"])])
        people = torch.cat([batch["face_people"], batch["voice_people"]])
        features = self.network(pictures)
        logits = self.classifier(features)
        softmax = F.cross_entropy(logits.float(), people)
        gathered = features.float()
        if self.centres is None:
            spread = batch_centre_loss(gathered, people) / len(people)
        else:
            spread = self.centres(gathered, people) / len(people)
            self._last = (gathered.detach(), people)
        accuracy = (logits.detach().argmax(1) == people).float().mean()
        loss = softmax + self.pull / 2 * spread
        return {"loss": loss, "softmax": softmax.detach(), "centre": spread.detach(), "accuracy": accuracy}

    def after_step(self) -> None:
        """Running centres follow the features of the step."""
        if self.centres is not None and self._last is not None:
            self.centres.follow(*self._last)
            self._last = None

    def face_pictures(self, faces: Tensor) -> Tensor:
        """Faces (n, 3, h, w) uint8 as the network takes them: (n, 3, size, size) in [-1, 1]."""
        pictures = faces.float() / 127.5 - 1
        if pictures.shape[-1] != self.size:
            pictures = F.interpolate(pictures, (self.size, self.size), mode="bilinear", antialias=True)
        return pictures

    def voice_pictures(self, waves: Tensor) -> Tensor:
        """Spectrograms of waves (m, samples) at 16 kHz as pictures: (m, 3, size, size)."""
        return spectrogram_image(waves, size=self.size, log=self.log)

    def embed_pictures(self, pictures: Tensor) -> Tensor:
        """Rows (n, dim) of length 1, of what `face_pictures` or `voice_pictures` made."""
        return F.normalize(self.network(pictures).float(), dim=1)


def spectrogram_image(waves: Tensor, *, size: int, log: bool = False) -> Tensor:
    """Magnitude spectrograms as pictures of three equal channels, ``(m, 3, size, size)``.

    How 512 × 300 numbers of one channel become a picture of three the paper does not say: here they are
    averaged or stretched to the size (bilinear) and repeated. ``log`` takes log(1 + magnitude).
    """
    if not len(waves):  # a batch of anybody may hold faces alone
        return waves.new_zeros(0, 3, size, size)
    with torch.autocast(waves.device.type, enabled=False):
        spectra = magnitude(waves.float(), rate=16_000)
        spectra = torch.log1p(spectra) if log else spectra
        pictures = F.interpolate(spectra[:, None], (size, size), mode="bilinear", antialias=True)
    return pictures.expand(-1, 3, -1, -1)
