"""Print figures in a terminal: one per line, with interval and chance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING

from voiceface.cli.terminal import print_line

if TYPE_CHECKING:
    from voiceface.protocols.estimate import Estimate
    from voiceface.synthetic.ground_truth import CeilingTable


def print_rows(
    rows: Mapping[str, list[Estimate]],
    *,
    excluded: Mapping[str, int],
    notes: Iterable[str] = (),
    gallery: Mapping[str, int] | None = None,
    unit: str = "",
) -> None:
    """Print every row of a report, then what was excluded from it.

    Args:
        rows: Figures by stratum, direction or side.
        excluded: What was excluded, and how many.
        notes: Further lines.
        gallery: Size of each row's gallery.
        unit: What is counted; by default trials of verification and probes of the other protocols.
    """
    width = max((len(e.name) for row in rows.values() for e in row), default=0)
    for name, row in rows.items():
        first = row[0]
        facts = [f"{first.n:,} {unit or ('trials' if first.name == 'AUC' else 'probes')}"]
        facts += [f"{first.people:,} people"] if first.people else []
        facts += [f"gallery {gallery[name]:,}"] if gallery else []
        facts += [f"mean of {first.groups} folds"] if first.groups > 1 else []
        print_line(f"{name} ({', '.join(facts)})")
        _print_figures(row, width)
    if any(not isnan(e.low) for row in rows.values() for e in row):
        print_line("in brackets: 95 % interval over people")
    for what, count in excluded.items():
        print_line(f"excluded: {what}: {count:,}")
    for note in notes:
        print_line(note)


def print_row(title: str, row: Iterable[Estimate]) -> None:
    """Print a few figures under a title of their own."""
    figures = list(row)
    print_line(f"{title} ({figures[0].n:,} trials)")
    _print_figures(figures, max(len(e.name) for e in figures))


def _print_figures(row: Sequence[Estimate], width: int) -> None:
    from voiceface.protocols.estimate import number

    for one in row:
        interval = "" if isnan(one.low) else f"[{number(one.low)}, {number(one.high)}]"
        chance = f"chance {number(one.chance)}" + (f"  n {one.n:,}" if one.n != row[0].n else "")
        print_line(f"  {one.name:<{width}}  {number(one.value):>6}  {interval:<14}  {chance}")


def print_ceiling(ceiling: CeilingTable | None) -> None:
    """Print the best achievable scores, if they are known."""
    if ceiling is not None:
        print_line(f"\nThe ceiling for these people, who are synthetic\n{ceiling}")


def print_shares(shares: Mapping[str, float]) -> None:
    """Print shares of the ceiling, if there are any."""
    if shares:
        print_line("\nShare of the achievable improvement over chance")
        for name, share in shares.items():
            print_line(f"{name:<48} {share:>7.1%}")
