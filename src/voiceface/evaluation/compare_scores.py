"""Two models compared by the scores that they gave to the same trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voiceface.components import nearest
from voiceface.errors import InputError
from voiceface.evaluation.paper_table import Cell, Table, write_page
from voiceface.evaluation.saved_scores import same_trials
from voiceface.protocols.estimate import number
from voiceface.protocols.paired_comparison import Comparison, compare


@dataclass(frozen=True, kw_only=True)
class ScoreComparison:
    """Every figure of two models on the same trials."""

    names: tuple[str, str]
    """Names of the two files."""
    comparisons: dict[str, Comparison]
    """By figure."""
    trials: int
    stratum: str

    def lines(self) -> list[str]:
        """As they are printed."""
        one = next(iter(self.comparisons.values())).difference
        where = f", {self.stratum}" if self.stratum else ""
        lines = [
            f"{self.names[0]} less {self.names[1]}: {self.trials:,} trials of {one.people:,} people{where}"
        ]
        width = max(map(len, self.comparisons))
        for name, found in self.comparisons.items():
            moved = found.difference
            span = f"[{moved.low:+.3f}, {moved.high:+.3f}]"
            values = f"{number(found.first):>6} against {number(found.second):>6}"
            lines.append(
                f"  {name:<{width}}  {values}  difference {moved.value:+.3f} {span}  p {found.p:.3g}"
            )
        return [*lines, "in brackets: 95 % interval over people, the same samples of people for both"]

    def table(self) -> Table:
        """As a table: a row a figure."""
        rows: dict[str, Sequence[Cell]] = {
            name: [found.first, found.second, found.difference, found.p]
            for name, found in self.comparisons.items()
        }
        where = f", {self.stratum}" if self.stratum else ""
        return Table(
            title=f"{self.names[0]} against {self.names[1]}{where}",
            columns=[*self.names, "difference", "p"],
            rows=rows,
            notes=[f"{self.trials:,} trials; paired bootstrap over people; p is two-sided"],
        )

    def write_markdown(self, path: Path) -> None:
        """Write the table as a page of Markdown."""
        write_page(path, [self.table()], title="Comparison")


def compare_scores(
    paths: tuple[Path, Path], *, figures: Sequence[str], stratum: str, sampling: tuple[int, int]
) -> ScoreComparison:
    """Compare two files of saved scores, paired over people.

    Args:
        paths: Files as `save_scores` writes them.
        figures: Names of figures of trials.
        stratum: Of the files; blank: all trials.
        sampling: Resamples over people, and their random seed.

    Raises:
        InputError: the files are not of the same trials, or do not have the stratum or figure.
    """
    first, second = same_trials(paths)
    if stratum:
        known = first.strata.keys() & second.strata.keys()
        if stratum not in known:
            fault = f"is no stratum of both files (both have: {', '.join(sorted(known)) or 'none'})"
            raise InputError(f"--stratum {stratum}", fault, nearest(stratum, sorted(known)))
        kept = np.flatnonzero(first.strata[stratum])
        first, second = first.only(kept), second.only(kept)
    assert first.people is not None
    resamples, seed = sampling
    found = {
        name: compare(
            first.scores,
            second.scores,
            first.labels,
            people=first.people,
            groups=first.folds,
            figure=name,
            resamples=resamples,
            seed=seed,
        )
        for name in figures
    }
    return ScoreComparison(
        names=(paths[0].stem, paths[1].stem),
        comparisons=found,
        trials=len(first.scores),
        stratum=stratum,
    )
