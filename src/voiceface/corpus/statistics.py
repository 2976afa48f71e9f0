"""How much of whom a corpus holds, by sex, as Roldán's Table I."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voiceface.corpus.corpus import Corpus


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsRow:
    """One line of the table."""

    sex: str
    """``male``, ``female``, ``unknown`` or ``all``."""
    people: int
    voices: int
    faces: int
    clips: int
    seconds: float
    """Sum over the voices: overlapping windows are counted again, as Roldán counts."""
    unique_seconds: float
    """The same sound counted once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """The table; ``str()`` prints it."""

    lines: tuple[StatisticsRow, ...]
    rejected: int

    @property
    def all(self) -> StatisticsRow:
        """The line of everybody."""
        return self.lines[-1]

    def __str__(self) -> str:
        """The table in columns."""
        head = (
            f"{'':<8} {'people':>7} {'voices':>9} {'faces':>9} {'clips':>8} {'seconds':>11} {'unique s':>11}"
        )
        body = [
            f"{line.sex:<8} {line.people:>7,} {line.voices:>9,} {line.faces:>9,} {line.clips:>8,} "
            f"{line.seconds:>11,.1f} {line.unique_seconds:>11,.1f}"
            for line in self.lines
        ]
        return "\n".join([head, *body, f"{self.rejected:,} files rejected"])


def corpus_statistics(corpus: Corpus) -> Statistics:
    """The table of a corpus: male, female, unknown if there are any, and all."""
    sex_of = {
        person.id: {"m": "male", "f": "female"}.get(person.gender, "unknown") for person in corpus.people
    }
    counts = {table: _sexes(corpus, table, sex_of) for table in corpus.tables}
    sources = _codes(corpus.column("voices", "source"))
    starts, seconds = corpus.column("voices", "start"), corpus.column("voices", "seconds")
    lines = []
    for sex in ("male", "female", "unknown", "all"):
        chosen = {
            table: sexes == sex if sex != "all" else np.ones(len(sexes), bool)
            for table, sexes in counts.items()
        }
        people = len(sex_of) if sex == "all" else sum(one == sex for one in sex_of.values())
        if sex == "unknown" and not people:
            continue
        voices = chosen["voices"]
        line = StatisticsRow(
            sex=sex,
            people=people,
            **{table: int(rows.sum()) for table, rows in chosen.items()},
            seconds=float(seconds[voices].sum()),
            unique_seconds=unique_seconds(sources[voices], starts[voices], seconds[voices]),
        )
        lines.append(line)
    return Statistics(lines=tuple(lines), rejected=len(corpus.rejected))


def unique_seconds(
    sources: npt.NDArray[np.int64], starts: npt.NDArray[np.float64], seconds: npt.NDArray[np.float64]
) -> float:
    """Length of the union of stretches (start, length in seconds) of each source.

    >>> unique_seconds(np.array([0, 0, 1]), np.array([0.0, 2.0, 0.0]), np.array([4.0, 4.0, 3.0]))
    9.0
    """
    if not len(sources):
        return 0.0
    order = np.lexsort((starts, sources))
    source, start, stop = sources[order], starts[order], (starts + seconds)[order]
    # Sources laid end to end on one line, so that one running maximum serves all of them.
    shift = np.concatenate([[0.0], np.cumsum(np.diff(source) != 0)]) * (float(stop.max()) + 1.0)
    start, stop = start + shift, stop + shift
    reached = np.concatenate([[-np.inf], np.maximum.accumulate(stop)[:-1]])
    return float(np.maximum(0.0, stop - np.maximum(start, reached)).sum())


def _sexes(corpus: Corpus, table: str, sex_of: dict[str, str]) -> npt.NDArray[np.str_]:
    people, inverse = np.unique(corpus.person_of(table), return_inverse=True)
    return np.array([sex_of.get(person, "unknown") for person in people], "<U7")[inverse]


def _codes(values: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
    return np.unique(values.astype(str), return_inverse=True)[1].astype(np.int64)
