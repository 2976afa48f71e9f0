"""The folder is the registry: components are listed by walking a package, and loaded by name."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from types import ModuleType

from voiceface.errors import InputError

__all__ = ["component_names", "load_component", "nearest"]


def component_names(package: str) -> list[str]:
    """Names of the modules and folders right inside a package, sorted; none of them is imported.

    >>> "student" in component_names("voiceface.systems.encoders")
    True
    """
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    return sorted(found.name for found in pkgutil.iter_modules(places) if not found.name.startswith("_"))


def load_component(package: str, name: str) -> ModuleType:
    """Import one component of a package; ``a+b`` and ``a-b`` are the file ``a_b``.

    Raises:
        InputError: there is none of that name; the nearest one is offered.
    """
    module = name.replace("+", "_").replace("-", "_")
    names = component_names(package)
    if module not in names:
        kind = package.rpartition(".")[2].removesuffix("s")
        raise InputError(name, f"is no {kind}", nearest(name, names))
    return importlib.import_module(f"{package}.{module}")


def nearest(name: str, names: list[str]) -> str:
    """The remedy for a name that is not among the known ones.

    >>> nearest("matchr", ["matcher", "voice_student"])
    "did you mean 'matcher'?"
    """
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names) or 'none'}"
