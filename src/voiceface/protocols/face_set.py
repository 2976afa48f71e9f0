"""Faces as the protocols of drawn faces take them: described, whose they are, and whether one was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.roc import Floats
from voiceface.protocols.estimate import Estimate, table
from voiceface.protocols.identification import as_attribute
from voiceface.protocols.input_checks import as_names, few
from voiceface.protocols.threshold_search import as_found_mask

__all__ = ["Faces", "Report"]

Names = NDArray[np.str_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Faces:
    """Drawn or real faces, checked by `of`."""

    rows: Floats
    """(n, d) descriptors of any recogniser; rows of faces that were not found are not looked at."""
    people: Names
    """(n,) whose voice each was drawn from, or whose photograph it is."""
    genders: Names
    """(n,) of these people, blank where not known."""
    names: Names
    """(n,) what to call each."""
    found: NDArray[np.bool_]
    """(n,) whether a face was found in the picture."""
    sharpness: Floats
    """(n,) as `voiceface.metrics.image.sharpness`, NaN where not known."""

    @classmethod
    def of(
        cls,
        rows: ArrayLike,
        people: ArrayLike,
        *,
        genders: ArrayLike | None = None,
        names: ArrayLike | None = None,
        found: ArrayLike | None = None,
        sharpness: ArrayLike | None = None,
        what: str = "faces",
    ) -> Faces:
        """Check and keep them.

        Args:
            rows: (n, d).
            people: (n,) none of them blank.
            genders: (n,) ``"f"``, ``"m"`` or blank.
            names: (n,); numbered where not given.
            found: (n,) yes or no; a row that is not found may hold NaN.
            sharpness: (n,).
            what: What to call them in messages.

        Raises:
            InputError: lengths differ, a found face's row is not finite, a gender of another name, or one
                name for two different rows.
        """
        try:
            values = np.asarray(rows, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(what, "are no table of numbers of one width", "give (items, width)") from None
        if values.ndim != 2 or not values.size:
            raise InputError(what, f"have the shape {values.shape}", "give (items, width)")
        count = len(values)
        seen = as_found_mask(found, count)
        bad = np.flatnonzero(seen & ~np.isfinite(values).all(axis=1))
        if len(bad):
            raise InputError(what, f"rows {few(bad)} of {count:,} hold NaN or infinity", "embed them again")
        sexes = as_attribute(np.full(count, "") if genders is None else genders, count, f"genders of {what}")
        odd = np.unique(sexes[~np.isin(sexes, ("f", "m", ""))])
        if len(odd):
            raise InputError(f"genders of {what}", f"hold {few(odd)}", "write f, m or nothing")
        given = np.arange(count) if names is None else as_names(names, count, f"names of {what}")
        called: Names = given.astype(str)
        _check_names(called, values, what)
        sharp = np.full(count, np.nan) if sharpness is None else np.asarray(sharpness, dtype=np.float64)
        if sharp.shape != (count,):
            raise InputError(f"sharpness of {what}", f"has the shape {sharp.shape}", "give one for each")
        return cls(
            rows=values,
            people=as_names(people, count, f"people of {what}").astype(str),
            genders=sexes,
            names=called,
            found=seen,
            sharpness=sharp,
        )

    def __len__(self) -> int:
        """How many, found or not."""
        return len(self.rows)

    def only(self, kept: NDArray[Any]) -> Faces:
        """Those of a mask or of places."""
        return Faces(
            rows=self.rows[kept],
            people=self.people[kept],
            genders=self.genders[kept],
            names=self.names[kept],
            found=self.found[kept],
            sharpness=self.sharpness[kept],
        )


def _check_names(names: Names, rows: Floats, what: str) -> None:
    order = np.argsort(names, kind="stable")
    twice = np.flatnonzero(names[order][1:] == names[order][:-1])
    clash = [
        names[order[i]]
        for i in twice
        if not np.array_equal(rows[order[i]], rows[order[i + 1]], equal_nan=True)
    ]
    if clash:
        raise InputError(what, f"{few(clash)} names have two different rows", "name every item once")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Rows of figures, what did not enter them, and what to know when reading them."""

    rows: dict[str, list[Estimate]]
    excluded: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def figure(self, row: str, name: str) -> Estimate:
        """One figure of one row."""
        return next(e for e in self.rows[row] if e.name == name)

    def __str__(self) -> str:
        """As it is printed: rows of the same figures in one table."""
        tables: list[list[tuple[str, list[Estimate]]]] = []
        for name, row in self.rows.items():
            heads = [e.name for e in row]
            if not tables or [e.name for e in tables[-1][0][1]] != heads:
                tables.append([])
            tables[-1].append((name, row))
        lines = ["\n\n".join(table(one) for one in tables), ""]
        lines += [f"left out: {name}: {count:,}" for name, count in self.excluded.items()]
        return "\n".join([*lines, *self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rows": {name: [e.to_dict() for e in row] for name, row in self.rows.items()},
            "excluded": dict(self.excluded),
            "notes": list(self.notes),
        }
