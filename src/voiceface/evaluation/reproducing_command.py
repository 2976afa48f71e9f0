"""The command line that reproduces a measurement."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any


def reproducing_command(words: Sequence[str], options: Mapping[str, Any]) -> str:
    """The words of a command with its options; paths of this machine belong in neither.

    >>> reproducing_command(["voiceface", "tables", "wen"], {"n": [2, 5], "per_item": False, "names": "a b"})
    "voiceface tables wen --n 2 --n 5 --no-per-item --names 'a b'"
    """
    line = [*words]
    for name, value in options.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            line.append(f"--{flag}" if value else f"--no-{flag}")
            continue
        for one in value if isinstance(value, list | tuple) else [value]:
            line += [f"--{flag}", shlex.quote(str(one))]
    return " ".join(line)
