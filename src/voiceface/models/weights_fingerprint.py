"""One digest for weights, wherever they are stored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor


def weights_fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of tensors by their names and float32 values, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode() + tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()
