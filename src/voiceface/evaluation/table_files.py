"""Figures as CSV for a program and as LaTeX for a paper."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from math import isnan
from pathlib import Path

from voiceface.evaluation.paper_table import Cell, Table
from voiceface.media.files import write_text
from voiceface.protocols.estimate import Estimate, number

_HEADS = ("table", "row", "whose", "column", "value", "low", "high", "level", "chance", "n", "people")
_SMALLER = re.compile(r"\b(EER|minDCF|ECE|Cllr|MAE|MSE|PAMSE|median rank)\b|Fréchet|kernel distance")
_LARGER = re.compile(
    r"\b(AUC|1:\d+|R@\d+|mAP|TPR|top-\d+|accuracy|accepted|nearest|right person|SSIM|PSNR|SNR|F1|agreement|"
    r"speaker|emotion|Inception Score|confidence|identity|within)\b"
)
_NO_METHOD = re.compile(
    r"wrong|control|shuffled|ceiling|ground truth|^real\b|target itself|mismatch|untrained|share of"
)
"""Rows that no method competes with: controls, and what cannot be surpassed."""
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#",
    "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "λ": r"$\lambda$", "ω": r"$\omega$", "ν": r"$\nu$",
    "μ": r"$\mu$", "±": r"$\pm$", "×": r"$\times$",
}  # fmt: skip


def report_tables(title: str, rows: Mapping[str, Sequence[Estimate]]) -> list[Table]:
    """A report's rows as tables, one for each stretch of rows with the same figures.

    Args:
        title: of them all.
        rows: by stratum, direction or side, as reports hold them.
    """
    parts = groupby(rows.items(), key=lambda pair: tuple(one.name for one in pair[1]))
    return [Table(title=title, columns=list(heads), rows=dict(some)) for heads, some in parts]


def write_csv(path: Path, tables: Sequence[Table]) -> None:
    """Write every figure as a line: table, row, whose, column, value, low, high, level, chance, n, people.

    ``whose`` is ``ours`` or ``paper``; a cell that is a word stands as ``value``; what is not known is blank.

    Raises:
        InputError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADS)
    for table in tables:
        for whose, rows in (("ours", table.rows), ("paper", table.paper_rows)):
            for row, cells in rows.items():
                for column, cell in zip(table.columns, cells, strict=True):
                    writer.writerow([table.title, row, whose, column, *_numbers(cell)])
    write_text(path, text.getvalue())


def write_latex(path: Path, tables: Sequence[Table]) -> None:
    r"""Write the tables for ``\usepackage{booktabs}``, each with its title as caption.

    Intervals are in brackets. Where several methods compete the best of ours in a column is bold; controls
    and columns of which neither more nor less is better have none. A chance level that all rows share is the
    last row; the paper's rows are marked as such.

    Raises:
        InputError: the file cannot be written.
    """
    write_text(path, "\n\n".join(map(latex, tables)) + "\n")


def latex(table: Table) -> str:
    r"""One table in LaTeX, as `write_latex` writes it."""
    best = {k: _best(table, k) for k in range(len(table.columns))}
    lines = []
    for name in dict.fromkeys([*table.rows, *table.paper_rows]):
        for whose, rows in (("", table.rows), (" (paper)", table.paper_rows)):
            if name in rows:
                cells = [_cell(c, bold=not whose and best[k] == name) for k, c in enumerate(rows[name])]
                lines.append(" & ".join([_escaped(name + whose), *cells]) + r" \\")
    chances = [_chance(table, k) for k in range(len(table.columns))]
    if any(chances):
        lines += [r"\midrule", " & ".join(["chance", *chances]) + r" \\"]
    notes = [f"% {' '.join(note.split())}" for note in (*table.notes, table.command) if note]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_escaped(table.title)}}}",
            *notes,
            rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
            r"\toprule",
            " & ".join(["", *map(_escaped, table.columns)]) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _numbers(cell: Cell) -> list[str | float]:
    if isinstance(cell, Estimate):
        found = (cell.value, cell.low, cell.high, cell.level, cell.chance)
        return [*("" if isnan(one) else one for one in found), cell.n, cell.people]
    value = "" if cell is None or (isinstance(cell, float) and isnan(cell)) else cell
    return [value, *[""] * (len(_HEADS) - 5)]


def _value(cell: Cell) -> float:
    if isinstance(cell, Estimate):
        return cell.value
    return float(cell) if isinstance(cell, int | float) else float("nan")


def _best(table: Table, column: int) -> str:
    """The row whose figure is the best of the methods; blank where none competes."""
    title = table.columns[column]
    smaller = bool(_SMALLER.search(title))
    values = {
        name: _value(cells[column]) for name, cells in table.rows.items() if not _NO_METHOD.search(name)
    }
    values = {name: value for name, value in values.items() if not isnan(value)}
    if len(values) < 2 or not (smaller or _LARGER.search(title)):
        return ""
    return (min if smaller else max)(values, key=values.__getitem__)


def _chance(table: Table, column: int) -> str:
    found = {
        number(cells[column].chance)  # type: ignore[union-attr]
        for cells in table.rows.values()
        if isinstance(cells[column], Estimate)
    }
    return found.pop() if len(found) == 1 and found != {"-"} else ""


def _cell(cell: Cell, *, bold: bool) -> str:
    if cell is None:
        return "--"
    if isinstance(cell, str):
        return _escaped(cell)
    value = number(_value(cell))
    value = "--" if value == "-" else value.replace("-", "$-$")
    value = rf"\textbf{{{value}}}" if bold else value
    if isinstance(cell, Estimate) and not isnan(cell.low):
        value += f" [{number(cell.low)}, {number(cell.high)}]".replace("-", "$-$")
    return value


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)
