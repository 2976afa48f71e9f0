"""Orthogonal projection: embeddings of one person align, embeddings of two people are orthogonal."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def orthogonal_projection(rows: Tensor, *, people: Tensor) -> Tensor:
    """One minus the mean cosine of two rows of one person, plus the size of that of two people.

    Source: Ranasinghe et al. 2021, Orthogonal Projection Loss, as Saeed et al. 2022 (FOP) use it. The second
    term is the absolute value of the mean, not the mean of absolute values. A term without a pair is 0.

    Args:
        rows: ``(n, dim)``, of any length.
        people: ``(n,)`` numbers.

    Returns:
        A scalar.

    >>> orthogonal_projection(torch.eye(2), people=torch.tensor([0, 0])).item()
    1.0
    """
    cosine = F.normalize(rows, dim=1) @ F.normalize(rows, dim=1).T
    same = people[:, None] == people[None, :]
    same_other = same & ~torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    loss = rows.new_zeros(())
    if same_other.any():
        loss = loss + 1 - cosine[same_other].mean()
    if not same.all():
        loss = loss + cosine[~same].mean().abs()
    return loss
