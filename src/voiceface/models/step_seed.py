"""Random numbers of a training step: a function of the seed and the step, of nothing that came before."""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def step_seed(*parts: int | str) -> int:
    """A seed of 64 bits for these parts (seed, step, item...), by a hash: near parts give unrelated seeds.

    >>> step_seed(0, 1) == step_seed(0, 1), step_seed(0, 1) == step_seed(1, 0)
    (True, False)
    """
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def numpy_generator(*parts: int | str) -> np.random.Generator:
    """A numpy generator seeded by `step_seed`."""
    return np.random.default_rng(step_seed(*parts))


def torch_generator(*parts: int | str) -> torch.Generator:
    """A torch generator on the CPU seeded by the upper 63 bits of `step_seed`."""
    return torch.Generator().manual_seed(step_seed(*parts) >> 1)
