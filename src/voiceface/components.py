"""The folder is the registry: components are listed by walking a package, and loaded by name."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from pathlib import Path
from types import ModuleType

from voiceface.errors import InputError

Packages = str | tuple[str, ...]

SHIPPED = Path(__file__).parent / "shipped"
"""The folder of the trained weights that come with the package, each in a folder of its own."""
SOURCES = ("voiceface.corpus.sources", "voiceface.synthetic.sources")
"""Packages of corpus sources: those that read a data set, and the one that makes synthetic people."""


def component_names(packages: Packages) -> list[str]:
    """Names of the modules and folders right inside a package or several, sorted; none of them is imported.

    >>> "student" in component_names("voiceface.models.encoders")
    True
    """
    return sorted(component_modules(packages))


def load_component(packages: Packages, name: str) -> ModuleType:
    """Import one component of a package or several; ``a+b`` and ``a-b`` are the file ``a_b``.

    Raises:
        InputError: there is none of that name; the error suggests the nearest.
    """
    module = name.replace("+", "_").replace("-", "_")
    found = component_modules(packages)
    if module not in found:
        first = packages if isinstance(packages, str) else packages[0]
        kind = first.rpartition(".")[2].removesuffix("s")
        raise InputError(name, f"is not a known {kind}", nearest(name, sorted(found)))
    return importlib.import_module(found[module])


def component_modules(packages: Packages) -> dict[str, str]:
    """Each component's name with the dotted name of its module."""
    found: dict[str, str] = {}
    for package in (packages,) if isinstance(packages, str) else packages:
        spec = importlib.util.find_spec(package)
        folders = list(spec.submodule_search_locations or []) if spec else []
        names = (module.name for module in pkgutil.iter_modules(folders))
        found |= {name: f"{package}.{name}" for name in names if not name.startswith("_")}
    return found


def nearest(name: str, names: list[str]) -> str:
    """The remedy for a name that is not among the known ones.

    >>> nearest("matchr", ["matcher", "voice_student"])
    "did you mean 'matcher'?"
    """
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names) or 'none'}"
