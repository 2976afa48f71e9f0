"""One figure as it should be printed: with its interval, its chance level and its convention."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import isfinite, isnan
from typing import Any, NamedTuple

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A measured value, what it was measured on, and what knowing nothing would give.

    >>> print(Estimate(name="AUC", value=0.775, low=0.741, high=0.806, chance=0.5, n=30496, people=250))
    AUC 0.775 [0.741, 0.806] chance 0.500 (n 30,496, people 250)
    """

    name: str
    value: float
    low: float = float("nan")
    """Lower end of the interval over people; NaN where people are not known."""
    high: float = float("nan")
    level: float = 0.95
    chance: float = float("nan")
    convention: str = ""
    n: int = 0
    """Trials or probes the value rests on."""
    people: int = 0
    groups: int = 1
    """Groups (folds) the value is the mean of."""
    resamples: int = 0
    """Resamples that the interval rests on; 0: no interval."""

    def __str__(self) -> str:
        """As it is printed."""
        parts = [f"{self.name} {number(self.value)}"]
        if not isnan(self.low):
            parts.append(f"[{number(self.low)}, {number(self.high)}]")
        if not isnan(self.chance):
            parts.append(f"chance {number(self.chance)}")
        facts = [f"n {self.n:,}"] if self.n else []
        facts += [f"people {self.people:,}"] if self.people else []
        facts += [f"mean of {self.groups} groups"] if self.groups > 1 else []
        return " ".join(parts) + (f" ({', '.join(facts)})" if facts else "")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; None where something is not known."""
        return {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in asdict(self).items()}


class Column(NamedTuple):
    """A figure of a row: its name, its chance level and how it is counted."""

    name: str
    chance: float = float("nan")
    convention: str = ""


def estimate_row(
    columns: Iterable[Column],
    values: Sequence[float] | NDArray[Any],
    ends: tuple[NDArray[Any], NDArray[Any]] | None = None,
    **facts: int,
) -> list[Estimate]:
    """One estimate a column.

    Args:
        columns: (k) columns.
        values: (k,) their values.
        ends: Lower and upper ends of their intervals, (k,) each; None where there are none.
        **facts: What all of them rest on: ``n``, ``people``, ``groups``, ``resamples`` of `Estimate`.
    """
    return [
        Estimate(
            name=column.name,
            value=float(values[i]),
            low=float("nan") if ends is None else float(ends[0][i]),
            high=float("nan") if ends is None else float(ends[1][i]),
            chance=column.chance,
            convention=column.convention,
            **facts,
        )
        for i, column in enumerate(columns)
    ]


def number(value: float) -> str:
    """Three decimals below ten, one above, ``-`` for what is not known."""
    if isnan(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def table(rows: list[tuple[str, list[Estimate]]]) -> str:
    """A Markdown table: one row a stratum or direction, one column a figure."""
    if not rows:
        return ""
    heads = ["", *[e.name for e in rows[0][1]]]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, estimates in rows:
        cells = []
        for e in estimates:
            span = "" if isnan(e.low) else f" [{number(e.low)}, {number(e.high)}]"
            chance = "" if isnan(e.chance) else f" (chance {number(e.chance)})"
            cells.append(number(e.value) + span + chance)
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)
