"""Recipes loaded for a command: by name from voiceface, or from a file that the user trusts."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from voiceface.cli.options import keyword_options

RECIPES = "voiceface.recipes"


def named_recipe(name: str, tokens: Sequence[str]) -> ModuleType:
    """The module of the recipe that a command names: ours, or in the file after ``--trust``."""
    from voiceface.pipelines.weights import load_recipe

    return load_recipe(name, trust=_trusted_file(tokens))


def recipe_options(module: ModuleType, name: str) -> list[inspect.Parameter]:
    """The recipe's own options."""
    return keyword_options(module.recipe, title=f"Options of {name}")


def _trusted_file(tokens: Sequence[str]) -> Path | None:
    """The file after ``--trust``, found before parsing: it decides which options exist."""
    for index, token in enumerate(tokens):
        if token == "--trust" and index + 1 < len(tokens):
            return Path(tokens[index + 1])
        if token.startswith("--trust="):
            return Path(token.partition("=")[2])
    return None
