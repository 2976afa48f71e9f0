"""Figures of yes-or-no decisions on pairs of one person's and of two people's items."""

from __future__ import annotations

from voiceface.metrics.figure import Figure
from voiceface.metrics.roc import Floats


def accuracy(accepted: Floats, refused: Floats, totals: Floats) -> Floats:
    """Share of right decisions.

    Args:
        accepted: (k,) positives accepted.
        refused: (k,) negatives refused.
        totals: (2,) or (2, k) positives and negatives in all.
    """
    return (accepted + refused) / totals.sum(axis=0)  # type: ignore[no-any-return]


def balanced_accuracy(accepted: Floats, refused: Floats, totals: Floats) -> Floats:
    """Mean of the shares of right decisions of each class; arguments as in `accuracy`."""
    return (accepted / totals[0] + refused / totals[1]) / 2.0  # type: ignore[no-any-return]


def f1(accepted: Floats, refused: Floats, totals: Floats) -> Floats:
    """Harmonic mean of precision and recall of the positives; arguments as in `accuracy`."""
    return 2.0 * accepted / (accepted + totals[1] - refused + totals[0])  # type: ignore[no-any-return]


_RULE = "accepted where distance <= threshold"
ACCURACY = Figure(
    name="accuracy",
    of="decisions",
    function=accuracy,
    chance=lambda positives, negatives: max(positives, negatives) / (positives + negatives),
    convention=f"{_RULE}; chance: the larger class always",
    order=1,
)
BALANCED_ACCURACY = Figure(
    name="balanced accuracy",
    of="decisions",
    function=balanced_accuracy,
    chance=0.5,
    convention="mean of the shares right of each class",
    order=2,
)
F1 = Figure(
    name="F1",
    of="decisions",
    function=f1,
    chance=lambda positives, negatives: 2 * positives / (2 * positives + negatives),
    convention="of one person's pairs, at the accuracy's threshold; chance: all accepted",
    order=3,
)
