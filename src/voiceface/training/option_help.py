"""The help of options that mean the same in several recipes, written once."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

Recipe = TypeVar("Recipe", bound=Callable[..., object])

_STANDARD = {
    "voice_encoder": "voice encoder: its name, or the path of its weights (docs/encoders.md)",
    "face_encoder": "face encoder: its name, or the path of its weights (docs/encoders.md)",
    "size": "side of the pictures in pixels",
    "template": "alignment of the faces: dlib, arcface, wen, head or portrait",
    "dim": "width of an embedding",
    "lr": "learning rate",
    "weight_decay": "AdamW's weight decay",
    "steps": "training steps",
    "every": "steps between validations",
    "ema": "decay a step of the exponential average of the weights, which is then exported; 0 for none",
    "minimum": "people with fewer recordings are left out",
    "validation": "share of the people to select the best step on",
    "test": "share of the people that nothing is trained or selected on",
    "leave_out": "people to exclude from all parts, separated by commas, to be tested on as unknown",
    "wrong_labels": "give every training person somebody else's faces: a control that must end at chance",
    "wrong_sound": "give every clip the sound of another clip: a control that must end at chance",
    "seed": "random seed",
}

CLIP_OPTIONS = {
    "validation": "share of the people (of clips, for people with many) to select the best step on",
    "test": "share of them that nothing is trained or selected on",
}
"""What `voiceface.corpus.clip_splits.split_clips` divides."""


def option_help(family: Mapping[str, str] | None = None) -> Callable[[Recipe], Recipe]:
    r"""Complete a recipe's docstring with a line of help for every option that its ``Args:`` leaves out.

    A recipe so describes its own options, and a standard one only where it says more.

    Args:
        family: help of what this and related recipes share; it comes before the standard help.

    >>> @option_help({"groups": "number of groups"})
    ... def recipe(*, lr: float = 0.1, groups: int = 2, seed: int = 0) -> None:
    ...     '''The run.
    ...
    ...     Args:
    ...         lr: Adam's learning rate
    ...     '''
    >>> print(recipe.__doc__)
    The run.
    <BLANKLINE>
    Args:
        groups: number of groups
        seed: random seed
        lr: Adam's learning rate
    """
    help_texts = _STANDARD | dict(family or {})

    def complete(recipe: Recipe) -> Recipe:
        head, _, own = (inspect.getdoc(recipe) or "").partition("\n\nArgs:\n")
        described = re.findall(r"^    (\w+):", own, re.MULTILINE)
        shared = [
            f"    {name}: {help_texts[name]}"
            for name in inspect.signature(recipe).parameters
            if name in help_texts and name not in described
        ]
        recipe.__doc__ = "\n".join([f"{head}\n\nArgs:", *shared, *own.splitlines()])
        return recipe

    return complete
