"""What a file that was uploaded is called."""

from __future__ import annotations

import os

_LONGEST = 100


def shown_name(name: str | None, otherwise: str) -> str:
    r"""What a file that was uploaded is called: its name without folders and control characters.

    >>> shown_name("../../etc/a.wav", "voice"), shown_name("C:\\x\\y.wav", "voice"), shown_name("", "voice")
    ('a.wav', 'y.wav', 'voice')
    """
    last = os.path.basename((name or "").replace("\\", "/"))
    plain = "".join(sign if sign.isprintable() else "_" for sign in last).strip()
    if len(plain) > _LONGEST:
        plain = f"{plain[:60]}...{plain[-30:]}"
    return plain or otherwise
