"""How far a preparation is: figures for programs, a bar for people."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a preparation is, in items."""

    done: int
    total: int
    rejected: int
    seconds: float
    already_done: int = 0
    """Of `done`, what an earlier run had finished."""

    @property
    def rate(self) -> float:
        """Items a second in this run."""
        return (self.done - self.already_done) / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds to go at this rate, None before it is known."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None


@contextlib.contextmanager
def show_progress(progress: bool | Callable[[Progress], None]) -> Iterator[Callable[[Progress], None]]:
    """A function that takes the progress: the caller's own, a bar on the error stream, or nothing."""
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda state: None
    else:
        with _bar() as show:
            yield show


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("preparing", total=None, status="")

        def show(state: Progress) -> None:
            status = f"{state.rate:.1f} items/s, {_clock(state.seconds_left)} left, {state.rejected} rejected"
            bar.update(task, completed=state.done, total=state.total, status=status)

        yield show


def _clock(seconds: float | None) -> str:
    """Hours, minutes and seconds.

    >>> _clock(3725.4), _clock(59), _clock(None)
    ('1:02:05', '0:59', '?')
    """
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
