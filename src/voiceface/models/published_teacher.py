"""A network that others published, as a teacher: faces of any side in, what a student must learn out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from voiceface.errors import InputError

__all__ = ["PublishedTeacher"]

Seen = TypeVar("Seen")


class PublishedTeacher:
    """A frozen network behind its own preparation of pictures.

    Args:
        name: of the teacher.
        network: takes ``(n, 3, side, side)`` from 0 to 255 less the means and gives ``(n, dim)``.
        dim: numbers of a face.
        fingerprint: of its weights.
        side: pixels of the faces that it was trained on.
        means: of red, green and blue.
        device: where it runs.
    """

    name: str
    dim: int
    fingerprint: str
    """Names the weights: what was learnt from one teacher is not compared with another's."""

    _AT_ONCE = 16

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
        """Describe faces ``(n, 3, any side, the same)``, RGB from 0 to 255: ``(n, dim)``, where they lie.

        Raises:
            InputError: another shape.
        """
        return torch.cat(list(self._each(self.network, pictures))).to(pictures.device)

    def _each(self, look: Callable[[Tensor], Seen], pictures: Tensor) -> Iterator[Seen]:
        """What a part of the network sees, a few pictures at once."""
        for some in self._prepared(pictures):
            # Neither a trainer's autocast nor its gradients must reach a teacher; but what it gives may
            # stand in a student's loss, which inference mode would forbid.
            with torch.no_grad(), torch.autocast(torch.device(self.device).type, enabled=False):
                yield look(some)

    def _prepared(self, pictures: Tensor) -> Iterator[Tensor]:
        shape = tuple(pictures.shape)
        if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3] or not shape[2]:
            raise InputError("faces", f"have the shape {shape}", "give (n, 3, side, side), RGB from 0 to 255")
        for some in torch.split(pictures, self._AT_ONCE):
            some = some.detach().to(self.device).float()
            if shape[3] != self.side:
                # Smoothed where it shrinks, or fine patterns would turn into coarse ones.
                some = nn.functional.interpolate(
                    some, size=self.side, mode="bilinear", align_corners=False, antialias=shape[3] > self.side
                )
            yield some - self._means
