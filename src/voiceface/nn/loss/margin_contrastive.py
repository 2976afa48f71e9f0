"""Contrast by distance: own pairs drawn together, chosen others pushed beyond a margin."""

from __future__ import annotations

import torch
from torch import Tensor


def margin_contrastive(
    voices: Tensor, faces: Tensor, *, people: Tensor, margin: float, hardness: float
) -> Tensor:
    """Squared distance of own pairs and squared hinge of one other a voice and a face, chosen by hardness.

    Source: Chopra, Hadsell, LeCun 2005 (the two terms); Nagrani et al. 2018 (Learnable PINs, section 4.3),
    whose curriculum takes a negative from a place in the order of difficulty: of a probe's negatives from
    the farthest (``hardness`` 0) to the nearest (1), the one at that share of the way.

    Args:
        voices: ``(n, dim)`` rows of length 1.
        faces: ``(n, dim)``, row i of the same person as voice i.
        people: ``(n,)`` numbers; nobody's negative is of the own person.
        margin: distance beyond which a negative costs nothing.
        hardness: 0 to 1.

    Returns:
        The mean over pairs of both terms, both directions; a scalar.

    >>> rows = torch.eye(2)
    >>> loss = margin_contrastive(rows, rows, people=torch.tensor([0, 1]), margin=2.0, hardness=0.5)
    >>> loss.round(decimals=3)
    tensor(0.1720)
    """
    distance = (2 - 2 * voices @ faces.T).clamp_min(1e-12).sqrt()
    same = people[:, None] == people[None, :]
    own = torch.diagonal(distance).square().mean()
    pushed = []
    for side, alike in ((distance, same), (distance.T, same.T)):
        # Own people sort in front of every negative, as if farther than the farthest.
        order = side.masked_fill(alike, torch.inf).sort(dim=1, descending=True).values
        count = (~alike).sum(1)
        chosen = alike.sum(1) + (hardness * (count - 1).clamp_min(0)).floor().long()
        some = count > 0
        picked = order[some].gather(1, chosen[some, None])[:, 0]
        pushed.append((margin - picked).clamp_min(0).square())
    return (own + torch.cat(pushed).mean()) / 2 if len(torch.cat(pushed)) else own / 2
