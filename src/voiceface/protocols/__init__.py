"""How anybody's model is judged: `verification`, `matching` and `retrieval` (loaded when first asked for)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voiceface.protocols.match import matching
    from voiceface.protocols.retrieve import retrieval
    from voiceface.protocols.verify import verification

__all__ = ["matching", "retrieval", "verification"]

_ROOMS = {"verification": "verify", "matching": "match", "retrieval": "retrieve"}


def __getattr__(name: str) -> Any:  # noqa: ANN401  (module protocol)
    if name in _ROOMS:
        return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
