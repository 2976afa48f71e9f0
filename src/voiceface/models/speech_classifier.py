"""A classifier of known speakers from four seconds of speech, trained for the encoder below it.

Source: Roldán 2018, section VI: "training the audio encoder network with a speaker recognition task".
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.models.conditions import Speech
from voiceface.models.model import Batch, Model, Shared, Turn


class SpeechClassifier(Model):
    """Classifies the speaker of a frame of speech; a batch holds ``waves (n, 64000)`` and ``people (n,)``.

    Args:
        speech: the encoder.
        classes: number of people.
    """

    class_heads = ("head",)

    def __init__(self, speech: Speech, *, classes: int) -> None:
        super().__init__()
        self.speech, self.head = speech, nn.Linear(speech.dim, classes)

    def turns(self) -> Sequence[Turn]:
        """One turn."""
        return [Turn("speaker", list(self.parameters()), self.classifier_loss)]

    def classifier_loss(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Cross-entropy on the logits."""
        logits = self.logits(batch)
        accuracy = (logits.argmax(1) == batch["people"]).float().mean()
        return {"loss": F.cross_entropy(logits.float(), batch["people"]), "accuracy": accuracy}

    def logits(self, batch: Batch) -> Tensor:
        """Of the speakers, ``(n, classes)``, from a batch's ``waves``."""
        logits: Tensor = self.head(self.speech(batch))
        return logits
