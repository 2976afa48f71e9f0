"""Scores of a trial list from named embeddings: every name found, or counted and said."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.media.unicode_names import in_one_form
from voiceface.protocols.input_checks import few, unit_embeddings
from voiceface.protocols.trial_lists import GalleryList, TrialList

Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]


class Embedded:
    """Embeddings by name, rows of length 1; equal vectors are known to be equal.

    Args:
        names: (n,) names, in any one scheme.
        vectors: (n, d) embeddings.
        key: Brings names to one scheme (`VoxCelebNames.known_key`), for these names and those looked up.
        what: What to call them in messages.

    Raises:
        InputError: counts differ, a value is not finite, or one name has two different vectors.
    """

    def __init__(
        self,
        names: Sequence[str] | NDArray[np.str_],
        vectors: ArrayLike,
        *,
        key: Callable[[str], str] | None = None,
        what: str = "embeddings",
    ) -> None:
        self.what, self.key = what, key
        self.rows = unit_embeddings(vectors, what)
        keys = self._keys(names)
        if len(keys) != len(self.rows):
            raise InputError(what, f"{len(keys):,} names for {len(self.rows):,} rows", "give one name a row")
        self.place: dict[str, int] = {}
        clash = []
        for i, name in enumerate(keys):
            first = self.place.setdefault(name, i)
            if first != i and not np.array_equal(self.rows[first], self.rows[i]):
                clash.append(name)
        if clash:
            raise InputError(what, f"{few(clash)} names have two different vectors", "name every item once")
        seen: dict[bytes, int] = {}
        flat = self.rows + np.float32(0)  # -0.0 and 0.0 are one value
        self.same = np.array([seen.setdefault(r.tobytes(), i) for i, r in enumerate(flat)], dtype=np.intp)

    def _keys(self, names: Sequence[str] | NDArray[np.str_]) -> list[str]:
        plain = [in_one_form(str(name)) for name in names]
        return plain if self.key is None else [self.key(name) for name in plain]

    def find(self, names: Sequence[str] | NDArray[np.str_]) -> Ints:
        """Row of every name; -1 where there is none."""
        return np.array([self.place.get(key, -1) for key in self._keys(names)], dtype=np.intp)


def _known(found: list[Ints], names: list[NDArray[np.str_]], sides: list[Embedded], missing: str) -> Bools:
    """Which trials have all their embeddings; an error unless missing ones may be left out."""
    if sides[0].rows.shape[1] != sides[1].rows.shape[1]:
        widths = " and ".join(f"{side.what} {side.rows.shape[1]}" for side in sides)
        raise InputError("embeddings", f"differ in width: {widths}", "embed both sides with one model")
    if missing not in {"error", "exclude"}:
        raise InputError(f"missing={missing!r}", "is unknown", "choose 'error' or 'exclude'")
    kept: Bools = np.ones(len(found[0]), dtype=bool)
    for places, given, side in zip(found, names, sides, strict=True):
        lost = np.unique(given[places < 0])
        kept &= (places >= 0).reshape(len(kept), -1).all(axis=1)
        if len(lost) and missing == "error":
            raise InputError(
                side.what,
                f"lack {few(lost)} of the names in the list",
                "embed them (--missing exclude leaves such trials out, and counts them)",
            )
    if not kept.any():
        raise InputError("embeddings", f"cover none of the {len(kept):,} trials", "check the names' scheme")
    return kept


def _dots(left: Embedded, right: Embedded, i: Ints, j: Ints) -> NDArray[np.float64]:
    """Cosines of pairs of rows; pairs of equal vectors are multiplied once, so that ties stay ties."""
    width = len(right.rows)
    pairs, inverse = np.unique(left.same[i].astype(np.int64) * width + right.same[j], return_inverse=True)
    out = np.empty(len(pairs))
    for start in range(0, len(pairs), 20_000):
        part = pairs[start : start + 20_000]
        a, b = left.rows[part // width], right.rows[part % width]
        out[start : start + 20_000] = np.einsum("ij,ij->i", a, b, dtype=np.float64)
    dots: NDArray[np.float64] = out[inverse.reshape(-1)]
    return dots


def score_trials(
    trials: TrialList, left: Embedded, right: Embedded, *, missing: str = "error"
) -> tuple[NDArray[np.float64], Bools]:
    """Cosine of every trial's two embeddings.

    Args:
        trials: A verification list.
        left: Embeddings of its left column (voices, usually).
        right: Embeddings of its right column.
        missing: ``"error"``, or ``"exclude"`` to leave out trials without an embedding.

    Returns:
        Scores of the trials kept, and which those are (n,): say how many were left out.

    Raises:
        InputError: widths differ, or names are missing (how many, and the first few).
    """
    i, j = left.find(trials.left), right.find(trials.right)
    kept = _known([i, j], [trials.left, trials.right], [left, right], missing)
    return _dots(left, right, i[kept], j[kept]), kept


def score_galleries(
    galleries: GalleryList, probes: Embedded, items: Embedded, *, missing: str = "error"
) -> tuple[NDArray[np.float64], Bools]:
    """Cosine of every probe with its candidates, (trials kept, N), and which trials those are."""
    i, j = probes.find(galleries.probes), items.find(galleries.candidates.ravel())
    j = j.reshape(galleries.candidates.shape)
    kept = _known([i, j], [galleries.probes, galleries.candidates], [probes, items], missing)
    wide = np.broadcast_to(i[kept][:, None], j[kept].shape)
    return _dots(probes, items, wide.ravel(), j[kept].ravel()).reshape(wide.shape), kept
