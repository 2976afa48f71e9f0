"""A paper's table made again: our figures with their intervals beside the printed ones, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voiceface.errors import InputError
from voiceface.media.files import write_json, write_text
from voiceface.media.make_folder import make_folder
from voiceface.protocols.estimate import Estimate, number

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

Cell = Estimate | float | str | None
"""A figure with its interval and chance, a bare number, a word, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table: what we measured, what the paper printed, and the command that makes it again.

    >>> table = Table(
    ...     title="Table I",
    ...     columns=["accuracy"],
    ...     rows={"VAE": [Estimate(name="accuracy", value=0.8, low=0.7, high=0.9, chance=0.5)]},
    ...     paper_rows={"VAE": [0.7261]},
    ... )
    >>> print(table)
    ## Table I
    <BLANKLINE>
    | | | accuracy |
    |---|---|---|
    | VAE | ours | 0.800 [0.700, 0.900] (chance 0.500) |
    | VAE | paper | 0.726 |
    """

    title: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[Cell]]
    """Row's name to a cell for each column."""
    paper_rows: Mapping[str, Sequence[Cell]] = field(default_factory=dict)
    """The same as the paper prints it; rows that only one side has are shown too."""
    command: str = ""
    """What measures it again; filled in by `voiceface tables` where empty."""
    notes: Sequence[str] = ()
    """What the figures rest on: scales, counts left out, readings; file names of figures."""

    def __post_init__(self) -> None:
        """Refuse rows that do not fit the columns.

        Raises:
            InputError: a row has more or fewer cells than there are columns.
        """
        for rows in (self.rows, self.paper_rows):
            for name, cells in rows.items():
                if len(cells) != len(self.columns):
                    fault = f"row {name!r} has {len(cells)} cells for {len(self.columns)} columns"
                    raise InputError(self.title, fault, "give a cell for each column")

    def __str__(self) -> str:
        """As Markdown: ours and the paper's row of one name below each other, then notes and command."""
        lines = ["| " + " | ".join(["", "", *self.columns]).strip() + " |"]
        lines += ["|" + "---|" * (len(self.columns) + 2)]
        for name in dict.fromkeys([*self.rows, *self.paper_rows]):
            for whose, rows in (("ours", self.rows), ("paper", self.paper_rows)):
                if name in rows:
                    cells = [name, whose, *map(_shown, rows[name])]
                    lines.append("| " + " | ".join(" ".join(c.replace("|", "\\|").split()) for c in cells))
                    lines[-1] += " |"
        parts = [f"## {self.title}", "\n".join(lines)]
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        if self.command:
            parts.append(f"`{self.command}`")
        return "\n\n".join(parts)

    def estimates(self) -> list[tuple[str, Estimate]]:
        """Our measured cells that have an interval or a chance level, each with ``row, column``."""
        found = []
        for name, cells in self.rows.items():
            for column, cell in zip(self.columns, cells, strict=True):
                if isinstance(cell, Estimate):
                    found.append((f"{name}, {column}", cell))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": {name: [_plain(cell) for cell in cells] for name, cells in self.rows.items()},
            "paper_rows": {name: [_plain(cell) for cell in cells] for name, cells in self.paper_rows.items()},
            "command": self.command,
            "notes": list(self.notes),
        }


def save_tables(tables: Sequence[Table], out: Path, *, name: str, title: str) -> Path:
    """Write ``out/NAME.md`` to read and ``out/NAME.json`` to compute with; returns the first.

    Raises:
        InputError: the folder cannot be written to.
    """
    page = make_folder(out) / f"{name}.md"
    write_json(out / f"{name}.json", {"title": title, "tables": [table.to_dict() for table in tables]})
    write_page(page, tables, title=title)
    return page


def write_page(path: Path, tables: Sequence[Table], *, title: str) -> None:
    """Write the tables as one page of Markdown.

    Raises:
        InputError: the file cannot be written.
    """
    write_text(path, "\n\n".join([f"# {title}", *map(str, tables)]) + "\n")


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return cell
    if not isinstance(cell, Estimate):
        return number(float(cell))
    span = "" if isnan(cell.low) else f" [{number(cell.low)}, {number(cell.high)}]"
    chance = "" if isnan(cell.chance) else f" (chance {number(cell.chance)})"
    return number(cell.value) + span + chance


def _plain(cell: Cell) -> Any:  # noqa: ANN401
    if isinstance(cell, Estimate):
        return cell.to_dict()
    if isinstance(cell, float):
        return cell if isfinite(cell) else None
    return cell


def record_tables(results: Path, tables: Sequence[Table], corpus: Corpus, *, name: str) -> None:
    """Append every command's figures to the records of experiments, where any has an interval.

    Args:
        results: Folder of the records.
        tables: The paper's tables.
        corpus: What they were made on.
        name: The paper's module.
    """
    from voiceface.evaluation.experiment_records import record_experiment

    for command in dict.fromkeys(table.command for table in tables):
        chosen = [table for table in tables if table.command == command]
        figures = [(f"{table.title}: {row}", one) for table in chosen for row, one in table.estimates()]
        if any(one.low == one.low for _, one in figures):
            record_experiment(
                results,
                recipe=name,
                corpus=corpus.fingerprint,
                protocol="tables of the paper",
                command=command,
                figures=figures,
            )
