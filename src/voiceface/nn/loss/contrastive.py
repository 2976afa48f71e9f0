"""Contrastive losses: a voice should be nearer to its own face than to any other of the batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


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


def supervised_contrastive(rows: Tensor, *, people: Tensor, temperature: float) -> Tensor:
    """Every row against all others, of whichever modality: its person's should be nearer than anybody's.

    Source: Khosla et al. 2020, Supervised Contrastive Learning, equation (2), the sum outside the logarithm.

    Args:
        rows: ``(n, dim)`` rows of length 1, voices and faces together.
        people: ``(n,)`` numbers; rows without another of their person are no anchors.
        temperature: what similarities are divided by.

    Returns:
        The mean over anchors of the mean over their positives, a scalar; 0 without any.

    >>> rows = torch.eye(2).repeat(2, 1)
    >>> round(supervised_contrastive(rows, people=torch.tensor([0, 1, 0, 1]), temperature=1.0).item(), 4)
    0.5514
    """
    own = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    same = (people[:, None] == people[None, :]) & ~own
    logits = (rows @ rows.T / temperature).masked_fill(own, -torch.inf)
    surprise = torch.logsumexp(logits, 1, keepdim=True) - logits
    count = same.sum(1)
    anchors = count > 0
    if not anchors.any():
        return rows.sum() * 0
    total = torch.where(same, surprise, torch.zeros_like(surprise)).sum(1)
    return (total[anchors] / count[anchors]).mean()


def sigmoid_pair_loss(
    voices: Tensor, faces: Tensor, *, people: Tensor, scale: Tensor, bias: Tensor
) -> Tensor:
    """Every voice with every face as a question of its own: one person or two?

    Source: Zhai et al. 2023, Sigmoid Loss for Language Image Pre-Training (SigLIP), section 3.2.

    Args:
        voices: ``(n, dim)`` rows of length 1.
        faces: ``(m, dim)`` rows of length 1.
        people: ``(n,)``, and of the faces the same, numbers.
        scale: what cosines are multiplied by, a scalar; learnt.
        bias: what is added, a scalar; learnt, for most pairs are of two people.

    Returns:
        The sum over pairs over the number of voices, a scalar.

    >>> rows, people = torch.eye(2), torch.tensor([0, 1])
    >>> zero = torch.tensor(0.0)
    >>> sigmoid_pair_loss(rows, rows, people=people, scale=zero, bias=zero).item() / 2
    0.6931471824645996
    """
    logits = scale * (voices @ faces.T) + bias
    sign = torch.where(people[:, None] == people[None, :], 1.0, -1.0)
    return -F.logsigmoid(sign * logits).sum() / len(voices)
