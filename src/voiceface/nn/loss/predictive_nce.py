"""The loss of contrastive predictive coding (CPC): InfoNCE between predictions and latents."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def predictive_nce(predicted: Tensor, actual: Tensor) -> tuple[Tensor, Tensor]:
    """InfoNCE: every prediction must score its own latent above those of all other moments.

    Source: van den Oord et al. 2018, Representation learning with contrastive predictive coding,
    equation (4), with the log-bilinear score of equation (3); the negatives are the other moments.

    Args:
        predicted: ``(n, dim)``: W_k c_t of n moments.
        actual: ``(n, dim)``: z_{t+k}, row i of the same moment as prediction i.

    Returns:
        The mean loss, and the accuracy: the share of predictions whose own latent scores highest.

    >>> loss, accuracy = predictive_nce(torch.eye(2), torch.eye(2))
    >>> round(loss.item(), 4), accuracy.item()
    (0.3133, 1.0)
    """
    scores = predicted @ actual.T
    own = torch.arange(len(scores), device=scores.device)
    accuracy = (scores.argmax(1) == own).float().mean()
    return F.cross_entropy(scores, own), accuracy
