"""Ridge regression whose penalty does not depend on the scale of the inputs."""

from __future__ import annotations

import torch
from torch import Tensor


def ridge_map(inputs: Tensor, targets: Tensor, penalty: float) -> Tensor:
    """Map (inputs' width, targets' width) of centred rows.

    Args:
        inputs: (n, width).
        targets: (n, width).
        penalty: in units of an input dimension's mean variance.
    """
    gram = inputs.T @ inputs / len(inputs)
    scale = gram.diagonal().mean().clamp_min(1e-12)
    damped = gram + penalty * scale * torch.eye(len(gram))
    found: Tensor = torch.linalg.solve(damped, inputs.T @ targets / len(inputs))
    return found
