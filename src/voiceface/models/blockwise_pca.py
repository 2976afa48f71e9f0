"""Reduction of wide embeddings of several kinds to a few hundred dimensions, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Block(NamedTuple):
    """One kind of features in an embedding."""

    width: int
    kept: int
    """Principal components kept; as many as the width leaves the block as it is but for mean and scale."""
    weight: float
    """Root of the variance of the whole block after reduction."""


class BlockwisePca(nn.Module):
    """Linear: each block is centred and scaled to one deviation, and its first principal components are kept.

    Args:
        blocks: in the order of the dimensions.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.blocks = tuple(Block(*block) for block in blocks)
        self.width, self.dim = sum(b.width for b in self.blocks), sum(b.kept for b in self.blocks)
        self.register_buffer("mean", torch.zeros(self.width))
        for k, block in enumerate(self.blocks):
            self.register_buffer(f"map_{k}", torch.zeros(block.width, block.kept))

    def fit(self, rows: Tensor) -> None:
        """Compute means and maps from rows ``(n, width)``; components beyond the number of rows stay zero."""
        with torch.no_grad():
            self.get_buffer("mean").copy_(rows.double().mean(0))
            for k, (block, part) in enumerate(zip(self.blocks, self._parts(rows), strict=True)):
                self.get_buffer(f"map_{k}").copy_(_map(part.double(), block))

    def forward(self, rows: Tensor) -> Tensor:
        """Reduce rows ``(..., width)`` to ``(..., dim)``."""
        parts = self._parts(rows - self.get_buffer("mean"))
        return torch.cat([part @ self.get_buffer(f"map_{k}") for k, part in enumerate(parts)], dim=-1)

    def _parts(self, rows: Tensor) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = torch.functional.split(rows, [b.width for b in self.blocks], dim=-1)
        return found


def _map(rows: Tensor, block: Block) -> Tensor:
    centred = rows - rows.mean(0)
    if block.kept >= block.width:
        turned = torch.eye(block.width, dtype=rows.dtype, device=rows.device)
    else:
        spread = centred.std(0, correction=0)
        # Nearly constant dimensions would be blown up to the scale of the others.
        scale = spread.clamp_min(0.1 * float(spread.median())).clamp_min(1e-6)
        standard = centred / scale
        _, values, right = torch.linalg.svd(standard, full_matrices=False)
        real = right[: block.kept][values[: block.kept] > 1e-9 * values[0].clamp_min(1e-12)]
        turned = rows.new_zeros(block.width, block.kept)
        turned[:, : len(real)] = real.T / scale[:, None]
    length = (centred @ turned).square().sum(1).mean().sqrt()
    return turned * (block.weight / length.clamp_min(1e-9))
