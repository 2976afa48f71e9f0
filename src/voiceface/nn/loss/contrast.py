"""Contrastive losses: a voice should be nearer to its own face than to any other of the batch."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["info_nce"]


def info_nce(voices: Tensor, faces: Tensor, *, people: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE over cosine, where everybody of the same person is no negative.

    Source: van den Oord et al. 2018 (equation 4), both ways as in Radford et al. 2021 (CLIP).

    Args:
        voices: ``(..., n, dim)`` rows of length 1.
        faces: ``(..., n, dim)``, row i of the same person as voice i.
        people: ``(n,)`` or ``(..., n)`` numbers; pairs of one person other than (i, i) are left out.
        temperature: what similarities are divided by.

    Returns:
        The mean over voices and faces, a scalar.

    >>> row = torch.eye(2)
    >>> round(info_nce(row, row, people=torch.tensor([0, 1]), temperature=1.0).item(), 4)
    0.3133
    """
    logits = voices @ faces.mT / temperature
    same = people[..., :, None] == people[..., None, :]
    other = torch.eye(logits.shape[-1], dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(same & ~other, -torch.inf)
    wanted = torch.diagonal(logits, dim1=-2, dim2=-1)
    return (torch.logsumexp(logits, -1) + torch.logsumexp(logits, -2) - 2 * wanted).mean() / 2
