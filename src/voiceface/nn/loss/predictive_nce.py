"""Contrastive prediction: what was predicted should be found among what came elsewhere."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["predictive_nce"]


def predictive_nce(predicted: Tensor, came: Tensor) -> tuple[Tensor, Tensor]:
    """InfoNCE: every prediction must find its own latent among those of all moments.

    Source: van den Oord et al. 2018, Representation learning with contrastive predictive coding,
    equation (4), with the log-bilinear score of equation (3); the negatives are the other rows.

    Args:
        predicted: ``(n, dim)``: W_k c_t of n moments.
        came: ``(n, dim)``: z_{t+k}, row i of the same moment.

    Returns:
        The mean loss and the share of predictions whose own latent scores highest, scalars.

    >>> loss, right = predictive_nce(torch.eye(2), torch.eye(2))
    >>> round(loss.item(), 4), right.item()
    (0.3133, 1.0)
    """
    scores = predicted @ came.T
    own = torch.arange(len(scores), device=scores.device)
    right = (scores.argmax(1) == own).float().mean()
    return F.cross_entropy(scores, own), right
