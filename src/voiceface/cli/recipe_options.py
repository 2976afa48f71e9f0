"""Recipes loaded for a command: by name from voiceface, or from a file that the user trusts."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from voiceface.cli.options import keyword_options
from voiceface.components import load_component
from voiceface.errors import InputError

__all__ = ["RECIPES", "load_recipe", "recipe_options", "trusted_recipe_file"]

RECIPES = "voiceface.recipes"


def load_recipe(name: str, tokens: Sequence[str]) -> ModuleType:
    """The recipe's module; a file of the user only with ``--trust FILE`` in the tokens.

    Raises:
        InputError: there is no such recipe, or the trusted file has another name or cannot be run.
    """
    file = trusted_recipe_file(tokens)
    if file is None:
        if name.endswith(".py"):
            remedy = f"name the recipe {Path(name).stem} and add --trust {name}, if you trust its code"
            raise InputError(name, "is a file, not a recipe", remedy)
        return load_component(RECIPES, name)
    if file.stem != name:
        raise InputError(file, f"does not contain the recipe {name}", f"name the recipe {file.stem}")
    from voiceface.pipelines.weights import load_recipe as load

    try:
        return load(name, trust=file)
    except InputError:
        raise
    except Exception as error:  # any fault of the user's own code
        fault = f"cannot be run ({type(error).__name__}: {error})"
        raise InputError(file, fault, "correct the recipe") from error


def recipe_options(module: ModuleType, name: str) -> list[inspect.Parameter]:
    """The recipe's own options."""
    return keyword_options(module.recipe, title=f"Options of {name}")


def trusted_recipe_file(tokens: Sequence[str]) -> Path | None:
    """The file after ``--trust``, found before parsing: it decides which options exist."""
    for index, token in enumerate(tokens):
        if token == "--trust" and index + 1 < len(tokens):
            return Path(tokens[index + 1])
        if token.startswith("--trust="):
            return Path(token.partition("=")[2])
    return None
