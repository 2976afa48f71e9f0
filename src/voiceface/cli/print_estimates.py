"""Measured figures as a person reads them in a terminal: one a line, interval and chance beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isnan

from voiceface.cli.terminal import say
from voiceface.protocols.estimate import Estimate, number

__all__ = ["print_row", "print_rows"]


def print_rows(
    rows: Mapping[str, list[Estimate]],
    *,
    excluded: Mapping[str, int],
    notes: Iterable[str] = (),
    gallery: Mapping[str, int] | None = None,
) -> None:
    """Print every row of a report, then what did not enter it."""
    width = max((len(e.name) for row in rows.values() for e in row), default=0)
    for name, row in rows.items():
        first = row[0]
        facts = [f"{first.n:,} trials" if first.name == "AUC" else f"{first.n:,} probes"]
        facts += [f"{first.people:,} people"] if first.people else []
        facts += [f"gallery {gallery[name]:,}"] if gallery else []
        facts += [f"mean of {first.groups} folds"] if first.groups > 1 else []
        say(f"{name} ({', '.join(facts)})")
        _print_figures(row, width)
    if any(not isnan(e.low) for row in rows.values() for e in row):
        say("in brackets: 95 % interval over people")
    for what, count in excluded.items():
        say(f"left out: {what}: {count:,}")
    for note in notes:
        say(note)


def print_row(title: str, row: Iterable[Estimate]) -> None:
    """Print a few figures under a title of their own."""
    figures = list(row)
    say(f"{title} ({figures[0].n:,} trials)")
    _print_figures(figures, max(len(e.name) for e in figures))


def _print_figures(row: Iterable[Estimate], width: int) -> None:
    for one in row:
        span = "" if isnan(one.low) else f"[{number(one.low)}, {number(one.high)}]"
        say(f"  {one.name:<{width}}  {number(one.value):>6}  {span:<14}  chance {number(one.chance)}")
