"""How anybody's model is judged: `verification`, `matching` and `retrieval` (loaded when first asked for)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voiceface.protocols.gallery_matching import matching
    from voiceface.protocols.gallery_retrieval import retrieval
    from voiceface.protocols.pair_verification import verification

__all__ = ["matching", "retrieval", "verification"]

_MODULES = {
    "verification": "pair_verification",
    "matching": "gallery_matching",
    "retrieval": "gallery_retrieval",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401  (module protocol)
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
