"""From a weights folder to the model it holds: its recipe builds it, its tensors fill it."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import msgspec

from voiceface.components import SHIPPED, load_component, nearest
from voiceface.errors import InputError
from voiceface.models.model import Model
from voiceface.pipelines.bounded_tensors import BoundedTensors
from voiceface.pipelines.download_weights import download_weights
from voiceface.pipelines.hub import Repository, as_repository
from voiceface.recipes._weights import current_arguments
from voiceface.training.run import Run
from voiceface.training.weights import read_weights, resolve_weights_folder


@dataclass(frozen=True)
class Loaded:
    """A model as its weights folder holds it, in eval mode."""

    name: str
    model: Model
    card: dict[str, Any]
    """The folder's ``run.json``."""
    source: str = ""
    """What another process loads it by: shipped weights' name, ``owner/name`` or a folder's full path."""


_LOG = logging.getLogger(__name__)
_TRUSTED: dict[str, Path] = {}
"""Recipes of the user's own, by name, whose files were named as trusted."""


@contextlib.contextmanager
def trusting(path: str | Path) -> Iterator[None]:
    """Within it, weights of the recipe in this file of the user's can be loaded: its code is then run.

    Args:
        path: NAME.py with the recipe NAME, as for ``voiceface train NAME --trust NAME.py``.
    """
    before = dict(_TRUSTED)
    _TRUSTED[Path(path).stem] = Path(path)
    try:
        yield
    finally:
        _TRUSTED.clear()
        _TRUSTED.update(before)


def trusted_recipes() -> tuple[Path, ...]:
    """The full paths of the recipe files that are trusted now, for another process to trust them too."""
    return tuple(sorted(path.resolve() for path in _TRUSTED.values()))


def shipped_weights() -> dict[str, Path]:
    """Name to folder of the weights that come with the package."""
    return {path.parent.name: path.parent for path in sorted(SHIPPED.glob("*/run.json"))}


def weights_folder(weights: str | Path) -> Path:
    """The folder of shipped weights by name, of any others by path, or of a repository of the hub.

    Raises:
        InputError: none of these; the nearest shipped name is offered. Or the hub does not give it.
    """
    known = shipped_weights()
    if str(weights) in known:
        return known[str(weights)]
    if (repository := on_hub(weights)) is not None:
        return download_weights(repository)
    path = Path(weights)
    if not path.exists():
        raise InputError(
            weights, "is neither shipped weights nor a folder", nearest(str(weights), list(known))
        )
    return resolve_weights_folder(path)


def load_recipe(name: str, *, trust: str | Path | None = None) -> ModuleType:
    """The module of a recipe of ours, or of the user's own file if ``trust`` names it.

    Weights can only ever call recipes of this package; a file of the user's runs as code, so it is
    imported only when named.

    Raises:
        InputError: there is no such recipe or file, it has another name, or it cannot be run.
    """
    trust = trust if trust is not None else _TRUSTED.get(name)
    if trust is None:
        if name.endswith(".py"):
            remedy = f"name the recipe {Path(name).stem} and add --trust {name}, if you trust its code"
            raise InputError(name, "is a file, not a recipe", remedy)
        try:
            return load_component("voiceface.recipes", name)
        except InputError as error:
            known = error.remedy.startswith("did you mean")
            near = error.remedy.rstrip("?") if known else "see `voiceface list`"
            remedy = f"{near}, or name the file of your own recipe with --trust"
            raise InputError(name, error.fault, remedy) from None
    path = Path(trust)
    if path.stem != name:
        raise InputError(path, f"does not contain the recipe {name}", f"name the recipe {path.stem}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InputError(path, "is no Python file", "give the recipe's .py file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # any fault of the user's own code
        fault = f"cannot be run ({type(error).__name__}: {error})"
        raise InputError(path, fault, "correct the recipe") from error
    if not hasattr(module, "recipe"):
        raise InputError(path, "defines no recipe()", "see CONTRIBUTING.md for what a recipe is")
    return module


def load_model(weights: str | Path, *, device: str = "cpu", trust: str | Path | None = None) -> Loaded:
    """Load a weights folder, shipped weights by name, or a repository of the hub (`hub.as_repository`).

    Raises:
        InputError: it cannot be found or read, was made by another version, or does not fit its recipe.
    """
    begun, folder = time.monotonic(), weights_folder(weights)
    tensors, card = read_weights(folder)
    remedy = "use the voiceface version that trained it, or train again"
    try:
        with BoundedTensors():
            model: Model = _run(card, trust).build(card["facts"])
    except InputError:
        raise
    except Exception as error:  # arguments and facts may be anything, and so may what a recipe makes of them
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        fault = f"does not fit the recipe as it is in this version ({reason})"
        raise InputError(folder, fault, remedy) from error
    model.load_weights(tensors, source=folder)
    repository = on_hub(weights)  # whose folder in the cache is named after a commit
    source = str(repository or (weights if str(weights) in shipped_weights() else folder.resolve()))
    loaded = Loaded(str(repository or folder.resolve().name), model.eval().to(device), card, source)
    told = "%s: weights of the recipe %s, loaded on %s in %.1f s"
    _LOG.info(told, loaded.name, card["recipe"], device, time.monotonic() - begun)
    return loaded


def on_hub(weights: str | Path) -> Repository | None:
    """The repository that is meant: folders come first."""
    return None if Path(weights).exists() else as_repository(weights)


def run_of(loaded: Loaded) -> Run:
    """The training that the weights came from: their recipe with their arguments."""
    return _run(loaded.card, None)


def _run(card: dict[str, Any], trust: str | Path | None) -> Run:
    module = load_recipe(card["recipe"], trust=trust)
    arguments = current_arguments(card["arguments"], getattr(module, "RENAMED", {}))
    hints = get_type_hints(module.recipe)
    for name, value in arguments.items():
        if not _fits(value, hints.get(name)):
            raise TypeError(f"{name} is {str(value)[:40]!r}")
    run: Run = module.recipe(**arguments)
    return run


def _fits(value: Any, hint: Any) -> bool:  # noqa: ANN401  any JSON, any annotation
    """Whether a value from JSON is of an argument's type, as far as its annotation tells."""
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    for one in (value, whole):
        try:
            msgspec.convert(one, hint if hint is not None else Any)
            return True
        except msgspec.ValidationError:
            continue
        except TypeError:  # an annotation that no JSON has
            return True
    return False
