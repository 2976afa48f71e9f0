"""One network for faces and voices alike: softmax over people, and a centre loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.audio.magnitude_spectrogram import magnitude_spectrogram
from voiceface.models.model import Batch, Embeddings, Model, Pictures, Shared, Turn, Wave
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.inception_resnet import InceptionResNetV1, SmallConvNet
from voiceface.nn.loss.centre import RunningCentres, batch_centre_loss
from voiceface.records import SAMPLE_RATE

Backbone = Literal["inception_resnet_v1", "small"]
WINDOW = 3 * SAMPLE_RATE
"""Samples of a recording that the network takes at once."""
_MAX_WINDOWS = 20
_BLOCK = 32


class SingleStream(Model):
    """SSNet (Nawaz et al. 2019, equation 2): cross-entropy over people + λ/2 · centre loss, both modalities.

    Args:
        classes: training people.
        backbone: the network.
        size: side of its pictures in pixels.
        width: factor on its channels.
        dim: width of an embedding.
        pull: λ.
        centres: ``batch`` as SSNet writes, ``running`` as Wen et al. 2016.
        log: True takes the logarithm of the spectrogram's magnitudes, which the paper does not.
    """

    class_heads = ("classifier", "centres")
    face_template = "dlib"

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
        self.face_size, self.pull, self.log, self.dim = size, pull, log, dim
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

    @torch.no_grad()
    def embed_voices(self, waves: Sequence[Wave]) -> Embeddings:
        """As `Model.embed_voices`: the mean over 3 s windows that overlap by half, 20 of them at most."""
        found = [np.zeros((0, self.dim), np.float32)]
        for wave in waves:
            rows = self.embed_pictures(self.voice_pictures(_windows(wave).to(self._device)))
            found.append(F.normalize(rows.mean(0, keepdim=True), dim=1).cpu().numpy())
        return np.concatenate(found)

    @torch.no_grad()
    def embed_faces(self, faces: Pictures) -> Embeddings:
        """As `Model.embed_faces`: the mean of a face's and its mirror image's embedding."""
        found = [np.zeros((0, self.dim), np.float32)]
        for first in range(0, len(faces), _BLOCK):
            some = np.array(faces[first : first + _BLOCK])
            pixels = torch.from_numpy(some).permute(0, 3, 1, 2).to(self._device)
            both = self.embed_pictures(self.face_pictures(torch.cat([pixels, pixels.flip(3)])))
            found.append(F.normalize(both[: len(some)] + both[len(some) :], dim=1).cpu().numpy())
        return np.concatenate(found)

    @property
    def _device(self) -> torch.device:
        return self.classifier.weight.device

    def face_pictures(self, faces: Tensor) -> Tensor:
        """Faces (n, 3, h, w) uint8 as the network takes them: (n, 3, size, size) in [-1, 1]."""
        pictures = faces.float() / 127.5 - 1
        if pictures.shape[-1] != self.face_size:
            pictures = F.interpolate(
                pictures, (self.face_size, self.face_size), mode="bilinear", antialias=True
            )
        return pictures

    def voice_pictures(self, waves: Tensor) -> Tensor:
        """Spectrograms of waves (m, samples) at 16 kHz as pictures: (m, 3, size, size)."""
        return spectrogram_image(waves, size=self.face_size, log=self.log)

    def embed_pictures(self, pictures: Tensor) -> Tensor:
        """Embeddings (n, dim) of length 1, of what `face_pictures` or `voice_pictures` made."""
        return F.normalize(self.network(pictures).float(), dim=1)


def spectrogram_image(waves: Tensor, *, size: int, log: bool = False) -> Tensor:
    """Magnitude spectrograms as pictures of three equal channels, ``(m, 3, size, size)``.

    The paper does not say how 512 × 300 numbers of one channel become a picture of three: here they are
    resized (bilinear) and repeated. ``log`` takes log(1 + magnitude).
    """
    if not len(waves):  # a batch of anybody may hold faces alone
        return waves.new_zeros(0, 3, size, size)
    with torch.autocast(waves.device.type, enabled=False):
        spectra = magnitude_spectrogram(waves.float(), rate=SAMPLE_RATE)
        spectra = torch.log1p(spectra) if log else spectra
        pictures = F.interpolate(spectra[:, None], (size, size), mode="bilinear", antialias=True)
    return pictures.expand(-1, 3, -1, -1)


def _windows(wave: Wave) -> Tensor:
    """(windows, 48000): 3 s of every 1.5 s; a shorter recording is repeated to 3 s."""
    samples = as_wave(wave)
    if len(samples) <= WINDOW:
        return torch.from_numpy(np.resize(samples.numpy(), WINDOW))[None]
    windows = samples.unfold(0, WINDOW, WINDOW // 2)
    return windows[:: max(1, len(windows) // _MAX_WINDOWS)][:_MAX_WINDOWS]
