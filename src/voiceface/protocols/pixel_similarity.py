"""Generated pictures against real ones of the same person, pixel by pixel, every scale stated (Agarwal)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.figure import figures
from voiceface.protocols.input_checks import few, index_people
from voiceface.protocols.people_bootstrap import People, mean_of_items
from voiceface.protocols.report import Report

Pictures = NDArray[np.uint8]
Ints = NDArray[np.intp]


def likeness(
    generated: Pictures,
    real: Pictures,
    *,
    people: tuple[ArrayLike, ArrayLike],
    resamples: int = 1000,
    seed: int = 0,
) -> Report:
    """MAE, MSE, SNR, PSNR, PAMSE and SSIM of each generated picture and one real one of its person.

    Chance is the same with a real picture of somebody else: what a face looks like whoever it is. Two
    photographs of one person differ too, in light and expression; only a small distance to chance says
    anything of the person.

    Args:
        generated: (n, height, width, 3) uint8.
        real: (m, height, width, 3) uint8, of the same size and cut the same way.
        people: Person of every generated and every real picture.
        resamples: Over people; 0 for none.
        seed: Of the resamples, and of which real pictures are taken.

    Raises:
        InputError: pictures of another size or type, or nobody with both.
    """
    a, b = np.asarray(generated), np.asarray(real)
    for what, pictures in (("generated pictures", a), ("real pictures", b)):
        if pictures.dtype != np.uint8 or pictures.ndim != 4:
            raise InputError(
                what, f"are {pictures.dtype} {pictures.shape}", "give 8-bit (n, height, width, 3)"
            )
    if a.shape[1:] != b.shape[1:]:
        raise InputError(
            "pictures", f"generated are {a.shape[1:]}, real {b.shape[1:]}", "cut both the same way"
        )
    own, theirs, names = index_people(people[0], people[1], len(a), len(b))
    kept, right, wrong = _reference_pictures(own, theirs, len(names), seed)
    if not len(kept):
        raise InputError(
            "people", f"{few(names)}: nobody has a generated and a real picture", "check their names"
        )
    whose = People(names[own[kept]], resamples=resamples, seed=seed)
    estimates = []
    for figure in figures("pictures"):
        values = figure.function(a[kept], b[right])
        chance = float(figure.function(a[kept], b[wrong]).mean()) if wrong is not None else float("nan")
        estimates.append(
            mean_of_items(figure.name, values, whose, chance=chance, convention=figure.convention)
        )
    lost = len(a) - len(kept)
    excluded = {"likeness: no real picture of the person": lost} if lost else {}
    return Report(rows={"beside a real picture of the person": estimates}, excluded=excluded)


def _reference_pictures(own: Ints, theirs: Ints, people: int, seed: int) -> tuple[Ints, Ints, Ints | None]:
    """Generated pictures with a partner, a real one of the same person for each, and one of another's."""
    random = np.random.default_rng(seed)
    order = np.argsort(theirs, kind="stable")
    starts = np.searchsorted(theirs[order], np.arange(people + 1))
    counts = np.diff(starts)
    kept = np.flatnonzero(counts[own] > 0)
    mine = own[kept]
    right = order[starts[mine] + random.integers(0, counts[mine])] if len(kept) else kept
    if (counts > 0).sum() < 2:
        return kept, right, None
    # Somebody else's: a place among all others' pictures, the own ones stepped over.
    place = random.integers(0, len(theirs) - counts[mine])
    place = np.where(place >= starts[mine], place + counts[mine], place)
    return kept, right, order[place]


PROTOCOL = likeness
