"""Importing PyTorch without looking for garbage: a quarter of the time that a short command takes for it.

Its 2,000 modules make hundreds of thousands of objects that stay to the end. Python would search them for
unreachable ones again and again while they are made, and once more when the process ends.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

_NAME = "torch"


class _QuickLoader(SourceFileLoader):
    """Runs a package's own code as ever, with the search for garbage switched off."""

    def exec_module(self, module: ModuleType) -> None:
        """Run it; what exists afterwards is never searched again."""
        enabled = gc.isenabled()
        gc.disable()
        try:
            super().exec_module(module)
        finally:
            if enabled:
                gc.freeze()
                gc.enable()


class _QuickFinder:
    """Finds PyTorch where Python finds it."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of PyTorch with a loader of ours; None for all else, which other finders look for."""
        if name != _NAME:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _QuickLoader(spec.loader.name, spec.loader.path)
        return spec


def import_torch_quickly() -> None:
    """From now on; a process that has loaded PyTorch already is left as it is."""
    if _NAME not in sys.modules and _QuickFinder not in sys.meta_path:
        sys.meta_path.insert(0, _QuickFinder)
