"""How any model is judged: each protocol is a function, ``voiceface.protocols.NAME``, loaded on first use.

The folder is the registry. A module that says ``PROTOCOL = function`` is a protocol under that function's
name; the others are parts of protocols.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voiceface.protocols.gallery_matching import matching as matching
    from voiceface.protocols.gallery_retrieval import retrieval as retrieval
    from voiceface.protocols.pair_verification import verification as verification
    from voiceface.protocols.paired_comparison import compare as compare

_DECLARATION = re.compile(r"^PROTOCOL = (\w+)$", re.MULTILINE)


def protocol_modules() -> dict[str, str]:
    """Every protocol's name with the dotted name of its module; none is imported.

    >>> protocol_modules()["compare"]
    'voiceface.protocols.paired_comparison'
    """
    found = {}
    for path in (file for folder in __path__ for file in Path(folder).glob("*.py")):
        declared = _DECLARATION.search(path.read_text(encoding="utf-8"))
        if declared:
            found[declared[1]] = f"{__name__}.{path.stem}"
    return dict(sorted(found.items()))


def __getattr__(name: str) -> Any:  # noqa: ANN401  whatever a protocol returns
    if name == "__all__":
        return list(protocol_modules())
    module = None if name.startswith("_") else protocol_modules().get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(module).PROTOCOL


def __dir__() -> list[str]:
    return sorted({*globals(), *protocol_modules()})


class _Package(ModuleType):
    """Keeps a protocol's name for its function: importing a module of that name would take it."""

    def __setattr__(self, name: str, value: object) -> None:
        function = getattr(value, "PROTOCOL", None) if isinstance(value, ModuleType) else None
        super().__setattr__(name, function if getattr(function, "__name__", "") == name else value)


sys.modules[__name__].__class__ = _Package
