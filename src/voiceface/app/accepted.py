"""Which kind of answer a client wants, by its ``Accept``."""

from __future__ import annotations

from collections.abc import Sequence

from voiceface.app.refusal import Refusal
from voiceface.errors import InputError


def accepted(header: str | None, offered: Sequence[str]) -> str:
    """The media type to answer in: of those offered the one the client likes best, the first of equals.

    Source: RFC 9110, section 12.5.1.

    Raises:
        Refusal: none of them (406).

    >>> accepted("application/json, */*;q=0.1", ["image/png", "application/json"])
    'application/json'
    >>> accepted("image/*", ["image/png", "application/json"]), accepted(None, ["image/png"])
    ('image/png', 'image/png')
    """
    wishes = [_wish(part) for part in (header or "*/*").lower().split(",")]
    best, found = 0.0, ""
    for kind in offered:
        fitting = [(_exactness(wish), weight) for wish, weight in wishes if _fits(wish, kind)]
        weight = max(fitting)[1] if fitting else 0.0
        if weight > best:
            best, found = weight, kind
    if not found:
        raise Refusal(406, InputError("Accept", f"is {header!r}", f"there is {' or '.join(offered)}"))
    return found


def _wish(part: str) -> tuple[str, float]:
    kind, *parameters = (text.strip() for text in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return kind, float(parameter[2:])
            except ValueError:
                return kind, 0.0
    return kind, 1.0


def _fits(wish: str, kind: str) -> bool:
    return wish in ("*/*", kind) or (wish.endswith("/*") and wish[:-1] == kind[: len(wish) - 1])


def _exactness(wish: str) -> int:
    return 0 if wish == "*/*" else 1 if wish.endswith("/*") else 2
