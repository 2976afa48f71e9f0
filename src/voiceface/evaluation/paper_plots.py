"""Figures of a paper's tables as PNG files, drawn with matplotlib where it is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError

Floats = npt.NDArray[np.floating]

_MOST = 600
"""Points of a t-SNE: more take minutes and show no more."""


def threshold_plot(
    path: Path, thresholds: Floats, curves: Mapping[str, Floats], *, chosen: float, paper: float | None
) -> None:
    """Shares over the threshold of a distance (Agarwal et al. 2019, Figure 4), written as a PNG.

    Args:
        path: the file.
        thresholds: (k,) rising.
        curves: (k,) shares by name.
        chosen: the threshold that is used.
        paper: the paper's, where it is of the same kind of distance.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="tight")
    axes = figure.subplots()
    for name, values in curves.items():
        axes.plot(thresholds, values, label=name)
    axes.axvline(chosen, color="black", lw=1, ls="--", label=f"chosen: {chosen:.3f}")
    if paper is not None:
        axes.axvline(paper, color="grey", lw=1, ls=":", label=f"paper: {paper:.2f}")
    axes.set(xlabel="threshold of the L2 distance", ylabel="share", ylim=(0, 1.02))
    axes.legend()
    _save(figure, path)


def tsne(rows: Floats, *, seed: int = 0) -> Floats:
    """Rows (n, width) on a plane, (n, 2), by t-SNE (van der Maaten and Hinton 2008).

    Raises:
        InputError: fewer than 4 rows.
    """
    from sklearn.manifold import TSNE

    if len(rows) < 4:
        raise InputError("t-SNE", f"{len(rows)} rows are too few to place", "give 4 or more")
    near = min(30.0, (len(rows) - 1) / 3)
    placed: Floats = TSNE(perplexity=near, init="pca", random_state=seed).fit_transform(rows)
    return placed


def tsne_plot(
    path: Path,
    panels: Mapping[str, tuple[Floats, Sequence[str]]],
    *,
    kinds: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
) -> None:
    """A t-SNE a panel, a colour a person (Agarwal et al. 2019, Figure 2), written as a PNG.

    Args:
        path: the file.
        panels: title to rows (n, width) and whose they are (n,); at most 600 of each are shown.
        kinds: title to ``voice`` or ``face`` of every row: voices are then drawn as triangles.
        seed: of the choice and the placing.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(panels), 4.6), layout="tight")
    everybody = sorted({person for _, people in panels.values() for person in people})
    for axes, (title, (rows, people)) in zip(
        np.atleast_1d(figure.subplots(1, len(panels))), panels.items(), strict=True
    ):
        picked = np.sort(np.random.default_rng(seed).permutation(len(rows))[:_MOST])
        points, owners = tsne(rows[picked], seed=seed), np.asarray(people)[picked]
        voices = np.asarray((kinds or {}).get(title, ["face"] * len(rows)))[picked] == "voice"
        for number, person in enumerate(everybody):
            mine, colour = owners == person, f"C{number % 10}"
            dots, marks = points[mine & ~voices], points[mine & voices]
            axes.scatter(dots[:, 0], dots[:, 1], s=9, color=colour, label=person)
            axes.scatter(marks[:, 0], marks[:, 1], s=14, color=colour, marker="^")
        axes.set(title=title, xticks=[], yticks=[])
        if len(everybody) <= 12:
            axes.legend(fontsize=6)
    _save(figure, path)


def _save(figure: object, path: Path) -> None:
    from voiceface.media.files import atomic_path

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)  # type: ignore[attr-defined]
