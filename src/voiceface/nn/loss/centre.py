"""Centre losses: a person's features, of whichever modality, should lie close together."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def batch_centre_loss(features: Tensor, people: Tensor) -> Tensor:
    """Sum of squared distances of every feature to the mean of its person's features in the batch.

    Source: Nawaz et al. 2019 (SSNet), equation (1), summed over the people of the mini-batch. Printed
    equation (2) adds each person's whole sum once an item of theirs; taken literally that weighs a
    person by the square of the own items, so the sum goes over people, as the text says.

    Args:
        features: (n, dim).
        people: (n,) numbers.

    Returns:
        A scalar; 0 where everybody is there once.

    >>> batch_centre_loss(torch.tensor([[0.0], [2.0], [5.0]]), torch.tensor([1, 1, 2])).item()
    2.0
    """
    _, group = torch.unique(people, return_inverse=True)
    count = torch.zeros(int(group.max()) + 1, device=features.device).index_add_(
        0, group, torch.ones_like(group, dtype=torch.float32)
    )
    sums = torch.zeros(len(count), features.shape[1], dtype=features.dtype, device=features.device)
    centres = sums.index_add(0, group, features) / count[:, None].to(features.dtype)
    return (features - centres[group]).square().sum()


class RunningCentres(nn.Module):
    """A centre a class that follows its features; the loss pulls features to it.

    Source: Wen, Zhang, Li, Qiao 2016, A discriminative feature learning approach for deep face
    recognition: loss (2), centres by equation (4) with rate ``rate``. Centres are no parameters: they are
    moved by `follow` after the step, not by the gradient.

    Args:
        classes: number of people.
        dim: numbers of a feature.
        rate: how far a centre moves towards its features in a step (the paper's alpha, 0.5).
    """

    def __init__(self, *, classes: int, dim: int, rate: float = 0.5) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("centres", torch.zeros(classes, dim))

    def forward(self, features: Tensor, people: Tensor) -> Tensor:
        """The sum of squared distances of features (n, dim) to their people's centres, a scalar."""
        return (features - self.get_buffer("centres")[people]).square().sum()

    @torch.no_grad()
    def follow(self, features: Tensor, people: Tensor) -> None:
        """Move the centres of the people in the batch: by rate * sum(centre - feature) / (1 + count)."""
        centres = self.get_buffer("centres")
        count = torch.zeros(len(centres), device=features.device).index_add_(
            0, people, torch.ones_like(people, dtype=torch.float32)
        )
        away = torch.zeros_like(centres).index_add_(0, people, centres[people] - features.to(centres.dtype))
        centres -= self.rate * away / (1 + count)[:, None]
