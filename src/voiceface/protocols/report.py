"""What a protocol found, as it is printed, stored and shown on a page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from voiceface.protocols.estimate import Estimate, table


@dataclass(frozen=True, kw_only=True)
class Report:
    """Rows of figures, what did not enter them, and what to know when reading them."""

    title: ClassVar[str] = ""
    """Heading of its part of a page."""
    question: ClassVar[str] = ""
    """What the figures answer, in a sentence."""

    rows: dict[str, list[Estimate]]
    """By stratum, direction or side."""
    excluded: dict[str, int] = field(default_factory=dict)
    """What did not enter, and how many."""
    notes: tuple[str, ...] = ()

    def figure(self, name: str, row: str = "") -> Estimate:
        """One figure of one row, by default of the first.

        Raises:
            KeyError: there is no such row or figure.
        """
        estimates = self.rows[row] if row else next(iter(self.rows.values()))
        found = next((one for one in estimates if one.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def row_title(self, row: str) -> str:
        """A row's name with what it must be read with."""
        return row

    def facts(self) -> list[str]:
        """Sentences that stand above the figures."""
        return []

    def __str__(self) -> str:
        """As it is printed: rows of the same figures in one table."""
        tables: list[list[tuple[str, list[Estimate]]]] = []
        for name, row in self.rows.items():
            heads = [e.name for e in row]
            if not tables or [e.name for e in tables[-1][0][1]] != heads:
                tables.append([])
            tables[-1].append((self.row_title(name), row))
        lines = ["\n\n".join(table(one) for one in tables)]
        lines += [f"left out: {name}: {count:,}" for name, count in self.excluded.items()]
        return "\n".join([*lines, *self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rows": {name: [e.to_dict() for e in row] for name, row in self.rows.items()},
            "excluded": dict(self.excluded),
            "notes": list(self.notes),
        }
