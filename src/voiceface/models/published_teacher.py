"""A published network as a teacher: from faces of any size to the targets of a student."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from voiceface.errors import InputError

Output = TypeVar("Output")


class PublishedTeacher:
    """A frozen network with its preparation of pictures.

    Args:
        name: of the teacher.
        network: from ``(n, 3, side, side)``, from 0 to 255 less the means, to ``(n, dim)``.
        dim: size of an embedding.
        fingerprint: of its weights.
        side: side in pixels of the faces it was trained on.
        means: of red, green and blue.
        device: where it runs.
    """

    name: str
    dim: int
    fingerprint: str
    """Identifies the weights."""

    _BATCH = 16

    def __init__(
        self,
        name: str,
        network: nn.Module,
        *,
        dim: int,
        fingerprint: str,
        side: int,
        means: Sequence[float],
        device: str = "cpu",
    ) -> None:
        self.network = network.eval().requires_grad_(False).to(device)
        self.name, self.dim, self.fingerprint = name, dim, fingerprint
        self.side, self.device = side, device
        self._means = torch.tensor(means, device=device)[:, None, None]

    def embed(self, pictures: Tensor) -> Tensor:
        """Embed faces ``(n, 3, any side, the same)``, RGB from 0 to 255: ``(n, dim)``, on their device.

        Raises:
            InputError: another shape.
        """
        return torch.cat(list(self._each(self.network, pictures))).to(pictures.device)

    def _each(self, run: Callable[[Tensor], Output], pictures: Tensor) -> Iterator[Output]:
        """The output of a part of the network, a few pictures at a time."""
        for some in self._prepared(pictures):
            # A trainer's autocast and gradients must not reach a teacher; but its output may be part of a
            # student's loss, which inference mode would forbid.
            with torch.no_grad(), torch.autocast(torch.device(self.device).type, enabled=False):
                yield run(some)

    def _prepared(self, pictures: Tensor) -> Iterator[Tensor]:
        shape = tuple(pictures.shape)
        if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3] or not shape[2]:
            raise InputError("faces", f"have the shape {shape}", "give (n, 3, side, side), RGB from 0 to 255")
        for some in torch.split(pictures, self._BATCH):
            some = some.detach().to(self.device).float()
            if shape[3] != self.side:
                # Antialiased where it is reduced.
                some = nn.functional.interpolate(
                    some, size=self.side, mode="bilinear", align_corners=False, antialias=shape[3] > self.side
                )
            yield some - self._means
