"""Printing: results on the output stream, everything else on the error stream."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

_LOG = logging.getLogger("voiceface")


def safe_streams() -> None:
    """Let no stream fail on a character that its encoding lacks (a Windows console, undecodable bytes)."""
    for stream in (sys.stdout, sys.stderr):
        # A stream that a test or a program put there may lack the method.
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def print_line(text: str = "") -> None:
    """Print a line of the result."""
    print(text)


def show_log(level: int) -> None:
    """Print what the package logs from this level on, a line each, on the error stream."""
    if not any(isinstance(handler, _OneLine) for handler in _LOG.handlers):
        _LOG.addHandler(_OneLine())
    _LOG.setLevel(level)


def log_line(text: str) -> None:
    """Print one line on the error stream: a warning, or what is being done; nothing with --quiet."""
    _LOG.warning("%s", text)


def log_error(text: str) -> None:
    """Print the one line of an error."""
    _LOG.error("%s", text)


class _OneLine(logging.Handler):
    """Prints on the error stream of the moment, which a test or program may have replaced."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):
                text = " ".join(printable(record.getMessage()).split())
                print(f"voiceface: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def warnings_on_one_line() -> Iterator[None]:
    """Print Python's warnings as every other message, without the place in the code that they come from."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        log_line(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def warn_first(lines: Sequence[str], most: int = 5) -> None:
    """Print the first few of many warnings, and how many more there are."""
    for line in lines[:most]:
        log_line(line)
    if len(lines) > most:
        log_line(f"... and {len(lines) - most:,} more (--json lists all)")


def print_json(value: Any) -> None:  # noqa: ANN401  any JSON value
    """Print the result as JSON, in ASCII: every name survives any terminal."""
    print(json.dumps(value, indent=2, allow_nan=False, default=str))


def printable(name: str | Path) -> str:
    r"""A file's name or a message with control characters escaped.

    >>> print(printable("a\x1b[2Jb.wav"))
    a\x1b[2Jb.wav
    """
    text = str(name)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == " " else repr(c)[1:-1] for c in text)


def interactive(stream: TextIO | None = None) -> bool:
    """Whether progress is shown: the error stream is a terminal, and --quiet was not given."""
    stream = stream or sys.stderr
    try:
        return stream is not None and stream.isatty() and _LOG.isEnabledFor(logging.WARNING)
    except ValueError:  # closed
        return False


def now_and_then(seconds: float = 30.0) -> Callable[[str], None]:
    """A function that prints the line it is given, if the one before is so many seconds ago."""
    last = time.monotonic()

    def line(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            log_line(text)

    return line


@contextlib.contextmanager
def progress_bar(title: str, *, enabled: bool = True) -> Iterator[Callable[[int, int], None]]:
    """A function ``(done, total)`` that moves a bar on the error stream; a line now and then in a log."""
    if not (enabled and interactive()):
        line = now_and_then()
        yield lambda done, total: line(f"{title}: {done:,} of {total:,}")
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
