"""The command line; `main` is what the command ``voiceface`` runs."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(tokens: Sequence[str] | None = None) -> int:
    """Run one command (by default the process's own arguments); returns the exit code."""
    from voiceface.cli.app import run

    return run(tokens)
