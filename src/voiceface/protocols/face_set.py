"""Face sets for the protocols of generated faces: embeddings, people, and whether a face was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.roc import Floats
from voiceface.protocols.identification import as_attribute
from voiceface.protocols.input_checks import as_names, few
from voiceface.protocols.threshold_search import as_found_mask

Names = NDArray[np.str_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Faces:
    """Generated or real faces, checked by `of`."""

    rows: Floats
    """(n, d) embeddings of any recogniser; rows of faces that were not found are not looked at."""
    people: Names
    """(n,) whose voice each was generated from, or whose photograph it is."""
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
