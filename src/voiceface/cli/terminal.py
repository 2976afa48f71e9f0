"""What is printed, and how: answers on the output stream, everything else on the error stream."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

__all__ = ["answer", "interactive", "progress_bar", "safe_streams", "say", "shown", "tell", "warn_first"]


def safe_streams() -> None:
    """Let no stream fail on a sign its encoding has not (a Windows console, bytes that are no text)."""
    for stream in (sys.stdout, sys.stderr):
        # A stream that a test or a program put there may not know how.
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def say(text: str = "") -> None:
    """Print a line of the answer."""
    print(text)


def tell(text: str) -> None:
    """Print one line beside the answer: a warning, what is being done."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print("voiceface: " + " ".join(shown(text).split()), file=sys.stderr, flush=True)


def warn_first(lines: Sequence[str], most: int = 5) -> None:
    """Tell the first few of many lines, and how many more there are."""
    for line in lines[:most]:
        tell(line)
    if len(lines) > most:
        tell(f"... and {len(lines) - most:,} more such (--json tells all)")


def answer(value: Any) -> None:  # noqa: ANN401  whatever JSON holds
    """Print the answer as JSON, in ASCII: every name comes back whole, whatever the terminal."""
    print(json.dumps(value, indent=2, allow_nan=False, default=str))


def shown(name: str | Path) -> str:
    r"""A file's name or a message as a terminal may show it: control signs as escapes.

    >>> print(shown("a\x1b[2Jb.wav"))
    a\x1b[2Jb.wav
    """
    text = str(name)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == " " else repr(c)[1:-1] for c in text)


def interactive(stream: TextIO | None = None) -> bool:
    """Whether somebody watches the error stream."""
    stream = stream or sys.stderr
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


@contextlib.contextmanager
def progress_bar(title: str, *, shown: bool = True) -> Iterator[Callable[[int, int], None]]:
    """A function ``(done, total)`` that moves a bar on the error stream, if somebody watches it."""
    if not (shown and interactive()):
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
