"""A classifier of facial expressions: one class for every emotion of a corpus."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from voiceface.models.model import Batch, Model, Shared, Turn
from voiceface.nn.face.expression_net import ExpressionNet


class ExpressionClassifier(Model):
    """`ExpressionNet` with cross-entropy.

    Args:
        emotions: names of the classes, sorted.
        width: see `ExpressionNet`.
        features: see `ExpressionNet`.
        size: side of the pictures.
    """

    def __init__(
        self, *, emotions: Sequence[str], width: int = 16, features: int = 64, size: int = 64
    ) -> None:
        super().__init__()
        self.emotions = list(emotions)
        self.net = ExpressionNet(emotions=len(self.emotions), width=width, features=features, size=size)

    def turns(self) -> Sequence[Turn]:
        """One turn."""
        return [Turn("name", list(self.parameters()), self.error)]

    def error(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Cross-entropy of ``pictures (n, 3, side, side)`` from 0 to 255 with ``labels (n,)``."""
        scores = self.net.logits(self.net(batch["pictures"]))
        accuracy = (scores.argmax(1) == batch["labels"]).float().mean()
        return {"loss": F.cross_entropy(scores.float(), batch["labels"]), "accuracy": accuracy}
