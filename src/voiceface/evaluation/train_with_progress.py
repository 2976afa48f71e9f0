"""Training within a longer piece of work, with its progress for whoever waits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from voiceface.training.loop import train

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.training.run import Run

Tell = Callable[[str], None]
"""Is given a line of progress."""


def train_with_progress(
    run: Run, corpus: Corpus, out: Path, *, what: str, tell: Tell | None, device: str = "auto"
) -> Path:
    """Train as `train` does, and say what is trained, how far it is and of how many steps.

    Args:
        run: What to train.
        corpus: What to train on.
        out: Folder of the training; one that is trained already is not trained again, and nothing is said.
        what: The training among the others, for example ``2 of 6, C-GAN``.
        tell: Is told a line at the start and, where no terminal shows a bar, one every half a minute; None:
            quiet.
        device: As in `train`.

    Returns:
        The weights folder.

    Raises:
        InputError: as `train`.
    """
    if tell is None:
        return train(run, corpus, out, device=device, progress=False)
    if not (out / "weights" / "run.json").is_file():
        tell(f"training {what}: {run.steps:,} steps of {run.recipe}")
    return train(run, corpus, out, device=device, progress=in_terminal() or named(tell, what))


def named(tell: Tell, what: str) -> Tell:
    """A function that tells a line after the name of the work it is about.

    >>> named(print, "fold 1 of 5")("step 100 of 600")
    fold 1 of 5: step 100 of 600
    """
    return lambda line: tell(f"{what}: {line}")


def in_terminal() -> bool:
    """Whether the error stream can show a bar."""
    return sys.stderr is not None and sys.stderr.isatty()
