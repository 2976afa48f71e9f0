"""Several projection heads in one batched product: an ensemble that costs little more than one head."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Heads(nn.Module):
    """``count`` perceptrons of one hidden layer, each with weights of its own.

    Args:
        width: numbers of a row.
        hidden: hidden units of a head.
        dim: numbers of a head's answer.
        count: heads.
        dropout: share of hidden units dropped while learning.
    """

    def __init__(self, *, width: int, hidden: int, dim: int, count: int, dropout: float) -> None:
        super().__init__()
        self.into = nn.Parameter(torch.empty(count, width, hidden).uniform_(-1, 1) / width**0.5)
        self.into_bias = nn.Parameter(torch.zeros(count, 1, hidden))
        # Zero at first: the heads begin by adding nothing to what they correct.
        self.out = nn.Parameter(torch.zeros(count, hidden, dim))
        self.out_bias = nn.Parameter(torch.zeros(count, 1, dim))
        self.dropout = dropout

    def forward(self, rows: Tensor) -> Tensor:
        """Answer ``(count, n, dim)`` to rows ``(n, width)``, or ``(count, n, width)``: each head its own."""
        rows = rows.expand(len(self.into), -1, -1)
        hidden = F.relu(torch.baddbmm(self.into_bias, rows, self.into))
        hidden = F.dropout(hidden, self.dropout, self.training)
        return torch.baddbmm(self.out_bias, hidden, self.out)
