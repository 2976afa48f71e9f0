"""A figure is declared once, beside what computes it: its name, function, chance level and convention.

The folder is the registry: a protocol asks `figures` for those of its kind, which walks this folder. A new
file here that declares a `Figure` adds a column to every report of that kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from voiceface.components import component_names, load_component

Kind = Literal[
    "trials", "galleries", "fixed galleries", "ranks", "probabilities", "decisions", "pictures", "face sets",
    "sharpness", "clip pictures", "clip landmarks", "clip openings", "clip sync", "clip mouth",
    "clip identity", "clip frames", "clip perceptual", "clip likeness",
]  # fmt: skip
"""What a figure is computed from, and the arguments of its function:

``trials``            cumulated weights of false and true accepts (`metrics.roc.SortedTrials`) -> value
``galleries``         shares of other people's items below and tied, sizes -> `metrics.ranking.GalleryWins`
``fixed galleries``   scores (trials, N), the right one in column 0 -> a value a trial
``ranks``             `metrics.ranking.ProbeRanks` -> a value a probe; ``pooled``: and weights -> value
``probabilities``     log odds (n,) falling, prior, bins -> a function of the positives' and of the negatives'
                      weights (n,), each adding up to 1 -> value
``decisions``         accepted positives, refused negatives, totals of both -> value
``pictures``          generated and reference pictures (n, height, width, 3) uint8 -> a value a picture
``face sets``         embeddings of generated (n, d) and of reference faces (m, d), and the factor that brings
                      the reference's numbers to deviation 1 -> value
``sharpness``         of generated (n,) and of reference pictures (m,) -> value
``clip pictures``     frames of a generated clip and of its reference, uint8 -> value
``clip landmarks``    five points of every frame of both (frames, 5, 2) -> value
``clip openings``     openings (frames,) of a generated mouth and of its reference, NaN where unknown -> value
``clip sync``         `metrics.sync_confidence.Sync` -> value
``clip mouth``        mouth opening and loudness of every frame -> value
``clip frames``       frames of one clip, uint8 -> value, NaN if there are too few
``clip identity``     similarity of every frame to the person, NaN without a face -> value, NaN if unknown
``clip likeness``     the same by the published recogniser that the field takes
``clip perceptual``   distances (frames,) of generated and real frames by a published network -> value
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
    proportion: bool = False
    """A share of things that are right or wrong: its interval stays within 0 and 1."""
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
