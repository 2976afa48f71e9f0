"""Training from Python, as ``voiceface train`` does it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from voiceface.corpus.corpus import Corpus
from voiceface.pipelines.weights import load_recipe, weights_folder
from voiceface.training import loop
from voiceface.training.choose_split import read_choice


def train(
    recipe: str,
    corpus: Corpus | str | Path,
    out: str | Path,
    *,
    init: str | Path | None = None,
    split: str | None = None,
    leave_out: str | None = None,
    device: str = "auto",
    **options: Any,  # noqa: ANN401  the recipe's own
) -> Path:
    """Train a recipe on a corpus; returns the weights folder, ``out/weights``.

    A training that was stopped goes on where it was; a finished one is not repeated.

    Args:
        recipe: Name of a recipe, as ``voiceface list recipes`` shows it.
        corpus: A prepared corpus, or its folder.
        out: Folder of the training.
        init: Weights to fine-tune: a weights folder or shipped weights' name.
        split: ``authors``, ``random`` or a file of lines ``PERSON PART``.
        leave_out: A published list of trials or a file of people, who are in no part.
        device: auto, cpu, cuda, cuda:N or mps.
        **options: The recipe's options.

    Raises:
        InputError: there is no such recipe, ``out`` holds another training, or the corpus does not serve.
        TypeError: the recipe has no such option.
    """
    opened = corpus if isinstance(corpus, Corpus) else Corpus.open(corpus)
    run = load_recipe(recipe).recipe(**options)
    run = replace(run, choice=read_choice(opened, split=split, leave_out=leave_out))
    start = None if init is None else weights_folder(init)
    return loop.train(run, opened, out, device=device, init=start, progress=False)
