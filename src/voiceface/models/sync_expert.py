"""A sync expert, which scores whether a mouth makes a sound: trained here, or SyncNet's published weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.audio.sync_features import BANDS, sync_mel, sync_windows, syncnet_cepstra
from voiceface.errors import InputError
from voiceface.face.align import MEAN_FACE, crop_box, fit_similarity_transform
from voiceface.face.mouth import crop_mouths_from_frames, smooth_landmarks
from voiceface.models.model import Batch, Model, Shared, Turn
from voiceface.models.published_weights import load_tensors, read_tensors
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.sync_towers import FRAMES, MouthNet, SoundNet, sync_nce
from voiceface.nn.syncnet import SyncNet

Embeddings = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]

_BLOCK = 256
_LARGEST_SCALE = 30.0


class SyncModel(Model):
    """Contrastive learning of mouths and sounds: of one moment against all other moments.

    Args:
        mean: mean of each mel band over the training sound.
        deviation: standard deviation of each.
        width: channels of both towers' first layers.
        dim: size of an embedding.
        size: side of the mouths in pixels.
        across: weight of the windows of other clips as negatives.
    """

    def __init__(
        self,
        *,
        mean: list[float],
        deviation: list[float],
        width: int = 32,
        dim: int = 128,
        size: int = 48,
        across: float = 0.2,
    ) -> None:
        super().__init__()
        self.mouth = MouthNet(width=width, dim=dim, size=size)
        self.sound = SoundNet(width=width, dim=dim, bands=BANDS)
        self.scale = nn.Parameter(torch.tensor(10.0).log())
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("deviation", torch.tensor(deviation))
        self.across = across

    def turns(self) -> list[Turn]:
        """One turn a step."""
        return [Turn("align", list(self.parameters()), self.error)]

    def error(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """InfoNCE of mouths ``(clips, frames, size, size)`` and mels ``(clips, 4 * frames, bands)``."""
        mouths, sounds = self.mouth_embeddings(batch["mouths"]), self.sound_embeddings(batch["mels"])
        scale = self.scale.exp().clamp(max=_LARGEST_SCALE)
        loss = sync_nce(mouths.float(), sounds.float(), scale=scale, across=self.across)
        hits = ((mouths.detach() @ sounds.detach().mT).argmax(-1) == torch.arange(mouths.shape[1])).float()
        return {"loss": loss, "found": hits.mean(), "scale": scale.detach()}

    def mouth_embeddings(self, mouths: Tensor) -> Tensor:
        """Embed grey mouths ``(..., frames, size, size)`` as ``(..., frames - 4, dim)``; gradients flow."""
        windows = mouths.float().unfold(-3, FRAMES, 1).movedim(-1, -3)
        rows: Tensor = self.mouth(windows.flatten(0, -4))
        return rows.reshape(*windows.shape[:-3], -1)

    def sound_embeddings(self, mels: Tensor) -> Tensor:
        """Embed log-mels of `sync_mel` ``(..., 4 * frames, bands)`` as ``(..., frames - 4, dim)``."""
        windows = sync_windows((mels - self.get_buffer("mean")) / self.get_buffer("deviation"))
        rows: Tensor = self.sound(windows.flatten(0, -3))
        return rows.reshape(*windows.shape[:-2], -1)


class SyncExpert:
    """A trained `SyncModel` for evaluation: from clips to embeddings of mouth and sound.

    Args:
        model: in eval mode.
    """

    name = "voiceface sync expert"

    def __init__(self, model: SyncModel) -> None:
        self.model = model.eval().requires_grad_(False)

    def embed(
        self, frames: Frames, points: npt.ArrayLike, wave: npt.NDArray[Any]
    ) -> tuple[Embeddings, Embeddings]:
        """Embed mouth and sound of every five consecutive frames, ``(frames - 4, dim)`` each.

        Args:
            frames: (frames, height, width, 3) uint8, 25 a second.
            points: (frames, 5, 2), NaN where no face was found.
            wave: (samples,) at 16 kHz; padded with silence.

        Raises:
            InputError: fewer than 5 frames, no sound, or no face.
        """
        mouths = crop_mouths_from_frames(frames, points, size=self.model.mouth.size)
        return embed_mouths(self.model, mouths, wave)


def embed_mouths(model: SyncModel, mouths: Frames, wave: npt.NDArray[Any]) -> tuple[Embeddings, Embeddings]:
    """Embed cropped mouths ``(frames, size, size)``, grey, and their sound.

    Raises:
        InputError: fewer than 5 frames, or no sound.
    """
    if len(mouths) < FRAMES:
        raise InputError("clip", f"has {len(mouths)} frames", f"give {FRAMES} or more")
    device = model.scale.device
    with torch.no_grad():
        mels = sync_mel(as_wave(wave).to(device), frames=len(mouths))
        sound = model.sound_embeddings(mels)
        seen = torch.from_numpy(np.ascontiguousarray(mouths)).to(device)
        parts = [
            model.mouth_embeddings(seen[first : first + _BLOCK + FRAMES - 1])
            for first in range(0, len(mouths) - FRAMES + 1, _BLOCK)
        ]
    return torch.cat(parts).cpu().numpy(), sound.cpu().numpy()


class PublishedSyncNet:
    """SyncNet with its published weights, with the interface of `SyncExpert`.

    The published program crops faces with a detector of its own; here the crop is set by five landmarks,
    so figures may differ a little.

    Args:
        network: with its weights, in eval mode.
    """

    name = "SyncNet (published)"
    _WINDOW = (-0.55, -0.25, 2.1)
    """Left, top and side of its picture in units of dlib's mean face."""
    _SIDE = 224

    def __init__(self, network: SyncNet) -> None:
        self.network = network.eval().requires_grad_(False)

    def embed(
        self, frames: Frames, points: npt.ArrayLike, wave: npt.NDArray[Any]
    ) -> tuple[Embeddings, Embeddings]:
        """As `SyncExpert.embed`: ``(frames - 4, 1024)`` each, not normalised."""
        if len(frames) < FRAMES:
            raise InputError("clip", f"has {len(frames)} frames", f"give {FRAMES} or more")
        count = len(frames) - FRAMES + 1
        pictures = torch.from_numpy(self._faces(frames, points)).permute(3, 0, 1, 2)
        padded = F.pad(as_wave(wave), (0, max(0, len(frames) * 640 + 400 - len(wave))))
        cepstra = syncnet_cepstra(padded).float().T
        lips, sounds = [], []
        with torch.inference_mode():
            for at in range(count):
                lips.append(self.network.lips(pictures[None, :, at : at + FRAMES].float()))
                sounds.append(self.network.sound(cepstra[None, None, :, 4 * at : 4 * at + 20]))
        return torch.cat(lips).numpy(), torch.cat(sounds).numpy()

    def _faces(self, frames: Frames, points: npt.ArrayLike) -> Frames:
        """Blue, green, red pictures of the face, (frames, 224, 224, 3)."""
        left, top, side = self._WINDOW
        middle = np.array([left + side / 2, top + side / 2, 1.0])
        crops = []
        given = np.asarray(points, dtype=np.float64)
        given = np.broadcast_to(given, (len(frames), 5, 2)) if given.ndim == 2 else given
        for frame, landmarks in zip(frames, smooth_landmarks(given), strict=True):
            matrix = fit_similarity_transform(MEAN_FACE, landmarks + 0.5)
            half = side / 2 * float(np.sqrt(np.linalg.det(matrix[:, :2])))
            x, y = matrix @ middle
            box = (x - half, y - half, x + half, y + half)
            crops.append(crop_box(frame, box, self._SIDE, border="edge")[..., ::-1])
        return np.stack(crops)


def load_syncnet(path: str | Path) -> PublishedSyncNet:
    """Load SyncNet's published weights (``syncnet_v2.model``: a state dict), which the user has.

    Raises:
        InputError: the file is missing, no state dict of tensors alone, or not SyncNet's.
    """
    network = SyncNet()
    load_tensors(network, read_tensors(Path(path)), Path(path))
    return PublishedSyncNet(network)


def crop_mouths(pictures: Tensor, *, size: int = 48) -> Tensor:
    """Crop the mouths of faces in the ``dlib`` template as grey pictures; gradients flow, for a loss.

    Args:
        pictures: ``(n, 3, side, side)`` from 0 to 255.
        size: side of the result in pixels.

    Returns:
        ``(n, size, size)``, as `voiceface.face.mouth.crop_mouths_by_template`, with bilinear interpolation.
    """
    # Centres of the result's pixels, in the picture's units of -1 to 1.
    steps = (torch.arange(size, device=pictures.device, dtype=pictures.dtype) + 0.5) / size
    return sample_grey(pictures, 2 * (7 + 16 * steps) / 30 - 1, 2 * (14 + 16 * steps) / 30 - 1)


def sample_grey(pictures: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Sample ``(n, 3, ...)`` in grey at columns ``x (w,)`` and rows ``y (h,)`` in [-1, 1]: ``(n, h, w)``."""
    weights = pictures.new_tensor([0.299, 0.587, 0.114])
    grey = torch.einsum("nchw,c->nhw", pictures, weights)[:, None]
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).expand(len(grey), -1, -1, -1)
    return F.grid_sample(grey, grid, mode="bilinear", padding_mode="border", align_corners=False)[:, 0]
