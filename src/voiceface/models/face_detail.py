"""Detail for rendered faces, learnt adversarially from photographs and their smooth versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.model import Model, Turn
from voiceface.nn.face.detail_net import DetailNet
from voiceface.nn.face.patch_discriminator import PatchDiscriminator

_COVERED = 0.3
"""Share of the pictures of which a square is hidden from the discriminator."""


class DetailWeights(NamedTuple):
    """Weights of the generator's losses."""

    adversarial: float = 1.0
    pixels: float = 1.5
    """Distance of a smooth face's result from the sharp one."""
    matching: float = 2.0
    """Distance of the discriminator's maps of the two (Wang et al. 2018, equation 3)."""


class FaceDetail(Model):
    """A network that sharpens rendered faces (`voiceface.nn.face.detail_net.DetailNet`).

    A batch holds ``sharp``, ``smooth`` (n, 3, side, side) in [-1, 1], ``face``, ``known`` (n, 1, side, side)
    in [0, 1] and ``grain`` (n, 1, side, side).

    Args:
        channels: of the generator.
        discriminator_channels: of the discriminator.
        limit: largest change of luminance within a face.
        weights: of the losses.
    """

    def __init__(
        self,
        *,
        channels: Sequence[int],
        discriminator_channels: Sequence[int],
        limit: float,
        weights: DetailWeights | None = None,
    ) -> None:
        super().__init__()
        self.loss_weights = weights or DetailWeights()
        self.net = DetailNet(channels=channels, limit=limit)
        # The fourth channel says what is known of a picture.
        self.discriminator = PatchDiscriminator(channels=discriminator_channels, inputs=4, spectral=True)
        for network in (self.net, self.discriminator):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def turns(self) -> list[Turn]:
        """The discriminator, then the generator."""
        return [
            Turn("discriminator", list(self.discriminator.parameters()), self.discriminator_loss),
            Turn("generator", list(self.net.parameters()), self.generator_loss),
        ]

    def shared(self, batch: dict[str, Tensor]) -> Tensor:
        """The smooth faces, sharpened."""
        restored: Tensor = self.net(batch["smooth"], batch["face"], batch["grain"])
        return restored

    def discriminator_loss(self, batch: dict[str, Tensor], shared: Tensor) -> dict[str, Tensor]:
        """Hinge loss (Lim and Ye 2017) over patches of three sizes."""
        known = batch["known"]
        real = self.discriminator(_seen(*_alter(batch["sharp"], known)))
        fake = self.discriminator(_seen(*_alter(shared.detach(), known)))
        return {
            "loss": _mean([F.relu(1 - one) for one in real]) + _mean([F.relu(1 + one) for one in fake]),
            "real": _mean(real),
            "fake": _mean(fake),
        }

    def generator_loss(self, batch: dict[str, Tensor], shared: Tensor) -> dict[str, Tensor]:
        """Pass for photographs, and be near the own one, in pixels and in the discriminator's maps."""
        known, weights = batch["known"], self.loss_weights
        fake = self.discriminator(_seen(*_alter(shared, known)))
        own = self.discriminator.maps(_seen(shared, known))
        with torch.no_grad():
            wanted = self.discriminator.maps(_seen(batch["sharp"], known))
        # Deep maps are small under spectral norm: each distance counts by the size of its map.
        distances = [F.l1_loss(a, b) / b.abs().mean() for a, b in zip(own, wanted, strict=True)]
        matching = torch.stack(distances).mean()
        missed = (shared - batch["sharp"]) * known
        pixels = missed.abs().mean() + 2 * F.avg_pool2d(missed, 4).abs().mean()
        loss = weights.pixels * pixels + weights.matching * matching - weights.adversarial * _mean(fake)
        return {"loss": loss, "pixels": pixels, "matching": matching}

    def weights(self) -> dict[str, Tensor]:
        """Without the discriminator, which no use needs."""
        return {name: value for name, value in self.state_dict().items() if name.startswith("net.")}


def _mean(found: Sequence[Tensor]) -> Tensor:
    """Mean over patches of several sizes, each size counting alike."""
    return torch.stack([one.mean() for one in found]).mean()


def _seen(pictures: Tensor, known: Tensor) -> Tensor:
    """What the discriminator sees (n, 4, side, side): known pixels, and which they are."""
    return torch.cat([pictures * known, known], 1)


def _alter(pictures: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Change pictures and what is known of them at random, so that few photographs are not learnt by heart.

    Differentiable (Zhao et al. 2020): brightness, saturation, contrast; shifts; a square hidden.
    """
    count, _, height, width = pictures.shape
    device = pictures.device

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, 1, device=device)

    grey = pictures.mean(1, keepdim=True)
    changed = grey + (pictures - grey) * uniform(0.5, 1.5)
    mean = changed.mean((1, 2, 3), keepdim=True)
    changed = mean + (changed - mean) * uniform(0.7, 1.3) + uniform(-0.25, 0.25)
    layers = torch.cat([changed, known], 1)
    down, across = torch.randint(-24, 25, (2,)).tolist()
    layers = F.pad(layers, (across, -across, down, -down))
    size = height // 3
    rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
    top = torch.randint(-size, height, (count, 1, 1), device=device)
    left = torch.randint(-size, width, (count, 1, 1), device=device)
    hidden = (rows[:, None] - top) // size == 0
    hidden = hidden & ((columns - left) // size == 0)
    hidden = hidden & (torch.rand(count, 1, 1, device=device) < _COVERED)
    return layers[:, :3], layers[:, 3:] * ~hidden[:, None]
