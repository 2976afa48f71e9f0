"""Recipes as the commands load them: by name from voiceface, or from a file the user trusts."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from voiceface.cli.options import keyword_options
from voiceface.components import load_component
from voiceface.errors import InputError

__all__ = ["RECIPES", "load_recipe", "recipe_options", "trusted"]

RECIPES = "voiceface.recipes"


def load_recipe(name: str, tokens: Sequence[str]) -> ModuleType:
    """The recipe's module; a file of the user's own only where ``--trust FILE`` stands in the tokens.

    Raises:
        InputError: there is no such recipe, the trusted file is not of its name, or cannot be run.
    """
    file = trusted(tokens)
    if file is None:
        if name.endswith(".py"):
            remedy = f"name the recipe {Path(name).stem} and add --trust {name}, if you trust its code"
            raise InputError(name, "is a file, not a recipe", remedy)
        return load_component(RECIPES, name)
    if file.stem != name:
        raise InputError(file, f"does not hold the recipe {name}", f"name the recipe {file.stem}")
    from voiceface.pipelines.weights import load_recipe as load

    try:
        return load(name, trust=file)
    except InputError:
        raise
    except Exception as error:  # whatever the user's own code does wrong
        fault = f"cannot be run ({type(error).__name__}: {error})"
        raise InputError(file, fault, "correct the recipe") from error


def recipe_options(module: ModuleType, name: str) -> list[inspect.Parameter]:
    """The recipe's own options."""
    return keyword_options(module.recipe, title=f"Options of {name}")


def trusted(tokens: Sequence[str]) -> Path | None:
    """The file after ``--trust``, looked for before all is parsed: it decides which options there are."""
    for index, token in enumerate(tokens):
        if token == "--trust" and index + 1 < len(tokens):
            return Path(tokens[index + 1])
        if token.startswith("--trust="):
            return Path(token.partition("=")[2])
    return None
