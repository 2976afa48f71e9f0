"""A figure is declared once, beside what computes it: its name, function, chance level and convention.

The folder is the registry: a protocol asks `figures` for those of its kind, which walks this folder. A new
file here that declares a `Figure` adds a column to every report of that kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from voiceface.components import component_names, load_component

__all__ = ["Figure", "Kind", "figures"]

Kind = Literal["trials", "galleries", "fixed galleries", "ranks"]
"""What a figure is computed from, and the arguments of its function:

``trials``            cumulated weights of false and true accepts (`metrics.roc.SortedTrials`) -> value
``galleries``         shares of other people's items below and tied, sizes -> `metrics.ranking.GalleryWins`
``fixed galleries``   scores (trials, N), the right one in column 0 -> a value a trial
``ranks``             `metrics.ranking.ProbeRanks` -> a value a probe; ``pooled``: and weights -> value
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measure, as every protocol and report knows it.

    >>> Figure(name="1:{n}", of="galleries", function=max, chance=lambda n: 1 / n).named(n=4)
    '1:4'
    """

    name: str
    """As it is printed; ``{n}`` and the like are filled in by the protocol."""
    of: Kind
    function: Callable[..., Any]
    """Computes it; the arguments are those of its `Kind`."""
    chance: float | Callable[..., float] = float("nan")
    """What knowing nothing gives, or a function of what the name's braces hold. NaN: unknown, or read off
    the data by the protocol."""
    convention: str = ""
    """How it is counted, where the literature has several ways."""
    headline: str = ""
    """The name under which it stands in the table of results; blank: it does not."""
    pooled: bool = False
    """The function takes all probes and their weights at once (a median), instead of giving each a value."""
    order: int = 100
    """Column of the report: small numbers first, equal ones by name."""

    def named(self, **values: object) -> str:
        """The name with its braces filled in."""
        return self.name.format(**values)

    def chance_of(self, **values: Any) -> float:  # noqa: ANN401
        """The chance level for what the name's braces hold."""
        return self.chance(**values) if callable(self.chance) else self.chance


def figures(of: Kind | None = None) -> tuple[Figure, ...]:
    """Every figure of a kind (or of all) that a file of ``voiceface.metrics`` declares, in a report's order.

    >>> [figure.name for figure in figures("trials")][:2]
    ['AUC', 'EER']
    """
    modules = (load_component(_FOLDER, name) for name in component_names(_FOLDER))
    declared = {one for module in modules for one in vars(module).values() if isinstance(one, Figure)}
    return tuple(
        sorted((one for one in declared if of in (None, one.of)), key=lambda one: (one.order, one.name))
    )


_FOLDER = "voiceface.metrics"
